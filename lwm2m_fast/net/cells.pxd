# Small pieces of memory that live long, apart from malloc(): so they do not keep the pages of large
# pieces that come and go between them.
#
# Knows sizes only. Pieces are multiples of 16 bytes, up to CELL_MOST, in chunks of one size each; a
# freed piece is used again, a chunk is given back with the whole.

cimport cython
from libc.stdint cimport uint8_t

cdef enum:
    CELL_STEP = 16
    CELL_MOST = 1024
    CELL_CHUNK = 1 << 20                # bytes; pages are taken as they are touched


@cython.final
cdef class Cells:
    cdef void *vacant[65]               # by size / CELL_STEP: a list through the first bytes
    cdef uint8_t *chunk[65]             # where the next new piece is
    cdef size_t left[65]
    cdef void *chunks                   # a list likewise
    cdef readonly size_t bytes          # in use

    # NULL: more than CELL_MOST, or no memory. `size` is above 0.
    cdef uint8_t *take(self, size_t size) noexcept nogil
    # Wipe a piece of `size` bytes and have it back. NULL: nothing.
    cdef void give(self, uint8_t *piece, size_t size) noexcept nogil

    cdef bint grow(self, size_t kind) noexcept nogil
