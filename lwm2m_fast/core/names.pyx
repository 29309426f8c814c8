# A set of endpoint names. Knows bytes; not what the names are for.

from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy

from lwm2m_fast.core.index cimport Index, Probe, hash_bytes
from lwm2m_fast.core.records cimport NONE
from lwm2m_fast.core.slab cimport slab_at, slab_free, slab_init, slab_reserve


cdef class NameSet:
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

    cdef bint has(self, const uint8_t *text, size_t size) noexcept nogil:
        return self.find(text, size) != NONE

    def add(self, bytes name):
        """Put `name` into the set; MemoryError leaves it as it was."""
        cdef const uint8_t *text = <const uint8_t *><const char *>name
        cdef uint32_t number = self.next_new
        cdef Name *fresh
        if self.has(text, len(name)):
            return
        if self.free_numbers:
            number = self.free_numbers[len(self.free_numbers) - 1]
        elif slab_reserve(&self.slab, number) < 0:
            raise MemoryError
        fresh = <Name *>malloc(sizeof(Name) + len(name))
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
        fresh.size = <uint32_t>len(name)
        memcpy(fresh.text, text, len(name))
        (<Name **>slab_at(&self.slab, number))[0] = fresh

    def discard(self, bytes name):
        """Take `name` out of the set, if it is there."""
        cdef const uint8_t *text = <const uint8_t *><const char *>name
        cdef uint32_t number = self.find(text, len(name))
        if number == NONE:
            return
        self.index.remove(<uint32_t>hash_bytes(text, len(name), self.seed), number)
        free(self.at(number))
        (<Name **>slab_at(&self.slab, number))[0] = NULL
        self.free_numbers.append(number)

    def __contains__(self, bytes name):
        return self.has(<const uint8_t *><const char *>name, len(name))
