# An authenticated session over time: what a record has come to, saved when idle, woken, ended.
#
# Knows moments and the listener; not which datagram is whose, nor how a session came to be.

from lwm2m_fast.core.timers cimport TimerWheel
from lwm2m_fast.net.dtls_identity cimport DtlsIdentity
from lwm2m_fast.net.dtls_table cimport Session
from libc.stdint cimport int64_t, uint8_t, uint32_t


cdef class DtlsIdle(DtlsIdentity):
    cdef TimerWheel wheel
    cdef int64_t base_ms, idle_ms, timeout_ms
    cdef object listener, wall_clock
    cdef uint32_t most_live             # since memory was last given back

    # More plain text of the datagram received last, as DtlsSessions.receive() has it.
    cdef int read_more(self, uint32_t number, uint8_t *plain, size_t *plain_size) noexcept
    # What an event of the library is for the owner; a session that is over has ended.
    cdef int received(self, uint32_t number, int event) noexcept
    # Free without a word to anybody.
    cdef void forget(self, uint32_t number) noexcept
    # End an authenticated session; the listener is told.
    cdef void leave(self, uint32_t number, bint says_goodbye) noexcept
    # Make a saved session live. False: its bytes are of no use, and it has ended.
    cdef bint wake(self, uint32_t number) noexcept
    # Give the session's buffers back. False: it cannot be saved now and lives on, or has ended.
    cdef bint save(self, uint32_t number) noexcept
    cdef void schedule(self, uint32_t number, int64_t due_ms) noexcept
    cdef uint32_t tenths(self) noexcept nogil
    cdef int64_t heard_ms(self, const Session *slot) noexcept nogil
    # The wheel has rung for it.
    cdef void on_timer(self, uint32_t number) noexcept
    cdef void give_back(self) noexcept nogil

    # Private.
    cdef int64_t _since_ms(self, const Session *slot) noexcept
