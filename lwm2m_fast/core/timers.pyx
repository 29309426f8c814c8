# The timer wheel; see timers.pxd for its idea, its costs and its contract.
#
# Rules that hold between two calls, with `tick` the present tick:
#   1. A timer on level L and slot s: its tick has the same bits as `tick` above the level's six,
#      and s is its own six bits: above those of `tick` on L > 0, not below them on level 0.
#      (A timer whose tick is over already lies in the present slot of level 0.)
#   2. Hence whatever is on a lower level is due before whatever is on a higher one, and `tick` may
#      jump to any tick before the first used slot without touching a timer.
#   3. Lists are rings through a head, so a timer is unlinked without knowing its list.

from libc.stdint cimport INT64_MAX, int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, realloc

cdef extern from * nogil:
    int __builtin_ctzll(unsigned long long)
    int __builtin_clzll(unsigned long long)

cdef enum:
    NOT_ARMED = -1
    BITS = 6
    MOST_OUT = 1 << 20                  # ids that advance_to() hands to Python in one list

cdef int64_t MOST_DUE_MS = <int64_t>1 << 62     # later is as good as never


cdef inline uint32_t list_of(int level, int slot) noexcept nogil:
    return <uint32_t>TIMERS_LISTS + level * TIMERS_SLOTS + slot


