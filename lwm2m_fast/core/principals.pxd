# Which endpoint names a secure peer may speak for. Some 80 bytes each, no Python object.

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from lwm2m_fast.core.pointers cimport Pointers
from lwm2m_fast.datagram cimport lf_addr


cdef enum:
    PRINCIPAL_SIZE = 16           # it stands where a plain peer has its IP address
    NAMES_MOST = 16               # of one principal; more of a certificate's are passed over

cdef struct Principal:
    uint8_t id[PRINCIPAL_SIZE]
    uint16_t size                 # of all names
    uint8_t kind                  # how it has shown who it is: 1 PSK, 2 X.509
    uint8_t count                 # of names
    uint8_t names[1]              # each: its length, its text


cdef class Principals(Pointers):  # to Principal
    cdef uint64_t seed[2]
    cdef uint32_t max_count
    cdef readonly size_t bytes    # of memory, as asked for
    cdef readonly uint64_t refused

    # Who a datagram is from; NULL: a plain peer, or one that is not (or no longer) known here.
    cdef const Principal *find(self, const lf_addr *source) noexcept nogil
    cdef bint may_speak(self, const lf_addr *source, const uint8_t *endpoint,
                        size_t size) noexcept nogil
    # The name of a peer that has exactly one, and its size; valid until the next put() or drop().
    cdef const uint8_t *only_name(self, const lf_addr *source, uint32_t *size) noexcept nogil
    # False: as many as may be are here, and nothing changed.
    cdef bint put(self, bytes principal, int kind, names) except -1
    cdef void drop(self, bytes principal) except *

    # Private.
    cdef Principal *at(self, uint32_t number) noexcept nogil
    cdef uint32_t number_of(self, const uint8_t *id) noexcept nogil
    cdef uint32_t tag_of(self, const uint8_t *id) noexcept nogil


# The address that a principal has in core/; ValueError when it has another size.
cdef int principal_addr(bytes principal, lf_addr *addr) except -1
