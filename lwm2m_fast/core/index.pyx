# The hash part of every table in core/; see index.pxd for what it promises and to whom.
#
# Rules that hold between two calls:
#   1. An entry whose home is line h and that lies in line m: every line from h to m-1 is full.
#   2. The used slots of a line are its first ones.
#   3. At least a quarter of all slots is free, so every search ends.
#   4. While `old` exists an entry is in exactly one of the two arrays. In `old` a slot whose entry
#      has left is marked GONE and counts as used, so rule 1 holds there without moving anything.
# Memory comes from mmap: zero pages are free of charge when a table doubles, and lines are aligned.

from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef extern from "sys/mman.h" nogil:
    void *mmap(void *at, size_t size, int access, int flags, int fd, long offset)
    int munmap(void *at, size_t size)
    enum: PROT_READ, PROT_WRITE, MAP_PRIVATE, MAP_ANONYMOUS
    int madvise(void *at, size_t size, int advice)
    enum: MADV_HUGEPAGE
    void *MAP_FAILED

cdef extern from * nogil:
    void __builtin_prefetch(const void *at, int is_written)

cdef enum:
    LEAST_LINES = 64                    # one page
    LAST = INDEX_LINE_ENTRIES - 1
    GONE = 0xFFFFFFFF                   # a value in `old` whose entry has left it