cdef class TimerWheel:
    def __cinit__(self, int64_t tick_ms):
        cdef uint32_t i
        if not 1 <= tick_ms <= 3_600_000:
            raise ValueError(f"tick_ms is {tick_ms}, allowed are 1 to 3600000")
        self.tick_ms = tick_ms
        for i in range(TIMERS_UNPLACED + 1):
            self.lists[i].prev = self.lists[i].next = <uint32_t>TIMERS_LISTS + i

    def __dealloc__(self):
        cdef size_t i
        for i in range(self.chunk_count):
            free(self.chunks[i])
        free(self.chunks)

    cpdef int schedule(self, uint32_t id, int64_t due_ms) except -1 nogil:
        cdef Timer *timer
        if id >= <uint32_t>TIMERS_LISTS:
            with gil:
                raise ValueError(f"timer {id} is above {<uint32_t>TIMERS_LISTS - 1}")
        if id >= self.chunk_count * TIMERS_CHUNK and self._take_memory(id) < 0:
            with gil:
                raise MemoryError(f"no memory for timer {id}")
        timer = self._timer(id)
        if timer.due_ms == NOT_ARMED:
            self.armed += 1
        else:
            self._unlink(timer)
        timer.due_ms = min(max(due_ms, 0), MOST_DUE_MS)
        self._place(id, timer)
        return 0

    cpdef bint cancel(self, uint32_t id) noexcept nogil:
        cdef Timer *timer
        if self.due(id) == NOT_ARMED:
            return False
        timer = self._timer(id)
        self._unlink(timer)
        timer.due_ms = NOT_ARMED
        self.armed -= 1
        return True

    cpdef int64_t due(self, uint32_t id) noexcept nogil:
        if id >= self.chunk_count * TIMERS_CHUNK:
            return NOT_ARMED
        return self._timer(id).due_ms

    cdef uint32_t advance(self, int64_t now_ms, uint32_t *out, uint32_t limit) noexcept nogil:
        cdef int64_t target = now_ms // self.tick_ms
        cdef uint32_t count
        if now_ms < 0 or target < self.tick:
            return 0                    # a clock that went back: nothing may be early
        count = self._turn(target, out, limit)
        return count + self._work_off(target, out + count, limit - count)

    cpdef int64_t next_due(self) noexcept nogil:
        cdef int level, slot
        if self.armed == 0:
            return INT64_MAX
        if self.lists[TIMERS_UNPLACED].next != <uint32_t>TIMERS_LISTS + TIMERS_UNPLACED:
            return self.tick * self.tick_ms
        level = __builtin_ctzll(self.used_levels)
        slot = __builtin_ctzll(self.used[level])
        return slot_start(self.tick, level, slot) * self.tick_ms

    cdef uint32_t _turn(self, int64_t target, uint32_t *out, uint32_t limit) noexcept nogil:
        """Move `tick` to `target`, hand out what the finest slots on the way hold and put aside
        the coarser ones; stops short of `target` when `out` is full."""
        cdef uint32_t count = 0
        cdef uint32_t head
        cdef int level, slot
        cdef int64_t start
        while self.used_levels:
            level = __builtin_ctzll(self.used_levels)
            slot = __builtin_ctzll(self.used[level])
            start = slot_start(self.tick, level, slot)
            if start > target:
                break
            self.tick = start
            if level:
                self._splice(level, slot)
                continue
            head = list_of(0, slot)
            while self._timer(head).next != head:
                if count == limit:
                    return count
                out[count] = self._timer(head).next
                self.cancel(out[count])
                count += 1
                self.moves += 1
        self.tick = target
        return count

    cdef uint32_t _work_off(self, int64_t target, uint32_t *out, uint32_t limit) noexcept nogil:
        """Hand out or place anew a slice of the unplaced timers."""
        cdef uint32_t head = <uint32_t>TIMERS_LISTS + TIMERS_UNPLACED
        cdef uint32_t count = 0
        cdef uint32_t id
        cdef Timer *timer
        cdef int n
        for n in range(TIMERS_SLICE):
            id = self._timer(head).next
            if id == head:
                break
            timer = self._timer(id)
            if tick_of(timer.due_ms, self.tick_ms) > target:
                self._unlink(timer)
                self._place(id, timer)
            elif count == limit:
                break
            else:
                self.cancel(id)
                out[count] = id
                count += 1
            self.moves += 1
        return count

    cdef void _place(self, uint32_t id, Timer *timer) noexcept nogil:
        cdef int64_t tick = max(tick_of(timer.due_ms, self.tick_ms), self.tick)
        cdef int level = (63 - __builtin_clzll((tick ^ self.tick) | 63)) // BITS
        cdef int slot = (tick >> (BITS * level)) & (TIMERS_SLOTS - 1)
        self._append(list_of(level, slot), id, timer)
        self.used[level] |= <uint64_t>1 << slot
        self.used_levels |= 1 << level

    cdef void _append(self, uint32_t list_id, uint32_t id, Timer *timer) noexcept nogil:
        cdef Timer *head = self._timer(list_id)
        timer.next = list_id
        timer.prev = head.prev
        self._timer(head.prev).next = id
        head.prev = id

    cdef void _unlink(self, Timer *timer) noexcept nogil:
        cdef uint32_t i = timer.prev - <uint32_t>TIMERS_LISTS
        self._timer(timer.prev).next = timer.next
        self._timer(timer.next).prev = timer.prev
        # Both neighbours the same head: its list is empty now.
        if timer.prev == timer.next and i < TIMERS_UNPLACED:
            self._mark_free(i // TIMERS_SLOTS, i % TIMERS_SLOTS)

    cdef void _mark_free(self, int level, int slot) noexcept nogil:
        self.used[level] &= ~(<uint64_t>1 << slot)
        if self.used[level] == 0:
            self.used_levels &= ~(1 << level)

    cdef void _splice(self, int level, int slot) noexcept nogil:
        """Append a whole slot to the unplaced list."""
        cdef uint32_t unplaced_id = <uint32_t>TIMERS_LISTS + TIMERS_UNPLACED
        cdef uint32_t list_id = list_of(level, slot)
        cdef Timer *unplaced = self._timer(unplaced_id)
        cdef Timer *head = self._timer(list_id)
        self._timer(unplaced.prev).next = head.next
        self._timer(head.next).prev = unplaced.prev
        self._timer(head.prev).next = unplaced_id
        unplaced.prev = head.prev
        head.next = head.prev = list_id
        self._mark_free(level, slot)

    cdef Timer *_timer(self, uint32_t id) noexcept nogil:
        if id >= <uint32_t>TIMERS_LISTS:
            return &self.lists[id - <uint32_t>TIMERS_LISTS]
        return &self.chunks[id // TIMERS_CHUNK][id % TIMERS_CHUNK]

    cdef int _take_memory(self, uint32_t id) noexcept nogil:
        """Chunks up to the one of `id`; -1: no memory."""
        cdef size_t room = max(64, self.chunk_room)
        cdef Timer **chunks
        cdef Timer *chunk
        cdef int i
        while room <= id // TIMERS_CHUNK:
            room *= 2
        if room > self.chunk_room:
            chunks = <Timer **>realloc(self.chunks, room * sizeof(Timer *))
            if chunks == NULL:
                return -1
            self.chunks = chunks
            self.chunk_room = room
        while self.chunk_count <= id // TIMERS_CHUNK:
            chunk = <Timer *>malloc(TIMERS_CHUNK * sizeof(Timer))
            if chunk == NULL:
                return -1
            for i in range(TIMERS_CHUNK):
                chunk[i].due_ms = NOT_ARMED
            self.chunks[self.chunk_count] = chunk
            self.chunk_count += 1
        return 0

    @property
    def bytes(self):
        """Memory taken for timers and slots."""
        return (self.chunk_count * TIMERS_CHUNK * sizeof(Timer)
                + self.chunk_room * sizeof(Timer *) + sizeof(self.lists) + sizeof(self.used))

    def advance_to(self, int64_t now_ms, uint32_t limit=1024):
        """The ids due at `now_ms`, at most `limit` (1 to 1048576); they are disarmed."""
        cdef uint32_t count, i
        cdef uint32_t *out
        if not 1 <= limit <= MOST_OUT:
            raise ValueError(f"limit is {limit}, allowed are 1 to {MOST_OUT}")
        out = <uint32_t *>malloc(limit * sizeof(uint32_t))
        if out == NULL:
            raise MemoryError
        try:
            count = self.advance(now_ms, out, limit)
            return [out[i] for i in range(count)]
        finally:
            free(out)


cdef inline int64_t tick_of(int64_t due_ms, int64_t tick_ms) noexcept nogil:
    """The first tick that begins at `due_ms` or after it."""
    return due_ms // tick_ms + (due_ms % tick_ms != 0)


cdef inline int64_t slot_start(int64_t tick, int level, int slot) noexcept nogil:
    """The first tick of a slot, given the present one (rule 1). Level 10 has four bits."""
    cdef int64_t above = 0
    if level < TIMERS_LEVELS - 1:
        above = tick >> (BITS * (level + 1)) << (BITS * (level + 1))
    return above | <int64_t>slot << (BITS * level)
