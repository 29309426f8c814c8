# One timer per device, in nanoseconds.
#
# Numbers in, due ids out: no clock, no device. Moments are nanoseconds on any clock that starts at
# or above zero.

from libc.stdint cimport INT64_MAX, int64_t, uint32_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memset

cdef enum:
    TICK_MASK = (1 << TICK_SHIFT) - 1


cdef class Wheel:
    """Timers for the ids 0 to size - 1; `now_ns` is where the clock stands at the start."""

    def __cinit__(self, uint32_t size, int64_t now_ns=0):
        cdef uint32_t id
        self.size = size
        self.cursor = now_ns >> TICK_SHIFT
        self.due_at = <int64_t *>malloc(size * sizeof(int64_t) or 1)
        self.tick = <int64_t *>malloc(size * sizeof(int64_t) or 1)
        self.next = <uint32_t *>calloc(size or 1, sizeof(uint32_t))
        self.prev = <uint32_t *>calloc(size or 1, sizeof(uint32_t))
        self.heads = <uint32_t *>malloc(SLOTS * sizeof(uint32_t))
        if not (self.due_at and self.tick and self.next and self.prev and self.heads):
            raise MemoryError(f"timers for {size} devices do not fit into memory")
        memset(self.heads, 0xFF, SLOTS * sizeof(uint32_t))
        for id in range(size):
            self.due_at[id] = INT64_MAX
            self.tick[id] = -1

    def __dealloc__(self):
        free(self.due_at)
        free(self.tick)
        free(self.next)
        free(self.prev)
        free(self.heads)

    cdef void hang(self, uint32_t id, int64_t tick) noexcept nogil:
        cdef uint32_t *head = &self.heads[tick & (SLOTS - 1)]
        self.tick[id] = tick
        self.prev[id] = NONE
        self.next[id] = head[0]
        if head[0] != NONE:
            self.prev[head[0]] = id
        head[0] = id

    cdef void unhang(self, uint32_t id) noexcept nogil:
        if self.prev[id] == NONE:
            self.heads[self.tick[id] & (SLOTS - 1)] = self.next[id]
        else:
            self.next[self.prev[id]] = self.next[id]
        if self.next[id] != NONE:
            self.prev[self.next[id]] = self.prev[id]
        self.tick[id] = -1

    cdef int64_t tick_for(self, int64_t due_at) noexcept nogil:
        """The first tick that is not before `due_at` and still to come."""
        cdef int64_t tick = (due_at >> TICK_SHIFT) + (1 if due_at & TICK_MASK else 0)
        return tick if tick > self.cursor else self.cursor

    cdef void schedule(self, uint32_t id, int64_t due_at) noexcept nogil:
        cdef int64_t tick = self.tick_for(due_at)
        self.due_at[id] = due_at
        if self.tick[id] < 0:
            self.hang(id, tick)
        elif self.tick[id] > tick:
            self.unhang(id)
            self.hang(id, tick)

    cdef void cancel(self, uint32_t id) noexcept nogil:
        self.due_at[id] = INT64_MAX

    cdef int work_off(self, int64_t tick, int64_t now, uint32_t *out, int limit) noexcept nogil:
        """The due ids of one slot; stops at `limit` with the rest left hanging."""
        cdef uint32_t id = self.heads[tick & (SLOTS - 1)], following
        cdef int count = 0
        while id != NONE and count < limit:
            following = self.next[id]
            if self.due_at[id] <= now:
                self.unhang(id)
                self.due_at[id] = INT64_MAX
                out[count] = id
                count += 1
            elif self.tick[id] <= tick:
                self.unhang(id)
                if self.due_at[id] != INT64_MAX:
                    self.hang(id, self.tick_for(self.due_at[id]))
            id = following
        return count

    cdef int advance(self, int64_t now, uint32_t *out, int limit) noexcept nogil:
        cdef int64_t last = now >> TICK_SHIFT
        cdef int count = 0
        # After a long pause every slot is looked at once, not every tick that has gone by.
        if last - self.cursor >= SLOTS:
            self.cursor = last - SLOTS + 1
        while self.cursor <= last:
            count += self.work_off(self.cursor, now, out + count, limit - count)
            if count >= limit:
                return count
            self.cursor += 1
        return count

    # The Python edge: for tests.

    def arm(self, uint32_t id, int64_t due_ns):
        """(Re)arm the timer of `id`."""
        if id >= self.size:
            raise IndexError(f"timer {id} of {self.size}")
        self.schedule(id, due_ns)

    def disarm(self, uint32_t id):
        """Nothing when it is not armed."""
        if id >= self.size:
            raise IndexError(f"timer {id} of {self.size}")
        self.cancel(id)

    def due(self, int64_t now_ns, int limit=4096):
        """The ids that are due, at most `limit` (1 to 4096) of them."""
        cdef uint32_t out[4096]
        if not 1 <= limit <= 4096:
            raise ValueError(f"limit {limit} is not within 1 to 4096")
        count = self.advance(now_ns, out, limit)
        return [out[i] for i in range(count)]
