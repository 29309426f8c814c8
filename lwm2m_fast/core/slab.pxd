# A growing array of equal items that never moves: chunks behind one table of pointers.
#
# Growing takes one new chunk, so that the millionth item costs what the first did (a plain
# realloc would copy everything at once and stall the loop). Items start as zero bytes: chunks come
# from mmap, so that the kernel clears a page when its first item is used, and nobody does it again.
# Chunks begin at a page. Which items are in use is the owner's business.

from libc.stdint cimport uint8_t, uint32_t
from libc.stdlib cimport free, realloc


cdef extern from "sys/mman.h" nogil:
    void *mmap(void *at, size_t size, int access, int flags, int fd, long offset)
    int munmap(void *at, size_t size)
    enum: PROT_READ, PROT_WRITE, MAP_PRIVATE, MAP_ANONYMOUS
    void *MAP_FAILED


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
        munmap(slab.chunks[i], <size_t>SLAB_CHUNK * slab.item_size)
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
    cdef void *chunk
    while number >= slab_capacity(slab):
        grown = realloc(slab.chunks, (slab.chunk_count + 1) * sizeof(uint8_t *))
        if grown == NULL:
            return -1
        slab.chunks = <uint8_t **>grown
        chunk = mmap(NULL, <size_t>SLAB_CHUNK * slab.item_size, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        if chunk == MAP_FAILED:
            return -1
        slab.chunks[slab.chunk_count] = <uint8_t *>chunk
        slab.chunk_count += 1
    return 0
