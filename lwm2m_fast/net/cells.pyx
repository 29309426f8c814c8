# Long-lived small pieces of memory; see cells.pxd.

cimport cython
from libc.stdint cimport uint8_t

cdef extern from "sys/mman.h" nogil:
    void *mmap(void *at, size_t size, int access, int flags, int fd, long offset)
    int munmap(void *at, size_t size)
    enum: PROT_READ, PROT_WRITE, MAP_PRIVATE, MAP_ANONYMOUS
    void *MAP_FAILED

cdef extern from "string.h" nogil:
    void explicit_bzero(void *data, size_t size)


cdef inline size_t rounded(size_t size) noexcept nogil:
    return (size + CELL_STEP - 1) // CELL_STEP * CELL_STEP


@cython.final
cdef class Cells:
    def __dealloc__(self):
        cdef void *chunk
        while self.chunks != NULL:
            chunk = self.chunks
            self.chunks = (<void **>chunk)[0]
            munmap(chunk, CELL_CHUNK)

    cdef uint8_t *take(self, size_t size) noexcept nogil:
        cdef size_t whole = rounded(size)
        cdef size_t kind = whole // CELL_STEP
        cdef void *piece
        if size > CELL_MOST:
            return NULL
        piece = self.vacant[kind]
        if piece != NULL:
            self.vacant[kind] = (<void **>piece)[0]
        else:
            if self.left[kind] < whole and not self.grow(kind):
                return NULL
            piece = self.chunk[kind]
            self.chunk[kind] += whole
            self.left[kind] -= whole
        self.bytes += whole
        return <uint8_t *>piece

    cdef bint grow(self, size_t kind) noexcept nogil:
        cdef void *chunk = mmap(NULL, CELL_CHUNK, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        if chunk == MAP_FAILED:
            return False
        (<void **>chunk)[0] = self.chunks
        self.chunks = chunk
        self.chunk[kind] = <uint8_t *>chunk + CELL_STEP
        self.left[kind] = CELL_CHUNK - CELL_STEP
        return True

    cdef void give(self, uint8_t *piece, size_t size) noexcept nogil:
        cdef size_t whole = rounded(size)
        if piece == NULL:
            return
        explicit_bzero(piece, whole)
        (<void **>piece)[0] = self.vacant[whole // CELL_STEP]
        self.vacant[whole // CELL_STEP] = piece
        self.bytes -= whole
