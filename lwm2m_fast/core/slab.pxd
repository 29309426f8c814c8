# A growing array of equal items that never moves: chunks behind one table of pointers.
#
# Growing takes one new chunk, so that the millionth item costs what the first did (a plain realloc
# would copy everything at once and stall the loop). Items start as zero bytes, which come from the
# system page by page as items are used: a chunk is never cleared as a whole.
# Chunks begin at a cache line. Which items are in use is the owner's business.

from libc.stdint cimport uint8_t, uint32_t, uintptr_t
from libc.stdlib cimport calloc, free, realloc


cdef enum:
    SLAB_CHUNK_BITS = 12
    SLAB_CHUNK = 1 << SLAB_CHUNK_BITS
    SLAB_ALIGNMENT = 64               # bytes

cdef struct Slab:
    uint8_t **chunks
    uint32_t chunk_count
    uint32_t item_size


cdef inline void slab_init(Slab *slab, uint32_t item_size) noexcept nogil:
    slab.chunks = NULL
    slab.chunk_count = 0
    slab.item_size = item_size


cdef inline uint8_t *slab_chunk(size_t size) noexcept nogil:
    """Zero bytes that begin at a cache line; what calloc() gave stands before them. NULL: none."""
    cdef uint8_t *raw = <uint8_t *>calloc(1, size + SLAB_ALIGNMENT)
    cdef uint8_t *chunk
    if raw == NULL:
        return NULL
    # calloc() aligns for any type, so that a pointer has room in what is skipped.
    chunk = raw + (SLAB_ALIGNMENT - (<uintptr_t>raw & (SLAB_ALIGNMENT - 1)))
    (<uint8_t **>chunk - 1)[0] = raw
    return chunk


cdef inline void slab_free(Slab *slab) noexcept nogil:
    cdef uint32_t i
    for i in range(slab.chunk_count):
        free((<uint8_t **>slab.chunks[i] - 1)[0])
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
        slab.chunks[slab.chunk_count] = slab_chunk(<size_t>SLAB_CHUNK * slab.item_size)
        if slab.chunks[slab.chunk_count] == NULL:
            return -1
        slab.chunk_count += 1
    return 0
