# From a 32-bit tag to the numbers that carry it: the hash part of every table in core/.
#
# Knows no keys: the caller keeps them, hashes them with the functions below (the tag is the low
# half of the hash), and compares them with each candidate that first() and next() hand out.
#
# Memory is cache lines of eight entries; the home line is tag & mask, so growing needs no key.
# An entry that does not fit spills to the next line, so a line with a free slot ends a search.
# While the table changes size there are two arrays and each insert or remove moves a few lines;
# no call ever rehashes the table. See index.pyx for the rules that keep this true.

cimport cython
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

cdef enum:
    INDEX_NONE = 0xFFFFFFFF             # first() and next(): no (further) candidate
    INDEX_MOST_NUMBER = 0xFFFFFFFD      # numbers above it are refused by insert()
    INDEX_LINE_ENTRIES = 8
    INDEX_MOVED_LINES = 8               # at most so many lines (64 entries) change array per call
    INDEX_FREED_LINES = 4096            # and so many (256 KiB) go back to the system


cdef struct Line:                       # 64 bytes, one cache line
    uint32_t tag[8]
    uint32_t value[8]                   # number + 1; 0 = free; the used slots come first


cdef struct Table:
    Line *lines
    size_t mask                         # how many lines there are, minus 1


cdef struct Probe:
    Line *line
    uint32_t tag
    int slot
    int part                            # 0: the current array, 1: the one being left


@cython.final
cdef class Index:
    """Tags to numbers. The caller never inserts a pair of tag and number twice."""

    cdef Table now                      # where everything is inserted
    cdef Table old                      # being left: lines == NULL when nothing moves
    cdef size_t next_line               # of `old`: lines before it have moved
    cdef Line *spent                    # an array that was left, given back in slices
    cdef size_t spent_lines
    cdef readonly size_t size           # entries
    cdef readonly size_t bytes          # of memory
    cdef readonly size_t work           # lines visited by all inserts and removes so far

    # Candidates for `tag`, INDEX_NONE when there are no more. Nothing may be inserted or removed
    # between first() and the last next() of one search.
    cdef uint32_t first(self, uint32_t tag, Probe *p) noexcept nogil
    cdef uint32_t next(self, Probe *p) noexcept nogil
    # MemoryError: the table cannot grow, nothing is inserted.
    cpdef int insert(self, uint32_t tag, uint32_t number) except -1 nogil
    # An empty table takes the memory for `entries` at once, so that nothing moves while they come.
    # Anything else stays as it is. MemoryError: nothing has changed.
    cpdef int reserve(self, size_t entries) except -1 nogil
    # Fetch the line in which a search for `tag` begins into the cache: it is wanted soon.
    cdef void warm(self, uint32_t tag) noexcept nogil
    # Whether the pair was there. Never fails: a table that cannot shrink stays as it is.
    cpdef bint remove(self, uint32_t tag, uint32_t number) noexcept nogil

    cdef void _place(self, uint32_t tag, uint32_t value) noexcept nogil
    cdef Line *_find(self, Table *table, uint32_t tag, uint32_t value, int *slot) noexcept nogil
    cdef void _close(self, Line *line, int slot) noexcept nogil
    cdef int _resize(self, size_t lines) noexcept nogil
    cdef void _move_some(self) noexcept nogil
    cdef void _free_some(self) noexcept nogil


# A keyed hash in the manner of wyhash: fold the 128-bit product of what is read and what is
# secret. Attackers choose endpoint names and addresses, so `seed` is random per process and
# neither it nor a hash ever leaves the process.

cdef extern from * nogil:
    """
    static inline uint64_t lf_fold(uint64_t a, uint64_t b) {
        unsigned __int128 product = (unsigned __int128)a * b;
        return (uint64_t)product ^ (uint64_t)(product >> 64);
    }
    """
    uint64_t lf_fold(uint64_t a, uint64_t b)


cdef inline uint64_t _load(const uint8_t *data, size_t size) noexcept nogil:
    cdef uint64_t value = 0
    memcpy(&value, data, size)
    return value


cdef inline uint64_t hash_bytes(const uint8_t *data, size_t size,
                                const uint64_t *seed) noexcept nogil:
    """The hash of `size` bytes under the two words of `seed`."""
    cdef uint64_t state = seed[0] ^ size
    cdef uint64_t low = 0, high = 0
    while size > 16:
        state = lf_fold(_load(data, 8) ^ seed[1], _load(data + 8, 8) ^ state)
        data += 16
        size -= 16
    if size >= 8:
        low = _load(data, 8)
        high = _load(data + size - 8, 8)
    elif size:
        low = _load(data, size)
    state = lf_fold(low ^ seed[1], high ^ state)
    return lf_fold(state ^ seed[0], seed[1] ^ <uint64_t>0x9E3779B97F4A7C15)


cdef inline uint64_t hash_addr(const void *addr, const uint64_t *seed) noexcept nogil:
    """The hash of a whole lf_addr (24 bytes, no padding)."""
    cdef const uint8_t *data = <const uint8_t *>addr
    cdef uint64_t state = lf_fold(_load(data, 8) ^ seed[1], _load(data + 8, 8) ^ seed[0])
    return lf_fold(state ^ _load(data + 16, 8), seed[1] ^ <uint64_t>0x9E3779B97F4A7C15)
