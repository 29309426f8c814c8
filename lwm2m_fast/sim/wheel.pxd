# One timer per device, in nanoseconds: the contract.
#
# A hashed wheel: a device hangs in the slot of the tick it is due in, whatever the rotation. It is
# lazy: moving a timer to a later moment only writes the moment down, and cancelling writes NEVER;
# the slot it hangs in finds out when its tick comes. A closed loop that re-arms every device for
# every request therefore touches no list at all.

from libc.stdint cimport int64_t, uint32_t

cdef enum:
    TICK_SHIFT = 24               # a tick is 2^24 ns = 16.8 ms
    SLOTS = 16384                 # one rotation is 275 s
    NONE = 0xFFFFFFFF


cdef class Wheel:
    cdef readonly uint32_t size
    cdef int64_t *due_at          # by id; INT64_MAX = not armed
    cdef uint32_t *next
    cdef uint32_t *prev           # NONE = first of its slot
    cdef int64_t *tick            # the tick it hangs at; -1 = hangs nowhere
    cdef uint32_t *heads
    cdef int64_t cursor           # the first tick that has not been worked off

    cdef void hang(self, uint32_t id, int64_t tick) noexcept nogil
    cdef void unhang(self, uint32_t id) noexcept nogil
    cdef int64_t tick_for(self, int64_t due_at) noexcept nogil
    cdef int work_off(self, int64_t tick, int64_t now, uint32_t *out, int limit) noexcept nogil
    cdef void schedule(self, uint32_t id, int64_t due_at) noexcept nogil
    cdef void cancel(self, uint32_t id) noexcept nogil
    # Up to `limit` ids that are due at `now` into `out`; each is no longer armed. Never before its
    # time, and at most a tick late. As many as `limit` means: call again.
    cdef int advance(self, int64_t now, uint32_t *out, int limit) noexcept nogil
