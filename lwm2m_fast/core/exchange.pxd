# The message layer (RFC 7252, section 4): what a handler is given, what it answers, how it leaves.

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t

from lwm2m_fast.core.records cimport ID_SIZE
from lwm2m_fast.core.state cimport State
from lwm2m_fast.cursor cimport Writer
from lwm2m_fast.datagram cimport Outbox, lf_addr
from lwm2m_fast.wire.coap cimport Block, Message


# A request, valid during the call.
cdef struct Request:
    const Message *message
    const lf_addr *source
    uint32_t peer                 # NONE: a stranger
    const uint8_t *data           # the datagram
    size_t size
    uint32_t print_               # its hash once is_duplicate() or answer() needed it
    const uint8_t *body           # the payload, whole: of one datagram or of all its blocks
    size_t body_size

cdef struct Reply:
    int code                      # 0: no answer at all
    int content_format            # -1: none
    int max_age_s                 # -1: none
    bint holds                    # answer only when the turn's changes are in the store
    bint remembers                # something changed: a duplicate gets this answer again
    bint has_location             # rd / location
    uint8_t location[ID_SIZE]
    bint has_block1
    Block block1
    int64_t size1                 # -1: none
    const uint8_t *payload        # valid until the answer is built
    size_t payload_size


cdef class Exchange:
    cdef State state
    cdef readonly Outbox now      # leaves at the turn's end
    cdef readonly Outbox held     # leaves once the turn's changes are in the store
    cdef uint16_t next_mid        # for those without a peer
    cdef uint32_t amplification, block_szx

    # True: the request was here before and has been dealt with.
    cdef bint is_duplicate(self, Request *request) noexcept
    cdef uint32_t print_of(self, const uint8_t *data, size_t size) noexcept nogil
    cdef void answer(self, Request *request, Reply *reply) except *
    cdef void send_empty(self, const lf_addr *to, int type, uint16_t mid) noexcept
    # Send this once more whenever the same message comes again.
    cdef void remember_empty(self, uint32_t peer, const Message *m, uint32_t print_, int type) noexcept

    # Private.
    cdef uint16_t take_mid(self, uint32_t number) noexcept
    cdef void build(self, Writer *w, Request *request, Reply *reply, const Block *block2) noexcept
    cdef bint slice_payload(self, Request *request, Reply *reply, Block *block) noexcept
    cdef void remember(self, Request *request, Reply *reply, const uint8_t *answer,
        size_t size) noexcept

cdef inline void reply_init(Reply *reply) noexcept nogil:
    reply.code = 0
    reply.content_format = reply.max_age_s = -1
    reply.holds = reply.remembers = reply.has_location = reply.has_block1 = False
    reply.size1 = -1
    reply.payload = NULL
    reply.payload_size = 0
