# Numbers for things of malloc: those that were freed first, and a failure that changes nothing.
# Knows pointers and tags; not what any of them is.

from libc.stdlib cimport free

from lwm2m_fast.core.slab cimport slab_free, slab_init, slab_reserve


cdef class Pointers:
    def __cinit__(self):
        slab_init(&self.slab, sizeof(void *))
        self.index = Index()
        self.free_numbers = []

    def __dealloc__(self):
        cdef uint32_t number
        for number in range(self.next_new):
            free(pointer_at(self, number)[0])
        slab_free(&self.slab)

    def __len__(self):
        return self.index.size

    cdef uint32_t keep(self, void *thing, uint32_t tag) except? 0xFFFFFFFF:
        cdef uint32_t number = self.next_new
        if self.free_numbers:
            number = self.free_numbers[len(self.free_numbers) - 1]
        elif slab_reserve(&self.slab, number) < 0:
            raise MemoryError
        self.index.insert(tag, number)
        if number == self.next_new:
            self.next_new += 1
        else:
            self.free_numbers.pop()
        pointer_at(self, number)[0] = thing
        return number

    cdef void forget(self, uint32_t number, uint32_t tag) noexcept:
        cdef void **place = pointer_at(self, number)
        self.index.remove(tag, number)
        free(place[0])
        place[0] = NULL
        self.free_numbers.append(number)
