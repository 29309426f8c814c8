# A fleet of simulated devices: the contract.
#
# The only sources of change are receive(), turn() and what the Python side sets; the only output is
# `out`. No socket, no clock.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from lwm2m_fast.cursor cimport Writer
from lwm2m_fast.sim.attended cimport Attended
from lwm2m_fast.sim.catalogue cimport Answer, Catalogue
from lwm2m_fast.sim.wheel cimport Wheel
from lwm2m_fast.wire.coap cimport Message

# What a phase waits for.
cdef enum Goal:
    GOAL_NONE = 0
    GOAL_SETTLED                  # every device has had the result of its first Register
    GOAL_QUIET                    # nothing is under way
    GOAL_GONE                     # no device is registered
    GOALS

# Who makes devices ask when no timer does: the load.
cdef struct Drive:
    int request                   # REQUEST_NONE = nobody
    uint32_t states               # 1 << State of the devices that may be asked
    bint once                     # walk over the fleet once, not round and round
    uint32_t outstanding          # at most so many requests under way (closed loop)
    double rate                   # at most so many per second (open loop); 0 = no such limit
    double credit                 # requests that the rate allows by now
    int64_t credited_at
    uint32_t cursor


cdef class Fleet(Attended):
    cdef readonly uint32_t settled
    cdef readonly uint32_t registered
    cdef readonly uint64_t missed         # by an open loop: every device was busy
    cdef public bint quiet                # timers start no request any more
    cdef public int goal
    cdef Drive drive
    cdef int64_t update_every_ns          # 0 = never by time
    cdef uint8_t *register_head           # everything before Block1
    cdef uint32_t register_size
    cdef uint8_t *links
    cdef uint32_t links_size
    cdef Wheel send_wheel                 # one timer per device, when they send by time
    cdef int64_t send_every_ns            # 0 = never by time
    cdef Catalogue sent
    cdef const Answer *sent_answer        # what a Send carries; NULL = nothing
    cdef uint32_t digits_at
    cdef uint32_t digits

    cdef readonly uint64_t late_sends     # the device was busy

    cdef void turn(self, int64_t now) noexcept nogil
    cdef bint is_reached(self) noexcept nogil
    cdef int64_t patience_ns(self) noexcept nogil

    cdef void write_register(self, uint32_t key, Writer *w) noexcept nogil
    cdef void write_update(self, uint32_t key, Writer *w) noexcept nogil
    cdef void write_send(self, uint32_t key, Writer *w) noexcept nogil
    cdef bint goes_on(self, uint32_t key, int request, int ending, int64_t now) noexcept nogil
    cdef void send_by_time(self, int64_t now) noexcept nogil
    cdef void pump(self, int64_t now) noexcept nogil
    cdef int allowed(self, int64_t now) noexcept nogil
    cdef void mark(self, uint32_t key, int state) noexcept nogil
    cdef void again_later(self, uint32_t key, int64_t now) noexcept nogil
    cdef void update_later(self, uint32_t key, int64_t spread, int64_t now) noexcept nogil
    cdef bint keep_location(self, uint32_t key, const Message *m) noexcept nogil
