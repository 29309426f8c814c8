# Requests of the server to devices: one in flight per device (NSTART), retransmitted, answered once.
#
# A request is ordered with start() and leaves when its turn comes. It ends exactly once, with an
# entry in `answers`: (call, outcome, code, content format or None, payload, ETag).

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from lwm2m_fast.core.devices cimport Device
from lwm2m_fast.core.exchange cimport Exchange
from lwm2m_fast.core.index cimport Index
from lwm2m_fast.core.slab cimport Slab
from lwm2m_fast.core.state cimport State
from lwm2m_fast.core.timers cimport TimerWheel
from lwm2m_fast.datagram cimport lf_addr
from lwm2m_fast.wire.coap cimport Message


cdef enum Phase:
    PHASE_FREE = 0
    PHASE_WAITING                 # another request to this device is in flight
    PHASE_SENT                    # until its ACK or its answer, retransmitted
    PHASE_ACKNOWLEDGED            # the answer comes by itself (RFC 7252, section 5.2.2)

cdef struct Outgoing:
    uint64_t call                 # generation and number: what start() returned
    uint32_t slot                 # of the device
    uint32_t peer                 # where it was sent
    uint32_t next                 # in the device's list, oldest first; or the free list
    uint8_t phase
    uint8_t retransmitted
    uint8_t token_size
    uint8_t etag_size
    uint16_t mid
    uint16_t last_option
    uint8_t token[8]
    uint8_t etag[8]               # of the first block
    int64_t give_up_at            # ms: the answer must be here
    int64_t retransmit_at
    uint32_t ack_timeout_ms       # of the present transmission; doubles
    uint32_t answer_timeout_ms
    uint32_t head_size            # of the datagram, without Block2
    uint32_t datagram_size
    uint8_t *datagram
    uint32_t body_size            # of the blocks so far
    uint32_t body_room
    uint8_t *body


cdef class Requests:
    cdef State state
    cdef Exchange exchange
    cdef Slab slab
    cdef TimerWheel wheel
    cdef Index by_mid             # of those in flight, by peer and message id
    cdef uint32_t next_new, free_head, generation
    cdef readonly uint32_t count
    cdef uint32_t max_count, max_waiting, nstart, max_retransmit, max_body
    cdef double ack_timeout_ms, ack_random_factor
    cdef list answers

    # Order a request; the device must be registered. Raises QueueFull at either bound.
    # It leaves once the device has had the answer to its own newest change.
    cdef uint64_t start(self, uint32_t slot, int method, list path, int accept,
                        int64_t timeout_ms) except 0
    cdef void cancel(self, uint64_t call) except *
    cdef void cancel_all(self, uint32_t slot) except *      # the registration ends or moves

    cdef void receive_empty(self, const Message *m, const lf_addr *source) except *
    # `print_` is the datagram's hash, to recognise the response when it comes again.
    cdef void receive_response(self, const Message *m, const lf_addr *source,
                               uint32_t peer, uint32_t print_) except *
    cdef void handle_timer(self, int limit) except *

    cdef void send_next(self, Device *device) except *

    # Private.
    cdef uint32_t mid_tag(self, const Outgoing *out) noexcept nogil
    cdef Outgoing *at(self, uint32_t number) noexcept nogil
    cdef uint32_t find_call(self, uint64_t call) noexcept nogil
    cdef int check_bounds(self, Device *device) except -1
    cdef uint32_t reserve(self) except? 0xFFFFFFFE
    cdef int write_head(self, Outgoing *out, uint32_t number, int method, list path,
        int accept) except -1
    cdef void release(self, uint32_t number) noexcept
    cdef void append(self, Device *device, uint32_t number) noexcept
    cdef void send_first(self, Device *device, uint32_t number) except *
    cdef void transmit(self, Device *device, uint32_t number) except *
    cdef void ring(self, uint32_t number) except *
    cdef void end(self, uint32_t number, str outcome, int code, const Message *m) except *
    cdef void remove(self, Device *device, uint32_t number) noexcept
    cdef uint32_t find_mid(self, const lf_addr *source, uint16_t mid) noexcept
    cdef uint32_t find_token(self, const Message *m, uint32_t peer) noexcept
    cdef void receive_block(self, uint32_t number, const Message *m) except *
    cdef bint keep(self, Outgoing *out, const uint8_t *payload, uint32_t size) noexcept
    cdef void ask_next(self, uint32_t number, const Message *m) except *
