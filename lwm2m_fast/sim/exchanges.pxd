# The message layer of a simulated fleet (RFC 7252, section 4): the contract.
#
# Each device has at most one request of its own under way (NSTART = 1). Datagrams and moments in,
# datagrams out. What a request says, and what its end means, is asked of the subclass.

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from lwm2m_fast.cursor cimport Writer
from lwm2m_fast.sim.departures cimport Departures
from lwm2m_fast.sim.device cimport REQUESTS, Device
from lwm2m_fast.sim.histogram cimport Histogram
from lwm2m_fast.sim.layer cimport Receiver
from lwm2m_fast.sim.serving cimport Serving
from lwm2m_fast.sim.wheel cimport Wheel
from lwm2m_fast.wire.coap cimport Message

cdef enum:
    NANOSECONDS = 1000000000
    MAX_DUE = 128                 # timers worked off in one turn

# How a request ended: the response's code, or one of these, which no response can have.
cdef enum Ending:
    ENDING_TIMEOUT = 1
    ENDING_RESET = 2
    ENDING_INSECURE = 3           # there was no secure session to send it in

cdef struct Counts:
    uint64_t received
    uint64_t sent
    uint64_t malformed            # not a CoAP message
    uint64_t unexpected           # well formed, but answers nothing that is under way
    uint64_t repeated             # a separate response that came again
    uint64_t pinged               # empty confirmable messages of the server
    uint64_t no_room              # datagrams that found no room to leave; retransmission heals it


cdef class Exchanges(Receiver):
    cdef readonly uint32_t outstanding
    cdef readonly Departures out
    cdef readonly Serving serving
    cdef Device *devices
    cdef Wheel wheel
    cdef Counts counts
    cdef uint64_t started[REQUESTS]
    cdef uint64_t retransmitted[REQUESTS]
    cdef uint64_t endings[REQUESTS][256]
    cdef list latencies           # a Histogram per Request
    cdef void *histograms[REQUESTS]       # the same, borrowed, for code without the GIL
    cdef int64_t began_at
    cdef int64_t ack_timeout_ns
    cdef int64_t response_timeout_ns
    cdef int max_retransmit
    cdef uint64_t random_state
    cdef readonly uint32_t first_number

    cdef void start(self, uint32_t key, int request, int64_t now) noexcept nogil
    cdef void handle_timers(self, int64_t now) noexcept nogil

    # For a layer below that cannot send yet: the request under way of `key`, if there is one, waits
    # without a time-out; it is sent as if for the first time; it never can be.
    cdef void hold(self, uint32_t key) noexcept nogil
    cdef void go_on(self, uint32_t key, int64_t now) noexcept nogil
    cdef void give_up(self, uint32_t key, int64_t now) noexcept nogil

    # For the subclass: write the request under way of `key`; it has ended; its timer is due while
    # nothing is under way. `m` is NULL unless a response ended it.
    cdef void build(self, uint32_t key, Writer *w) noexcept nogil
    cdef void ended(self, uint32_t key, int request, int ending, const Message *m,
                    int64_t now) noexcept nogil
    cdef void due(self, uint32_t key, int64_t now) noexcept nogil

    cdef uint64_t random(self) noexcept nogil
    cdef void transmit(self, uint32_t key) noexcept nogil
    # A request of the server; an empty ACK or RST that fits to no request under way.
    cdef void asked(self, uint32_t key, const Message *m, const uint8_t *data, size_t size,
                    int64_t now) noexcept nogil
    cdef bint took_empty(self, uint32_t key, const Message *m, int64_t now) noexcept nogil

    cdef void send_empty(self, uint32_t key, int type, int mid) noexcept nogil
    cdef void end(self, uint32_t key, int ending, const Message *m, int64_t now) noexcept nogil
    cdef void take_empty(self, uint32_t key, const Message *m, int64_t now) noexcept nogil
    cdef void take_response(self, uint32_t key, const Message *m, int64_t now) noexcept nogil
    cdef void unanswered(self, uint32_t key, int64_t now) noexcept nogil
