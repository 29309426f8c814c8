# The message layer (RFC 7252, section 4): duplicates, acknowledgements, and how an answer leaves.
#
# Knows messages and peers; nothing of paths or of what a request asks for.

from lwm2m_fast.core.index cimport hash_bytes
from lwm2m_fast.core.peers cimport ANSWER_BYTES, PEER_VERIFIED, SEEN_NOT, SEEN_REPLAY, Peer, Seen
from lwm2m_fast.core.records cimport NONE
from lwm2m_fast.core.state cimport (COUNT_ANSWERS_DROPPED, COUNT_ANSWERS_SENT,
                                    COUNT_ANSWERS_SHORTENED, COUNT_DUPLICATES, COUNT_RESETS_SENT)
from lwm2m_fast.cursor cimport Writer, writer_init, writer_size
from lwm2m_fast.datagram cimport addr_is_secure
from lwm2m_fast.wire.coap cimport (ACK, CON, HAS_BLOCK2, MAX_TOKEN, NON, RST, block_bytes,
                                   block_value, build_header, build_option, build_option_uint,
                                   build_payload)
from lwm2m_fast.wire.numbers cimport (BAD_REQUEST, OPTION_BLOCK1, OPTION_BLOCK2,
                                      OPTION_CONTENT_FORMAT, OPTION_ETAG, OPTION_LOCATION_PATH,
                                      OPTION_MAX_AGE, OPTION_SIZE1, OPTION_SIZE2)

cdef enum:
    # Header and every option an answer can carry, with the widest values.
    ANSWER_HEAD = 4 + MAX_TOKEN + 5 + 3 + 17 + 3 + 5 + 5 + 5 + 6 + 6 + 1
    TYPICAL_HEAD = 24             # what is counted beside the payload against amplification


cdef int szx_of(int bytes):
    return bytes.bit_length() - 5


