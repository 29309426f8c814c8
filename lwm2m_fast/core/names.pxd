# What is known of endpoint names before they register: a few bits each, and a few bytes beside
# the name; no Python object.

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from lwm2m_fast.core.pointers cimport Pointers


# What is said of a name; none of it: it is not in the table.
cdef enum NameMark:
    NAME_LISTED = 1               # may register where only listed names may
    NAME_PLAIN = 2                # may register, and only without security
    NAME_SECURE = 4               # may register, and only as a secure peer that is it

cdef struct Name:
    uint16_t size
    uint8_t marks                 # NameMark bits
    uint8_t text[1]


cdef class Names(Pointers):       # to Name
    cdef uint64_t seed[2]
    cdef readonly size_t bytes    # of memory, as asked for

    # NameMark bits; 0: nothing is known of this name.
    cdef int marks_of(self, const uint8_t *text, size_t size) noexcept nogil
    # MemoryError leaves everything as it was.
    cdef int change(self, bytes name, int take, int give) except -1

    # Private.
    cdef Name *at(self, uint32_t number) noexcept nogil
    cdef uint32_t tag_of(self, const uint8_t *text, size_t size) noexcept nogil
    cdef uint32_t find(self, const uint8_t *text, size_t size) noexcept nogil
    cdef int add(self, bytes name, int marks) except -1
