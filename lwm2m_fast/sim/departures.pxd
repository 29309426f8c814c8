# Datagrams that wait to leave a simulated fleet, packed behind each other: the contract.

from libc.stdint cimport uint8_t, uint32_t

from lwm2m_fast.cursor cimport Writer

cdef enum:
    MAX_DEPARTURES = 512
    MAX_DATAGRAM_BYTES = 1280     # one block of 1,024 and every option that may come with it
    MAX_OVERSIZED_BYTES = 65536   # room in all for what devices that misbehave send in one piece

cdef struct Departure:
    uint32_t device
    uint32_t offset               # into the arena
    uint32_t size


cdef class Departures:
    cdef uint8_t *arena
    cdef uint32_t used
    cdef uint32_t oversized       # bytes beyond MAX_DATAGRAM_BYTES
    cdef Departure entries[MAX_DEPARTURES]
    cdef readonly int count

    # A writer over room for one datagram; it exists only after commit(). False = no room left.
    cdef bint begin(self, Writer *w) noexcept nogil
    cdef void commit(self, uint32_t device, Writer *w) noexcept nogil
    # A whole datagram, which may be longer than any that a device writes. False = no room left.
    cdef bint put(self, uint32_t device, const uint8_t *data, size_t size) noexcept nogil
    cdef void clear(self) noexcept nogil


cdef inline int room(Departures out) noexcept nogil:
    return MAX_DEPARTURES - out.count
