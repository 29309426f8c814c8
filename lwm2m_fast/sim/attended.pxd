# Devices that are not like all others: the contract.
#
# A request that the catalogue cannot answer goes to `desk`, a Python object (sim/desk.py), and so
# does every request of a device that was written to. What goes by here without one of these costs a
# comparison or two.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from lwm2m_fast.cursor cimport Writer
from lwm2m_fast.sim.exchanges cimport Exchanges
from lwm2m_fast.wire.coap cimport Message


cdef class Attended(Exchanges):
    cdef object desk
    cdef bint has_desk
    cdef bint asks_always         # every request goes to the desk
    cdef int64_t desk_at          # when the desk has something to do by itself; INT64_MAX = never
    cdef int64_t sleep_ns         # a device is deaf so long after its last datagram; 0 = never
    cdef readonly uint64_t slept_through
    cdef readonly uint64_t rebooted

    cdef bint is_asleep(self, uint32_t key, int64_t now) noexcept nogil
    # What the desk does by itself.
    cdef void begin_turn(self, int64_t now) noexcept nogil
    cdef void came_in(self, uint32_t key) noexcept nogil
    cdef void write_own_links(self, uint32_t key, Writer *w, int last) noexcept nogil
    cdef uint32_t own_lifetime_s(self, uint32_t key) noexcept nogil

    # For the subclass.
    cdef void registers_anew(self, uint32_t key, int64_t now) noexcept nogil
    cdef void write_links(self, uint32_t key, Writer *w, int last, const uint8_t *data,
                          uint32_t size) noexcept nogil
