# One timer for each dense number: numbers in, numbers of what is due out.
#
# Knows no clock (the caller says what time it is) and nothing of what a number means.
#
# Wheels of 64 slots, 11 of them, one for every six bits of a tick number. A timer lies on the
# wheel of the highest six bits in which its tick differs from the present tick. So everything on
# a lower wheel is due before anything on a higher one, a search for the next slot looks at one
# word, and a pause of years costs no more than one of a tick. No horizon: any int64 is in range.
#
# A slot of a higher wheel whose time has come is spliced to the list `unplaced` at once and
# worked off in slices, so that a million timers of one moment never hold up a turn.
# Memory: 16 bytes a timer in chunks of 64 KiB, and 6 KiB for the slots.

cimport cython
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t

cdef enum:
    TIMERS_LEVELS = 11
    TIMERS_SLOTS = 64
    TIMERS_CHUNK = 4096                 # timers whose memory is allocated together
    TIMERS_SLICE = 2048                 # unplaced timers worked off by one advance()
    TIMERS_UNPLACED = 704               # the list behind the last slot (TIMERS_LEVELS * 64)
    TIMERS_LISTS = 0xFFFFF000           # numbers from here on are the heads of lists, not timers


cdef struct Timer:                      # 16 bytes
    int64_t due_ms                      # -1: not armed
    uint32_t prev
    uint32_t next


@cython.final
cdef class TimerWheel:
    """Timers for the numbers 0 to 0xFFFFEFFF; memory is taken up to the highest one used."""

    cdef Timer **chunks
    cdef size_t chunk_count
    cdef size_t chunk_room
    cdef Timer lists[705]               # TIMERS_LEVELS * TIMERS_SLOTS + 1
    cdef uint64_t used[11]              # which slots of a level hold timers
    cdef uint16_t used_levels
    cdef int64_t tick                   # everything due in ticks before it has been handed out
    cdef readonly int64_t tick_ms
    cdef readonly uint32_t armed
    cdef readonly uint64_t moves        # timers examined or moved by all calls so far

    # Arm `id` for `due_ms` (replaces). MemoryError or ValueError: nothing has changed.
    cpdef int schedule(self, uint32_t id, int64_t due_ms) except -1 nogil
    # Whether it was armed.
    cpdef bint cancel(self, uint32_t id) noexcept nogil
    # When it was armed for; -1: not armed.
    cpdef int64_t due(self, uint32_t id) noexcept nogil
    # Write up to `limit` due ids to `out` and disarm them; how many. `limit` or more work waiting
    # shows in next_due(), which is then not after `now_ms`. Never before its time, at most a tick
    # after it; timers of a crowded slot are found no later than its slices are worked off.
    cdef uint32_t advance(self, int64_t now_ms, uint32_t *out, uint32_t limit) noexcept nogil
    # When advance() must be called next: never late, perhaps early. INT64_MAX: nothing armed.
    cpdef int64_t next_due(self) noexcept nogil

    cdef Timer *_timer(self, uint32_t id) noexcept nogil
    cdef int _take_memory(self, uint32_t id) noexcept nogil
    cdef void _append(self, uint32_t list_id, uint32_t id, Timer *timer) noexcept nogil
    cdef void _unlink(self, Timer *timer) noexcept nogil
    cdef void _mark_free(self, int level, int slot) noexcept nogil
    cdef void _place(self, uint32_t id, Timer *timer) noexcept nogil
    cdef void _splice(self, int level, int slot) noexcept nogil
    cdef uint32_t _turn(self, int64_t target, uint32_t *out, uint32_t limit) noexcept nogil
    cdef uint32_t _work_off(self, int64_t target, uint32_t *out, uint32_t limit) noexcept nogil