cdef int table_take(Table *table, size_t lines) noexcept nogil:
    cdef void *memory = mmap(NULL, lines * sizeof(Line), PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    if memory == MAP_FAILED:
        return -1
    table.lines = <Line *>memory
    table.mask = lines - 1
    return 0


cdef void table_free(Table *table) noexcept nogil:
    if table.lines != NULL:
        munmap(table.lines, (table.mask + 1) * sizeof(Line))
    table.lines = NULL


cdef inline Line *home(const Table *table, uint32_t tag) noexcept nogil:
    return &table.lines[tag & table.mask]


cdef inline Line *after(const Table *table, Line *line) noexcept nogil:
    return table.lines if line == &table.lines[table.mask] else line + 1


cdef inline size_t capacity(const Table *table) noexcept nogil:
    return (table.mask + 1) * INDEX_LINE_ENTRIES


cdef class Index:
    def __cinit__(self):
        self.old.lines = NULL
        if table_take(&self.now, LEAST_LINES) < 0:
            raise MemoryError
        self.bytes = LEAST_LINES * sizeof(Line)

    def __dealloc__(self):
        while self.spent_lines:
            self._free_some()
        table_free(&self.now)
        table_free(&self.old)

    cdef uint32_t first(self, uint32_t tag, Probe *p) noexcept nogil:
        p.tag = tag
        p.line = home(&self.now, tag)
        p.slot = 0
        p.part = 0
        return self.next(p)

    cdef uint32_t next(self, Probe *p) noexcept nogil:
        cdef Line *line = p.line
        cdef int i = p.slot
        while True:
            while i < INDEX_LINE_ENTRIES:
                # A free slot keeps its last tag, hence the look at the value: not 0, not GONE.
                if line.tag[i] == p.tag and line.value[i] - 1 < <uint32_t>GONE - 1:
                    p.line = line
                    p.slot = i + 1
                    return line.value[i] - 1
                i += 1
            if line.value[LAST] != 0:
                line = after(&self.old if p.part else &self.now, line)
            elif p.part == 0 and self.old.lines != NULL:
                line = home(&self.old, p.tag)
                p.part = 1
            else:
                p.line = line
                p.slot = i
                return <uint32_t>INDEX_NONE
            i = 0

    cpdef int insert(self, uint32_t tag, uint32_t number) except -1 nogil:
        if number > <uint32_t>INDEX_MOST_NUMBER:
            with gil:
                raise ValueError(f"number {number} is above {<uint32_t>INDEX_MOST_NUMBER}")
        if (self.old.lines == NULL and (self.size + 1) * 4 > capacity(&self.now) * 3
                and self._resize((self.now.mask + 1) * 2) < 0):
            with gil:
                raise MemoryError(f"no memory for an index of more than {self.size} entries")
        self._place(tag, number + 1)
        self.size += 1
        self._move_some()
        return 0

    cpdef int reserve(self, size_t entries) except -1 nogil:
        cdef Table table
        cdef size_t lines = LEAST_LINES
        while entries * 4 > lines * INDEX_LINE_ENTRIES * 3:
            lines *= 2
        if self.size or self.old.lines != NULL or lines <= self.now.mask + 1:
            return 0
        if table_take(&table, lines) < 0:
            with gil:
                raise MemoryError(f"no memory for an index of {entries} entries")
        # All of it will be used, in no order: with pages of 4 KiB nearly every look at a large
        # table is also a look at the page tables. A kernel that has none to give changes nothing.
        madvise(table.lines, lines * sizeof(Line), MADV_HUGEPAGE)
        self.bytes = lines * sizeof(Line)
        table_free(&self.now)
        self.now = table
        return 0

    cdef void warm(self, uint32_t tag) noexcept nogil:
        __builtin_prefetch(home(&self.now, tag), 1)

    cpdef bint remove(self, uint32_t tag, uint32_t number) noexcept nogil:
        cdef int slot = 0
        cdef Line *line
        if number > <uint32_t>INDEX_MOST_NUMBER:
            return False
        line = self._find(&self.now, tag, number + 1, &slot)
        if line != NULL:
            self._close(line, slot)
        elif self.old.lines != NULL:
            line = self._find(&self.old, tag, number + 1, &slot)
            if line != NULL:
                line.value[slot] = <uint32_t>GONE
        if line == NULL:
            return False
        self.size -= 1
        # A third: the smaller array is then two thirds full, and it never needs to grow before
        # everything has moved into it (at 64 entries a call).
        if (self.old.lines == NULL and self.now.mask >= LEAST_LINES
                and self.size * 3 < capacity(&self.now)):
            self._resize((self.now.mask + 1) // 2)
        self._move_some()
        return True

    cdef void _place(self, uint32_t tag, uint32_t value) noexcept nogil:
        cdef Line *line = home(&self.now, tag)
        cdef int i = 0
        self.work += 1
        while line.value[LAST] != 0:
            line = after(&self.now, line)
            self.work += 1
        while line.value[i] != 0:
            i += 1
        line.tag[i] = tag
        line.value[i] = value

    cdef Line *_find(self, Table *table, uint32_t tag, uint32_t value, int *slot) noexcept nogil:
        cdef Line *line = home(table, tag)
        cdef int i
        while True:
            self.work += 1
            for i in range(INDEX_LINE_ENTRIES):
                if line.value[i] == value and line.tag[i] == tag:
                    slot[0] = i
                    return line
            if line.value[LAST] == 0:
                return NULL
            line = after(table, line)

    cdef void _close(self, Line *line, int slot) noexcept nogil:
        """Empty a slot of `now`. A full line that gets room calls back one entry that spilled
        over it; so the hole wanders to the end of the chain (rule 1)."""
        cdef Line *hole = line
        cdef int last
        while hole != NULL:
            self.work += 1
            last = LAST
            while hole.value[last] == 0:
                last -= 1
            hole.tag[slot] = hole.tag[last]
            hole.value[slot] = hole.value[last]
            hole.value[last] = 0
            if last < LAST:
                return
            line = hole
            hole = spilled(&self.now, line, &slot, &self.work)
            if hole != NULL:
                line.tag[LAST] = hole.tag[slot]
                line.value[LAST] = hole.value[slot]

    cdef int _resize(self, size_t lines) noexcept nogil:
        cdef Table table
        if table_take(&table, lines) < 0:
            return -1
        self.old = self.now
        self.now = table
        self.next_line = 0
        self.bytes += lines * sizeof(Line)
        return 0

    cdef void _move_some(self) noexcept nogil:
        cdef Line *line
        cdef int i, n
        if self.spent_lines:
            self._free_some()
        if self.old.lines == NULL:
            return
        for n in range(INDEX_MOVED_LINES):
            if self.next_line > self.old.mask:
                self.spent = self.old.lines
                self.spent_lines = self.old.mask + 1
                self.old.lines = NULL
                return
            line = &self.old.lines[self.next_line]
            self.next_line += 1
            self.work += 1
            for i in range(INDEX_LINE_ENTRIES):
                if line.value[i] == 0:
                    break
                if line.value[i] != <uint32_t>GONE:
                    self._place(line.tag[i], line.value[i])
                    line.value[i] = <uint32_t>GONE

    cdef void _free_some(self) noexcept nogil:
        """Unmapping 64 MiB in one call would take milliseconds. A slice is so much larger than
        what moves in a call that one array is always gone before the next is left."""
        cdef size_t lines = min(self.spent_lines, INDEX_FREED_LINES)
        self.spent_lines -= lines
        self.bytes -= lines * sizeof(Line)
        munmap(self.spent + self.spent_lines, lines * sizeof(Line))

    def find(self, uint32_t tag):
        """The numbers under `tag`, in no order."""
        cdef Probe p
        cdef uint32_t number = self.first(tag, &p)
        found = []
        while number != <uint32_t>INDEX_NONE:
            found.append(number)
            number = self.next(&p)
        return found

    def lines_of(self, uint32_t tag):
        """How many cache lines a search for `tag` to its end touches."""
        cdef size_t lines = chain(&self.now, tag)
        return lines + chain(&self.old, tag) if self.old.lines != NULL else lines

    def is_moving(self):
        """Whether entries, or memory, are on their way from an array of another size."""
        return self.old.lines != NULL or self.spent_lines != 0


cdef Line *spilled(Table *table, Line *line, int *slot, size_t *work) noexcept nogil:
    """The nearest entry behind `line` that may lie in it; NULL when the chain has none."""
    cdef size_t at = line - table.lines
    cdef size_t distance = 0
    cdef Line *here = line
    cdef int i
    while True:
        here = after(table, here)
        distance += 1
        work[0] += 1
        for i in range(INDEX_LINE_ENTRIES):
            if here.value[i] == 0:
                return NULL
            if ((at + distance - here.tag[i]) & table.mask) >= distance:
                slot[0] = i
                return here


cdef size_t chain(const Table *table, uint32_t tag) noexcept nogil:
    cdef Line *line = home(table, tag)
    cdef size_t lines = 1
    while line.value[LAST] != 0:
        line = after(table, line)
        lines += 1
    return lines


def hash_of(bytes data, tuple seed):
    """The 64-bit hash of `data` under two secret words, as the compiled rooms compute it."""
    cdef uint64_t[2] words = seed
    return hash_bytes(<const uint8_t *><const char *>data, len(data), words)


def hash_of_addr(bytes data, tuple seed):
    """The same for the 24 bytes of an address."""
    cdef uint64_t[2] words = seed
    if len(data) != 24:
        raise ValueError(f"an address is 24 bytes, not {len(data)}")
    return hash_addr(<const char *>data, words)
