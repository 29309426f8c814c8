# The newest change per row of those applied but not yet written into their tables.
#
# An index over blobs of changes, which are kept whole: an entry is a hash and a pointer to the
# change's first byte. One thread adds (the caller sees to that), any thread finds; both hold the
# GIL, which is what keeps them apart. Only the long pieces (rehash, sort) run without it, on
# memory that nobody else writes meanwhile. Knows nothing of files or transactions.

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint64_t
from libc.stdlib cimport free, malloc, qsort
from libc.string cimport memcmp, memcpy, memset

import os

from lwm2m_fast.cursor cimport Reader, reader_init, reader_left
from lwm2m_fast.store.changes cimport (
    HEADER_BYTES, OP_DELETE, REFUSAL_NONE, Change, read_change,
)
from lwm2m_fast.store.changes import check


cdef extern from "sched.h" nogil:
    int sched_yield()


cdef enum:
    LEAST_PLACES = 1024
    RUN_ROWS = 1024             # sorted, or merged, between two offers of the core: some 0.3 ms


cdef extern from *:
    """
    static inline uint64_t lf_mix(uint64_t a, uint64_t b) {
        unsigned __int128 product = (unsigned __int128)a * b;
        return (uint64_t)product ^ (uint64_t)(product >> 64);
    }
    """
    uint64_t lf_mix(uint64_t a, uint64_t b) noexcept nogil


cdef struct Entry:
    uint64_t hash
    const uint8_t *row          # NULL: the place is free


cdef inline uint8_t row_table(const uint8_t *row) noexcept nogil:
    return row[1]


cdef inline size_t row_key_size(const uint8_t *row) noexcept nogil:
    return (<size_t>row[2] << 8) | row[3]


cdef inline size_t row_value_size(const uint8_t *row) noexcept nogil:
    return (<size_t>row[4] << 24) | (<size_t>row[5] << 16) | (<size_t>row[6] << 8) | row[7]


cdef int compare_rows(const void *left, const void *right) noexcept nogil:
    # Table, then key as LMDB orders keys: bytes first, then the shorter one.
    cdef const uint8_t *a = (<const uint8_t **>left)[0]
    cdef const uint8_t *b = (<const uint8_t **>right)[0]
    cdef size_t a_size = row_key_size(a), b_size = row_key_size(b)
    cdef int order = <int>row_table(a) - <int>row_table(b)
    if order == 0:
        order = memcmp(a + HEADER_BYTES, b + HEADER_BYTES, a_size if a_size < b_size else b_size)
    if order == 0:
        order = (a_size > b_size) - (a_size < b_size)
    return order


cdef const uint8_t **sort_rows(const uint8_t **rows, const uint8_t **spare,
                               size_t count) noexcept nogil:
    """Sort `rows` in pieces; returns which of the two arrays, equally large, holds them now.

    A hundred thousand rows in one call take 20 ms, for which a thread that waits for this core
    would stand still: the loop, where it has no core of its own.
    """
    cdef size_t width = RUN_ROWS, at = 0, middle, end
    while at < count:
        qsort(rows + at, min(count - at, width), sizeof(rows[0]), compare_rows)
        at += width
        sched_yield()
    while width < count:
        at = 0
        while at < count:
            middle, end = min(at + width, count), min(at + 2 * width, count)
            merge_rows(rows, at, middle, end, spare)
            at = end
        rows, spare = spare, rows
        width *= 2
    return rows


cdef void merge_rows(const uint8_t **rows, size_t at, size_t middle, size_t end,
                     const uint8_t **into) noexcept nogil:
    """Merge the sorted rows at..middle and middle..end into the same places of `into`."""
    cdef size_t left = at, right = middle
    while at < end:
        if right == end or (left < middle and compare_rows(rows + left, rows + right) < 0):
            into[at] = rows[left]
            left += 1
        else:
            into[at] = rows[right]
            right += 1
        at += 1
        if at % RUN_ROWS == 0:
            sched_yield()


cdef inline bytes row_key(const uint8_t *row):
    return PyBytes_FromStringAndSize(<const char *>row + HEADER_BYTES, row_key_size(row))


cdef inline object row_value(const uint8_t *row):
    if row[0] == OP_DELETE:
        return None
    return PyBytes_FromStringAndSize(
        <const char *>row + HEADER_BYTES + row_key_size(row), row_value_size(row))


