# Things of malloc under numbers, each found by a tag (a hash of what it is known by). What a thing
# is, and whether two with one tag are the same, is the business of the table that is built on this.

from libc.stdint cimport uint32_t

from lwm2m_fast.core.index cimport Index
from lwm2m_fast.core.slab cimport Slab, slab_at


cdef class Pointers:
    cdef Slab slab                # of pointers; NULL: the number is free
    cdef Index index
    cdef uint32_t next_new
    cdef list free_numbers

    # Its number, which nothing else has until forget(). MemoryError leaves the table as it was, and
    # `thing` with the caller.
    cdef uint32_t keep(self, void *thing, uint32_t tag) except? 0xFFFFFFFF
    # Frees the thing. `tag` is the one that it was kept under.
    cdef void forget(self, uint32_t number, uint32_t tag) noexcept


cdef inline void **pointer_at(Pointers table, uint32_t number) noexcept nogil:
    """Where the pointer `number`, which must be below next_new, stands."""
    return <void **>slab_at(&table.slab, number)
