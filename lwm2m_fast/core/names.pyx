# Endpoint names and what is said of each. Knows bytes and bits; not what either is for.

from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy

from lwm2m_fast.core.index cimport Index, Probe, hash_bytes
from lwm2m_fast.core.records cimport MAX_ENDPOINT, NONE
from lwm2m_fast.core.slab cimport slab_at, slab_free, slab_init, slab_reserve


cdef inline size_t room_of(size_t size) noexcept nogil:
    return sizeof(Name) + size


cdef class Names:
    def __cinit__(self, seed):
        slab_init(&self.slab, sizeof(Name *))
        self.seed[0], self.seed[1] = seed
        self.index = Index()
        self.free_numbers = []

    def __dealloc__(self):
        cdef uint32_t i
        for i in range(self.next_new):
            free(self.at(i))
        slab_free(&self.slab)

    def __len__(self):
        return self.index.size

    cdef inline Name *at(self, uint32_t number) noexcept nogil:
        return (<Name **>slab_at(&self.slab, number))[0]

    cdef uint32_t find(self, const uint8_t *text, size_t size) noexcept nogil:
        cdef Probe probe
        cdef uint32_t number = self.index.first(
            <uint32_t>hash_bytes(text, size, self.seed), &probe)
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
        cdef uint32_t number = self.find(<const uint8_t *><const char *>name, len(name))
        cdef int marks
        if number == NONE:
            return self.add(name, give) if give else 0
        marks = self.at(number).marks & ~take | give
        if marks == 0:
            self.forget(name, number)
        else:
            self.at(number).marks = <uint8_t>marks
        return 0

    cdef int add(self, bytes name, int marks) except -1:
        cdef const uint8_t *text = <const uint8_t *><const char *>name
        cdef uint32_t number = self.next_new
        cdef Name *fresh
        if len(name) > MAX_ENDPOINT:
            raise ValueError(f"an endpoint name of {len(name)} bytes")
        if self.free_numbers:
            number = self.free_numbers[len(self.free_numbers) - 1]
        elif slab_reserve(&self.slab, number) < 0:
            raise MemoryError
        fresh = <Name *>malloc(room_of(len(name)))
        if fresh == NULL:
            raise MemoryError
        try:
            self.index.insert(<uint32_t>hash_bytes(text, len(name), self.seed), number)
        except MemoryError:
            free(fresh)
            raise
        if number == self.next_new:
            self.next_new += 1
        else:
            self.free_numbers.pop()
        fresh.size = <uint16_t>len(name)
        fresh.marks = <uint8_t>marks
        memcpy(fresh.text, text, len(name))
        (<Name **>slab_at(&self.slab, number))[0] = fresh
        self.bytes += room_of(len(name)) + sizeof(Name *)
        return 0

    cdef void forget(self, bytes name, uint32_t number) noexcept:
        cdef const uint8_t *text = <const uint8_t *><const char *>name
        self.index.remove(<uint32_t>hash_bytes(text, len(name), self.seed), number)
        free(self.at(number))
        (<Name **>slab_at(&self.slab, number))[0] = NULL
        self.free_numbers.append(number)
        self.bytes -= room_of(len(name)) + sizeof(Name *)
