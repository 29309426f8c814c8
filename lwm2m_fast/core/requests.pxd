# Requests of the server to devices: one in flight per device (NSTART), retransmitted, answered once.
#
# A request is ordered with start() and leaves when its turn comes. It ends exactly once, with an
# entry in `answers`: a tuple in the order of core/ask.py: Answered, or the Answer that was attached.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from lwm2m_fast.core.answered cimport Answer
from lwm2m_fast.core.devices cimport Device
from lwm2m_fast.core.transmission cimport Transmission
from lwm2m_fast.datagram cimport lf_addr
from lwm2m_fast.wire.coap cimport Message


# What start() may be told beside the request.
cdef struct Terms:
    const uint8_t *token          # 8 bytes; NULL: one of our own
    uint32_t after_turn           # leave once this turn is in the store; 0: at once
    uint64_t owner                # for RequestOwner.ended(); 0: nobody's


cdef class Requests(Transmission):
    cdef uint32_t max_count, max_waiting, max_body
    cdef int block_szx
    cdef int64_t response_timeout_ms

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

    cdef void receive_empty(self, const Message *m, const lf_addr *source) except *
    # `print_` is the datagram's hash, to recognise the response when it comes again.
    cdef void receive_response(self, const Message *m, const lf_addr *source,
                               uint32_t peer, uint32_t print_) except *

    # Private.
    # A request without a datagram yet, in no list; either bound may refuse it.
    cdef uint32_t reserve(self, uint32_t slot, int64_t timeout_ms) except? 0xFFFFFFFE
    cdef int check_bounds(self, Device *device) except -1
    cdef int take_terms(self, uint32_t number, const Terms *terms, uint8_t *own_token) except -1
    cdef uint64_t enqueue(self, uint32_t number) except 0
    cdef void send_step(self, uint32_t number) except *
