# One request of ours as bytes: its head, what stands behind the head at each step, its payload.
#
# Knows how a request is written; not when it leaves, nor what an answer means.

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from cpython.buffer cimport Py_buffer
from cpython.object cimport PyObject

from lwm2m_fast.core.records cimport Record


cdef enum:
    DATAGRAM_FEW = 64             # bytes: a Read, and most of what else asks for little
    TOKEN_SIZE = 8                # shard 1, number 3, random 4; an owner's token is its own matter

cdef enum Phase:
    PHASE_FREE = 0
    PHASE_WAITING                 # another request to this device is in flight, or its turn is
    PHASE_SENT                    # until its ACK or its answer, retransmitted
    PHASE_ACKNOWLEDGED            # the answer comes by itself (RFC 7252, section 5.2.2)

cdef enum Stage:
    STAGE_WHOLE = 0               # the request is one datagram
    STAGE_UPLOAD                  # its payload leaves by Block1 (RFC 7959, section 2.5)
    STAGE_FETCH                   # its answer comes by Block2 (section 2.4); asks for the next block

# What may happen once in the life of a request, in Outgoing.restarted.
cdef enum Restart:
    RESTART_SMALLER = 1           # 4.13: the device wants smaller blocks
    RESTART_INCOMPLETE = 2        # 4.08: the device has lost blocks
    RESTART_CHANGED = 4           # another ETag: the answer changed while it was fetched

cdef struct Outgoing:
    uint64_t call                 # generation and number: what start() returned
    uint64_t owner                # for RequestOwner.ended(); 0: nobody's
    PyObject *answer              # core/answered.pxd: Answer, which is owned; NULL: a tuple will do
    uint32_t slot                 # of the device
    uint32_t peer                 # where it was sent
    uint32_t next                 # in the device's list, oldest first; or the free list
    uint32_t after_turn           # leaves once this turn is in the store; 0: at once
    uint8_t phase
    uint8_t stage
    uint8_t retransmitted
    uint8_t restarted             # Restart bits
    uint8_t method
    uint8_t has_own_token         # of a form that find_token() reads; else it is in by_token
    uint8_t etag_size
    uint8_t szx                   # of the payload's blocks
    uint8_t answer_szx            # of the answer's blocks
    uint8_t answer_code           # of the first block
    uint8_t repeats_payload       # in every request for a block of the answer
    uint16_t mid
    uint16_t last_option          # of the head
    uint8_t token[TOKEN_SIZE]
    uint8_t etag[8]               # of the first block
    int32_t content_format        # of the first block; -1: none
    int32_t observe               # the Observe number of the (first) answer; -1: none
    int64_t give_up_at            # ms: the answer must be here
    int64_t retransmit_at         # once acknowledged: the separate response must be here
    uint32_t ack_timeout_ms       # of the present transmission; doubles
    uint32_t answer_timeout_ms
    uint32_t head_size            # of the datagram, before Block2, Block1, Size1 and the payload
    uint32_t datagram_size
    uint32_t datagram_room
    uint32_t follow_size
    uint8_t *datagram
    uint8_t *follow               # of an Observe: the head of the requests for its later blocks
    Py_buffer *payload            # NULL: none; held until the request has ended
    size_t sent                   # of the payload: taken by the device
    uint32_t in_flight            # of the payload: in the present datagram
    uint32_t body_size            # of the answer's blocks so far
    uint32_t body_room
    uint8_t *body
    uint8_t few[DATAGRAM_FEW]     # where `datagram` is when it is no larger


# Everything that start() is given, checked and written down; `out` has number and token already.
# RequestError names what cannot be sent. What was taken is given back by outgoing_clear().
cdef int outgoing_order(Outgoing *out, const Record *record, object request, int block_szx,
                        const uint8_t *own_token) except -1
# The same from options that outgoing_options() gave.
cdef int outgoing_copy(Outgoing *out, int method, bytes options) except -1
# The payload of such a copy, if one block holds it: asked for with every block of the answer.
cdef int outgoing_attach(Outgoing *out, bytes payload, int block_szx) except -1
# The options of the head as bytes, without Observe.
cdef bytes outgoing_options(const Outgoing *out)
# The datagram of the present stage, but for its message id.
cdef void outgoing_write(Outgoing *out) noexcept
# From here on without Observe and with a token of our own (RFC 7959, section 2.6).
cdef void outgoing_drop_observe(Outgoing *out) noexcept
# More of the answer's body; False: out of memory.
cdef bint outgoing_keep(Outgoing *out, const uint8_t *payload, uint32_t size) noexcept
cdef void outgoing_clear(Outgoing *out) noexcept
