# The table of requests of ours; see outstanding.pxd for what it knows.

from libc.string cimport memcmp

from lwm2m_fast.core.index cimport Probe, hash_bytes
from lwm2m_fast.core.outgoing cimport PHASE_SENT, TOKEN_SIZE, outgoing_clear
from lwm2m_fast.core.records cimport NONE
from lwm2m_fast.core.slab cimport slab_free, slab_init, slab_reserve
from lwm2m_fast.wire.coap cimport ACK


cdef class Outstanding:
    def __cinit__(self, State state, exchange, coap):
        self.state = state
        slab_init(&self.slab, sizeof(Outgoing))
        self.by_mid = Index()
        self.by_token = Index()
        self.free_head = NONE

    def __dealloc__(self):
        cdef uint32_t i
        for i in range(self.next_new):
            outgoing_clear(self.at(i))
        slab_free(&self.slab)

    # Numbers

    cdef uint32_t take_number(self, uint32_t slot, int64_t timeout_ms) except? 0xFFFFFFFE:
        cdef uint32_t number = self.free_head
        cdef Outgoing *out
        if number == NONE:
            number = self.next_new
            if number > 0xFFFFFF or slab_reserve(&self.slab, number) < 0:
                raise MemoryError
            self.next_new += 1
        else:
            self.free_head = self.at(number).next
        out = self.at(number)           # all zero: new, or cleared by release()
        self.generation += 1
        out.call = <uint64_t>self.generation << 32 | number
        out.next = NONE
        out.slot = slot
        out.observe = out.content_format = -1
        out.answer_timeout_ms = <uint32_t>max(0, min(timeout_ms, <int64_t>0xFFFFFFFF))
        return number

    cdef void release(self, uint32_t number) noexcept:
        outgoing_clear(self.at(number))
        self.at(number).next = self.free_head
        self.free_head = number

    cdef uint32_t find_call(self, uint64_t call) noexcept nogil:
        cdef uint32_t number = <uint32_t>call
        if call == 0 or number >= self.next_new or self.at(number).call != call:
            return NONE
        return number

    # A device's list

    cdef void append(self, Device *device, uint32_t number) noexcept:
        cdef uint32_t *link = &device.requests
        while link[0] != NONE:
            link = &self.at(link[0]).next
        link[0] = number

    cdef void remove(self, Device *device, uint32_t number) noexcept:
        cdef uint32_t *link = &device.requests
        while link[0] != number:
            link = &self.at(link[0]).next
        link[0] = self.at(number).next

    # Tokens and message ids

    cdef int write_token(self, uint8_t *token, uint32_t number) except -1:
        token[0] = <uint8_t>self.state.shard
        token[1], token[2], token[3] = (
            <uint8_t>(number >> 16), <uint8_t>(number >> 8), <uint8_t>number)
        self.state.random(token + 4, 4)
        return 0

    cdef int index_token(self, uint32_t number) except -1:
        cdef Outgoing *out = self.at(number)
        if not out.has_own_token:
            self.by_token.insert(self.token_tag(out.token), number)
        return 0

    cdef void drop_token(self, uint32_t number) noexcept:
        cdef Outgoing *out = self.at(number)
        if not out.has_own_token:
            self.by_token.remove(self.token_tag(out.token), number)

    cdef uint32_t mid_tag(self, const Outgoing *out) noexcept nogil:
        return (out.peer << 16 | out.mid) * 0x9E3779B1U ^ out.peer

    cdef uint32_t token_tag(self, const uint8_t *token) noexcept nogil:
        return <uint32_t>hash_bytes(token, TOKEN_SIZE, self.state.peers.seed)

    cdef uint32_t find_mid(self, const lf_addr *source, uint16_t mid) noexcept:
        """The request in flight to `source` with this message id."""
        cdef Outgoing wanted
        cdef Probe probe
        cdef uint32_t number
        wanted.peer = self.state.peers.find(source)
        wanted.mid = mid
        if wanted.peer == NONE:
            return NONE
        number = self.by_mid.first(self.mid_tag(&wanted), &probe)
        while number != NONE:
            if self.at(number).peer == wanted.peer and self.at(number).mid == mid:
                return number if self.is_from(number, source) else NONE
            number = self.by_mid.next(&probe)
        return NONE

    cdef inline bint is_from(self, uint32_t number, const lf_addr *source) noexcept:
        """Whether `source`, at the right address, may still speak for the device that was asked."""
        return self.state.may_speak(source, self.state.devices.at(self.at(number).slot).record)

    cdef uint32_t find_token(self, const Message *m, uint32_t peer) noexcept:
        cdef uint32_t number
        cdef Outgoing *out
        if m.token_size != TOKEN_SIZE:
            return NONE
        number = <uint32_t>m.token[1] << 16 | <uint32_t>m.token[2] << 8 | m.token[3]
        if number >= self.next_new or memcmp(self.at(number).token, m.token, TOKEN_SIZE):
            number = self.find_owned(m)
            if number == NONE:
                return NONE
        out = self.at(number)
        if out.phase < PHASE_SENT or out.peer != peer:
            return NONE
        if m.type == ACK and out.mid != m.mid:
            return NONE
        return number

    cdef uint32_t find_owned(self, const Message *m) noexcept:
        """The request with this token of its owner's."""
        cdef Probe probe
        cdef uint32_t number = self.by_token.first(self.token_tag(m.token), &probe)
        while number != NONE and memcmp(self.at(number).token, m.token, TOKEN_SIZE):
            number = self.by_token.next(&probe)
        return number
