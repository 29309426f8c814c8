# A set of endpoint names: who may register. A few bytes each beside the name, no Python object.

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from lwm2m_fast.core.index cimport Index
from lwm2m_fast.core.slab cimport Slab


cdef struct Name:
    uint32_t size
    uint8_t text[1]


cdef class NameSet:
    cdef Slab slab                # of pointers to Name
    cdef Index index
    cdef uint64_t seed[2]
    cdef uint32_t next_new
    cdef list free_numbers

    cdef bint has(self, const uint8_t *text, size_t size) noexcept nogil

    # Private.
    cdef Name *at(self, uint32_t number) noexcept nogil
    cdef uint32_t find(self, const uint8_t *text, size_t size) noexcept nogil
