# Handshakes: opened by a ClientHello whose cookie was valid, authenticated, or failed.
#
# Old work wins: with as many under way as may be, none begins; and nothing is replaced before the new
# one is authenticated. Exceptions of the credentials and the listener end one handshake.

from lwm2m_fast.datagram cimport lf_addr
from lwm2m_fast.net.dtls_idle cimport DtlsIdle
from lwm2m_fast.net.dtls_table cimport Session
from libc.stdint cimport int64_t, uint8_t, uint32_t


cdef class DtlsHandshakes(DtlsIdle):
    cdef uint32_t most_sessions, most_handshakes
    cdef int64_t handshake_ms, refused_at_ms

    # A session for a peer whose cookie was valid; SESSION_NONE: a bound, or no memory.
    cdef uint32_t open(self, const lf_addr *address, uint32_t hello) noexcept
    # What a datagram, or its absence, has done to a handshake; returns as receive().
    cdef int advance(self, uint32_t number, int event, uint8_t *plain, size_t *plain_size) noexcept
    cdef void on_half_open_timer(self, uint32_t number) noexcept

    # Private.
    cdef bint _authenticate(self, uint32_t number) except -1
    cdef int _displace(self, uint32_t number, uint32_t old) except -1
    cdef void _fail(self, uint32_t number, str why) noexcept
    cdef int64_t _deadline(self, const Session *slot) noexcept nogil
