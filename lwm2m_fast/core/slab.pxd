# A growing array of equal items that never moves: chunks behind one table of pointers.
#
# Growing touches one new chunk, so that the millionth item costs what the first did (a plain
# realloc would copy everything at once and stall the loop). Items start as zero bytes.
# Chunks begin at a cache line. Which items are in use is the owner's business.

from libc.stdint cimport uint8_t, uint32_t
from libc.stdlib cimport free, realloc
from libc.string cimport memset


cdef extern from "stdlib.h" nogil:
    void *aligned_alloc(size_t alignment, size_t size)


# With AddressSanitizer chunks are small: what lies beyond the last one is seen sooner, more of them
# are made, and fuzzing does not spend its time on clearing what nobody uses.
cdef extern from *:
    """
    #ifdef __SANITIZE_ADDRESS__
    #define SLAB_CHUNK_BITS 4
    #else
    #define SLAB_CHUNK_BITS 12
    #endif
    #define SLAB_CHUNK (1 << SLAB_CHUNK_BITS)
    """
    enum:
        SLAB_CHUNK_BITS
        SLAB_CHUNK                      # items

cdef struct Slab:
    uint8_t **chunks
    uint32_t chunk_count
    uint32_t item_size


cdef inline void slab_init(Slab *slab, uint32_t item_size) noexcept nogil:
    slab.chunks = NULL
    slab.chunk_count = 0
    slab.item_size = item_size


cdef inline void slab_free(Slab *slab) noexcept nogil:
    cdef uint32_t i
    for i in range(slab.chunk_count):
        free(slab.chunks[i])
    free(slab.chunks)
    slab.chunks = NULL
    slab.chunk_count = 0


cdef inline uint32_t slab_capacity(const Slab *slab) noexcept nogil:
    return slab.chunk_count << SLAB_CHUNK_BITS


cdef inline void *slab_at(const Slab *slab, uint32_t number) noexcept nogil:
    """The item `number`, which must be below the capacity."""
    return (slab.chunks[number >> SLAB_CHUNK_BITS]
            + <size_t>(number & (SLAB_CHUNK - 1)) * slab.item_size)


cdef inline int slab_reserve(Slab *slab, uint32_t number) noexcept nogil:
    """Make item `number` exist. -1: out of memory, nothing changed."""
    cdef void *grown
    while number >= slab_capacity(slab):
        grown = realloc(slab.chunks, (slab.chunk_count + 1) * sizeof(uint8_t *))
        if grown == NULL:
            return -1
        slab.chunks = <uint8_t **>grown
        slab.chunks[slab.chunk_count] = <uint8_t *>aligned_alloc(
            64, <size_t>SLAB_CHUNK * slab.item_size)
        if slab.chunks[slab.chunk_count] == NULL:
            return -1
        memset(slab.chunks[slab.chunk_count], 0, <size_t>SLAB_CHUNK * slab.item_size)
        slab.chunk_count += 1
    return 0
