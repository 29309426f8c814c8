# Endpoint names and what is said of each. Knows bytes and bits; not what either is for.

from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy

from lwm2m_fast.core.index cimport Probe, hash_bytes
from lwm2m_fast.core.pointers cimport pointer_at
from lwm2m_fast.core.records cimport MAX_ENDPOINT, NONE


cdef inline size_t room_of(size_t size) noexcept nogil:
    return sizeof(Name) + size + sizeof(Name *)


cdef class Names:
    def __cinit__(self, seed):
        self.seed[0], self.seed[1] = seed

    cdef inline Name *at(self, uint32_t number) noexcept nogil:
        return <Name *>pointer_at(self, number)[0]

    cdef inline uint32_t tag_of(self, const uint8_t *text, size_t size) noexcept nogil:
        return <uint32_t>hash_bytes(text, size, self.seed)

    cdef uint32_t find(self, const uint8_t *text, size_t size) noexcept nogil:
        cdef Probe probe
        cdef uint32_t number = self.index.first(self.tag_of(text, size), &probe)
        while number != NONE:
            if self.at(number).size == size and memcmp(self.at(number).text, text, size) == 0:
                return number
            number = self.index.next(&probe)
        return NONE

    cdef int marks_of(self, const uint8_t *text, size_t size) noexcept nogil:
        cdef uint32_t number = self.find(text, size) if self.index.size else NONE
        return 0 if number == NONE else self.at(number).marks

    cdef int change(self, bytes name, int take, int give) except -1:
        """Take some marks off `name` and give it others; a name without marks is forgotten."""
        cdef const uint8_t *text = <const uint8_t *><const char *>name
        cdef uint32_t number = self.find(text, len(name))
        cdef int marks
        if number == NONE:
            return self.add(name, give) if give else 0
        marks = self.at(number).marks & ~take | give
        if marks == 0:
            self.forget(number, self.tag_of(text, len(name)))
            self.bytes -= room_of(len(name))
        else:
            self.at(number).marks = <uint8_t>marks
        return 0

    cdef int add(self, bytes name, int marks) except -1:
        cdef const uint8_t *text = <const uint8_t *><const char *>name
        cdef Name *fresh
        if len(name) > MAX_ENDPOINT:
            raise ValueError(f"an endpoint name of {len(name)} bytes")
        fresh = <Name *>malloc(sizeof(Name) + len(name))
        if fresh == NULL:
            raise MemoryError
        fresh.size = <uint16_t>len(name)
        fresh.marks = <uint8_t>marks
        memcpy(fresh.text, text, len(name))
        try:
            self.keep(fresh, self.tag_of(text, len(name)))
        except MemoryError:
            free(fresh)
            raise
        self.bytes += room_of(len(name))
        return 0