cdef Entry *free_places(size_t count) except NULL:
    """Written here and now: a page that is first read, and then written, is faulted in twice."""
    cdef Entry *places = <Entry *>malloc(count * sizeof(Entry))
    if places == NULL:
        raise MemoryError()
    with nogil:
        memset(places, 0, count * sizeof(Entry))
    return places


cdef class Overlay:
    """The changes of many blobs, last write wins.

    `size_bytes` is the size of the blobs held, `count` the number of different rows. Each place of the
    index costs 16 bytes and at most 3 of 4 are taken, so the memory is bounded by the blobs' bound.
    """

    cdef Entry *_entries
    cdef size_t _mask
    cdef const uint8_t **_sorted
    cdef uint64_t _seed[2]
    cdef list _blobs
    cdef Py_ssize_t _held               # rows there were when release() began
    cdef readonly Py_ssize_t count
    cdef readonly Py_ssize_t size_bytes
    cdef public bint is_pinned          # somebody iterates over it: do not release()

    def __cinit__(self):
        # Devices choose the keys; without a secret they could choose keys that collide.
        seed = os.urandom(16)
        memcpy(self._seed, PyBytes_AS_STRING(seed), 16)
        self._seed[0] |= 1
        self._seed[1] |= 1
        self._blobs = []
        self._entries = free_places(LEAST_PLACES)
        self._mask = LEAST_PLACES - 1

    def __dealloc__(self):
        free(self._entries)
        free(self._sorted)

    def add(self, bytes changes not None):
        """Take a blob of changes in; StoreError when malformed, MemoryError: nothing was taken."""
        self.reserve(check(changes))
        self.add_checked(changes)

    def reserve(self, Py_ssize_t rows):
        """Make room for `rows` more, so that the next add of that many cannot fail."""
        cdef size_t needed = <size_t>(self.count + rows), capacity = self._mask + 1
        if self._sorted != NULL:
            raise ValueError("rows were sorted already: nothing can be added")
        while needed * 4 > capacity * 3:
            capacity *= 2
        if capacity != self._mask + 1:
            self._rehash(capacity)

    def add_checked(self, bytes changes not None):
        """Take in a blob that passed check() and whose rows were reserved."""
        cdef Reader r
        cdef Change change
        cdef const uint8_t *row
        self._blobs.append(changes)
        self.size_bytes += PyBytes_GET_SIZE(changes)
        reader_init(&r, <const uint8_t *>PyBytes_AS_STRING(changes), PyBytes_GET_SIZE(changes))
        while reader_left(&r):
            row = r.pos
            if read_change(&r, &change) != REFUSAL_NONE:
                raise AssertionError("unchecked changes")
            self._insert(row, change.table, change.key, change.key_size)

    def find(self, int table, bytes key not None, absent):
        """The newest value, None when it was deleted, `absent` when no change names the row."""
        cdef Entry *entry
        cdef const uint8_t *data = <const uint8_t *>PyBytes_AS_STRING(key)
        if self.count == 0:
            return absent
        entry = self._place(self._hash(<uint8_t>table, data, PyBytes_GET_SIZE(key)),
                            <uint8_t>table, data, PyBytes_GET_SIZE(key))
        return absent if entry.row == NULL else row_value(entry.row)

    @property
    def places(self):
        """Rows the index has memory for."""
        return self._mask + 1

    def sort(self):
        """Order the rows by table and key for take(). Nothing can be added from here on."""
        cdef size_t place, at = 0, size = (self.count + 1) * sizeof(uint8_t *)
        cdef const uint8_t **rows
        cdef const uint8_t **spare
        cdef const uint8_t **ordered
        if self._sorted != NULL:
            return
        rows = <const uint8_t **>malloc(size)
        spare = <const uint8_t **>malloc(size)
        if rows == NULL or spare == NULL:
            free(rows)
            free(spare)
            raise MemoryError()
        with nogil:
            for place in range(self._mask + 1):
                if self._entries[place].row != NULL:
                    rows[at] = self._entries[place].row
                    at += 1
            ordered = sort_rows(rows, spare, at)
        free(spare if ordered == rows else rows)
        self._sorted = ordered

    def rows(self, int table):
        """The rows of one table that were not deleted, as [(key, value)] in no order."""
        cdef size_t place
        cdef const uint8_t *row
        cdef list found = []
        for place in range(self._mask + 1 if self.count else 0):
            row = self._entries[place].row
            if row != NULL and row_table(row) == table and row[0] != OP_DELETE:
                found.append((row_key(row), row_value(row)))
        return found

    def table_at(self, Py_ssize_t at):
        """The table of the sorted row `at`."""
        if self._sorted == NULL or not 0 <= at < self.count:
            raise IndexError(f"row {at} of {self.count} sorted rows")
        return row_table(self._sorted[at])

    def take(self, Py_ssize_t start, Py_ssize_t limit):
        """Rows `start`.. in sorted order, at most `limit`, all of one table.

        Returns (table, [(key, value) to put], [key to delete], start of the next ones).
        """
        cdef Py_ssize_t at = start
        cdef list puts = [], deletes = []
        cdef const uint8_t *row
        if self._sorted == NULL or not 0 <= start < self.count:
            raise IndexError(f"row {start} of {self.count} sorted rows")
        table = row_table(self._sorted[start])
        while at < self.count and at - start < limit:
            row = self._sorted[at]
            if row_table(row) != table:
                break
            if row[0] == OP_DELETE:
                deletes.append(row_key(row))
            else:
                puts.append((row_key(row), row_value(row)))
            at += 1
        return table, puts, deletes, at

    def release(self, Py_ssize_t limit):
        """Forget every row, and give at most `limit` blobs back; True while some are left.

        In slices, because giving back a hundred thousand blobs at once holds the GIL for long.
        """
        self._held = max(self._held, self.count)
        self.count = self.size_bytes = 0
        free(self._sorted)
        self._sorted = NULL
        if self._blobs:
            del self._blobs[-limit:]
        return bool(self._blobs)

    def renew(self):
        """Be as new, when all is released, but keep the index's memory: in a steady stream of
        changes it then never grows. Memory that was mostly idle is given back."""
        cdef size_t places = LEAST_PLACES, kept = self._mask + 1
        cdef Entry *entries
        if self.count or self._blobs:
            raise ValueError("not everything is released yet")
        while <size_t>self._held * 4 > places * 3:
            places *= 2
        self._held = 0
        if kept > 4 * places:
            entries = free_places(places)
            free(self._entries)
            self._entries, self._mask = entries, places - 1
            return
        with nogil:
            memset(self._entries, 0, kept * sizeof(Entry))

    cdef uint64_t _hash(self, uint8_t table, const uint8_t *key, size_t size) noexcept nogil:
        cdef uint64_t state = self._seed[0] ^ ((<uint64_t>table << 32) | size)
        cdef uint64_t word = 0
        while size >= 8:
            memcpy(&word, key, 8)
            state = lf_mix(state ^ word, self._seed[1])
            key += 8
            size -= 8
        word = 0
        memcpy(&word, key, size)
        return lf_mix(lf_mix(state ^ word, self._seed[1]), self._seed[0])

    cdef Entry *_place(self, uint64_t hash, uint8_t table, const uint8_t *key,
                       size_t size) noexcept nogil:
        # Where the row is, or the free place where it would go.
        cdef size_t at = hash & self._mask
        cdef const uint8_t *row
        while self._entries[at].row != NULL:
            if self._entries[at].hash == hash:
                row = self._entries[at].row
                if (row_table(row) == table and row_key_size(row) == size
                        and memcmp(row + HEADER_BYTES, key, size) == 0):
                    break
            at = (at + 1) & self._mask
        return &self._entries[at]

    cdef void _insert(self, const uint8_t *row, uint8_t table, const uint8_t *key,
                      size_t size) noexcept nogil:
        cdef uint64_t hash = self._hash(table, key, size)
        cdef Entry *entry = self._place(hash, table, key, size)
        if entry.row == NULL:
            entry.hash = hash
            self.count += 1
        entry.row = row

    cdef int _rehash(self, size_t capacity) except -1:
        # Readers use the old places under the GIL until the new ones are complete.
        cdef Entry *larger = free_places(capacity)
        cdef size_t place, at
        with nogil:
            for place in range(self._mask + 1):
                if self._entries[place].row != NULL:
                    at = self._entries[place].hash & (capacity - 1)
                    while larger[at].row != NULL:
                        at = (at + 1) & (capacity - 1)
                    larger[at] = self._entries[place]
        free(self._entries)
        self._entries = larger
        self._mask = capacity - 1
        return 0