cdef class Exchange:
    def __cinit__(self, State state, coap):
        self.state = state
        self.now = Outbox()
        self.held = Outbox()
        self.amplification = coap.amplification_limit
        self.block_szx = szx_of(coap.block_size)

    cdef uint32_t print_of(self, const uint8_t *data, size_t size) noexcept nogil:
        return <uint32_t>hash_bytes(data, size, self.state.peers.seed)

    cdef bint is_duplicate(self, Request *request) noexcept:
        cdef State state = self.state
        cdef Peer *peer
        cdef Seen seen
        cdef int position
        cdef uint8_t *room
        request.peer = state.peers.find(request.source)
        if request.peer == NONE:
            return False
        peer = state.peers.at(request.peer)
        request.print_ = self.print_of(request.data, request.size)
        seen = state.peers.seen(peer, request.message.type == CON, request.message.mid,
                                request.print_, <uint32_t>(state.now // 1000), state.committed,
                                &position)
        if seen == SEEN_NOT:
            return False
        state.counts[COUNT_DUPLICATES] += 1
        if seen == SEEN_REPLAY:
            room = self.now.reserve(ANSWER_BYTES)
            if room != NULL:
                self.now.commit(request.source, state.peers.replay(peer, position, room))
        return True

    cdef inline uint16_t take_mid(self, uint32_t number) noexcept:
        cdef uint16_t *mid = &self.next_mid
        if number != NONE:
            mid = &self.state.peers.at(number).out_mid
        mid[0] += 1
        return mid[0]

    cdef void answer(self, Request *request, Reply *reply) except *:
        cdef Outbox outbox = self.held if reply.holds else self.now
        cdef Block block2
        cdef bint sliced = False
        cdef Writer w
        cdef uint8_t *room
        if reply.payload_size:
            sliced = self.slice_payload(request, reply, &block2)
        room = outbox.reserve(ANSWER_HEAD + reply.payload_size)
        if room == NULL:
            self.state.counts[COUNT_ANSWERS_DROPPED] += 1
            return
        writer_init(&w, room, ANSWER_HEAD + reply.payload_size)
        self.build(&w, request, reply, &block2 if sliced else NULL)
        outbox.commit(request.source, writer_size(&w))
        self.state.counts[COUNT_ANSWERS_SENT] += 1
        if reply.remembers and request.peer != NONE:
            self.remember(request, reply, room, writer_size(&w))

    cdef void build(self, Writer *w, Request *request, Reply *reply, const Block *block2) noexcept:
        cdef const Message *m = request.message
        cdef int last = 0
        cdef uint32_t tag
        if m.type == CON:
            build_header(w, ACK, reply.code, m.mid, m.token, m.token_size)
        else:
            build_header(w, NON, reply.code, self.take_mid(request.peer), m.token, m.token_size)
        if block2 != NULL:
            tag = self.print_of(reply.payload, reply.payload_size)
            build_option(w, &last, OPTION_ETAG, <const uint8_t *>&tag, 4)
        if reply.has_location:
            build_option(w, &last, OPTION_LOCATION_PATH, <const uint8_t *>b"rd", 2)
            build_option(w, &last, OPTION_LOCATION_PATH, reply.location, sizeof(reply.location))
        if reply.content_format >= 0:
            build_option_uint(w, &last, OPTION_CONTENT_FORMAT, reply.content_format)
        if reply.max_age_s >= 0:
            build_option_uint(w, &last, OPTION_MAX_AGE, reply.max_age_s)
        if block2 != NULL:
            build_option_uint(w, &last, OPTION_BLOCK2, block_value(block2))
        if reply.has_block1:
            build_option_uint(w, &last, OPTION_BLOCK1, block_value(&reply.block1))
        if block2 != NULL:
            build_option_uint(w, &last, OPTION_SIZE2, <uint32_t>reply.payload_size)
            build_payload(w, reply.payload + block2.number * block_bytes(block2.szx),
                          min(block_bytes(block2.szx),
                              reply.payload_size - block2.number * block_bytes(block2.szx)))
            return
        if reply.size1 >= 0:
            build_option_uint(w, &last, OPTION_SIZE1, <uint32_t>reply.size1)
        build_payload(w, reply.payload, reply.payload_size)

    cdef bint slice_payload(self, Request *request, Reply *reply, Block *block) noexcept:
        """Whether the payload leaves in blocks, and which one is asked for (RFC 7959, section 2.4).

        A plain source that has not shown that it is where it says gets no more than a small multiple of
        what it sent (RFC 7252, section 11.3): it has to ask for the blocks one by one.
        """
        cdef const Message *m = request.message
        cdef size_t allowed = <size_t>-1, offset = 0
        cdef int szx = self.block_szx
        if not addr_is_secure(request.source) and (
                request.peer == NONE
                or not self.state.peers.at(request.peer).flags & PEER_VERIFIED):
            allowed = self.amplification * request.size
        if m.options & HAS_BLOCK2:
            szx = min(szx, m.block2.szx)
            offset = <size_t>m.block2.number << (m.block2.szx + 4)
        elif reply.payload_size <= block_bytes(szx) and (
                reply.payload_size + TYPICAL_HEAD <= allowed):
            return False
        while szx > 0 and block_bytes(szx) + TYPICAL_HEAD > allowed:
            szx -= 1
            self.state.counts[COUNT_ANSWERS_SHORTENED] += 1
        if m.options & HAS_BLOCK2 and (m.block2.szx == 7 or offset >= reply.payload_size):
            reply.code = BAD_REQUEST
            reply.content_format = -1
            reply.payload_size = 0
            return False
        block.szx = <uint8_t>szx
        block.number = <uint32_t>(offset >> (szx + 4))
        block.more = offset + block_bytes(szx) < reply.payload_size
        return True

    cdef void remember(self, Request *request, Reply *reply, const uint8_t *answer,
                       size_t size) noexcept:
        if not request.print_:
            request.print_ = self.print_of(request.data, request.size)
        self.state.peers.remember(
            self.state.peers.at(request.peer), request.message.type == CON, request.message.mid,
            request.print_, answer, size, <uint32_t>(self.state.now // 1000),
            self.state.turn if reply.holds else 0)

    cdef void send_empty(self, const lf_addr *to, int type, uint16_t mid) noexcept:
        cdef Writer w
        cdef uint8_t *room = self.now.reserve(4)
        if room == NULL:
            return
        writer_init(&w, room, 4)
        build_header(&w, type, 0, mid, NULL, 0)
        self.now.commit(to, 4)
        if type == RST:
            self.state.counts[COUNT_RESETS_SENT] += 1

    cdef void remember_empty(self, uint32_t peer, const Message *m, uint32_t print_,
                             int type) noexcept:
        cdef Writer w
        cdef uint8_t empty[4]
        writer_init(&w, empty, 4)
        build_header(&w, type, 0, m.mid, NULL, 0)
        self.state.peers.remember(self.state.peers.at(peer), m.type == CON, m.mid, print_, empty,
                                  4, <uint32_t>(self.state.now // 1000), 0)
