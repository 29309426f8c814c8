# Requests of the server to devices: one in flight per device (NSTART), retransmitted, answered once.
#
# A request is ordered with start() and leaves when its turn comes. It ends exactly once, with an
# entry in `answers`: a tuple in the order of core/ask.py: Answered, or the Answer that was attached.

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from lwm2m_fast.core.answered cimport Answer
from lwm2m_fast.core.devices cimport Device
from lwm2m_fast.core.exchange cimport Exchange
from lwm2m_fast.core.index cimport Index
from lwm2m_fast.core.outgoing cimport Outgoing
from lwm2m_fast.core.slab cimport Slab
from lwm2m_fast.core.state cimport State
from lwm2m_fast.core.timers cimport TimerWheel
from lwm2m_fast.datagram cimport lf_addr
from lwm2m_fast.wire.coap cimport Message


# What start() may be told beside the request.
cdef struct Terms:
    const uint8_t *token          # 8 bytes; NULL: one of our own
    uint32_t after_turn           # leave once this turn is in the store; 0: at once
    uint64_t owner                # for RequestOwner.ended(); 0: nobody's


cdef class RequestOwner:
    # A request with an `owner` ends. `m` is its (last) answer, NULL without one; the answer's body
    # is in `out` if it came in blocks, else in `m`. It must not start or cancel a request. Returns
    # what Answered.observation is to say; -1: this end is nobody else's business.
    cdef int64_t ended(self, const Outgoing *out, str outcome, const Message *m) except? -2


cdef class Requests:
    cdef State state
    cdef Exchange exchange
    cdef Slab slab
    cdef TimerWheel wheel
    cdef Index by_mid             # of those in flight, by peer and message id
    cdef Index by_token           # of those with a token of their owner's
    cdef object held              # (turn, call) of those that wait for a turn, oldest first
    cdef RequestOwner owner
    cdef uint32_t next_new, free_head, generation
    cdef readonly uint32_t count
    cdef uint32_t max_count, max_waiting, nstart, max_retransmit, max_body
    cdef int block_szx
    cdef int64_t response_timeout_ms
    cdef double ack_timeout_ms, ack_random_factor
    cdef list answers

    # Order a CoapRequest; the device must be registered. `terms` may be NULL. RequestError: it
    # cannot be sent; QueueFull: a bound is reached. It leaves once the device has had the answer
    # to its own newest change.
    cdef uint64_t start(self, uint32_t slot, object request, int64_t timeout_ms,
                        const Terms *terms) except 0
    # The same with options that options_of() gave, for a device with the same root path.
    cdef uint64_t start_again(self, uint32_t slot, int method, bytes options,
                              int64_t timeout_ms) except 0
    # Have `answer` filled in at the end, and put among the answers; only of a request that has no
    # owner, and has just been started. attached() gives it back, None when the request has ended.
    cdef int attach(self, uint64_t call, Answer answer) except -1
    cdef Answer attached(self, uint64_t call)
    # Ask for what is missing of an answer whose first block is `m` (of a notification); `options`
    # and `payload` are those of the request that it answers.
    cdef uint64_t start_fetch(self, uint32_t slot, int method, bytes options, bytes payload,
                              const Message *m, int64_t timeout_ms, const Terms *terms) except 0
    # The options of a request for start_fetch(), without Observe.
    cdef bytes options_of(self, uint64_t call)
    cdef void cancel(self, uint64_t call) except *
    cdef void cancel_all(self, uint32_t slot) except *      # the registration ends or moves

    # The store has, or has refused, this turn (and, refused, every later one).
    cdef void committed(self, uint32_t turn) except *
    cdef void failed(self, uint32_t turn) except *

    cdef void receive_empty(self, const Message *m, const lf_addr *source) except *
    # `print_` is the datagram's hash, to recognise the response when it comes again.
    cdef void receive_response(self, const Message *m, const lf_addr *source,
                               uint32_t peer, uint32_t print_) except *
    cdef void handle_timer(self, int limit) except *

    cdef void send_next(self, Device *device) except *

    # Private.
    cdef uint32_t mid_tag(self, const Outgoing *out) noexcept nogil
    cdef uint32_t token_tag(self, const uint8_t *token) noexcept nogil
    cdef Outgoing *at(self, uint32_t number) noexcept nogil
    cdef uint32_t find_call(self, uint64_t call) noexcept nogil
    cdef int check_bounds(self, Device *device) except -1
    cdef uint32_t reserve(self, uint32_t slot, int64_t timeout_ms) except? 0xFFFFFFFE
    cdef int take_terms(self, uint32_t number, const Terms *terms, uint8_t *own_token) except -1
    cdef int write_token(self, uint8_t *token, uint32_t number) except -1
    cdef int index_token(self, uint32_t number) except -1
    cdef uint64_t enqueue(self, uint32_t number) except 0
    cdef bint is_held(self, const Outgoing *out) noexcept nogil
    cdef void release(self, uint32_t number) noexcept
    cdef void append(self, Device *device, uint32_t number) noexcept
    cdef void send_first(self, Device *device, uint32_t number) except *
    cdef void transmit(self, Device *device, uint32_t number) except *
    cdef void ring(self, uint32_t number) except *
    cdef void end(self, uint32_t number, str outcome, int code, const Message *m) except *
    cdef void remove(self, Device *device, uint32_t number) noexcept
    cdef uint32_t find_mid(self, const lf_addr *source, uint16_t mid) noexcept
    cdef bint is_from(self, uint32_t number, const lf_addr *source) noexcept
    cdef uint32_t find_token(self, const Message *m, uint32_t peer) noexcept
    cdef uint32_t find_owned(self, const Message *m) noexcept
    cdef void send_step(self, uint32_t number) except *
