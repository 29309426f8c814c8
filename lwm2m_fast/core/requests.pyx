# Requests of the server to devices (RFC 7252, sections 4.2, 4.7 and 5.2): whose turn it is, when
# they are sent again, whose answer this is.
#
# Knows messages, devices and time; nothing of what is asked for, nor of who asked. How a request is
# written is in core/outgoing, what an answer means for its next block in core/downlink.

from collections import deque

from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF
from libc.string cimport memcmp, memcpy

from lwm2m_fast.core.answered cimport Answer, answered
from lwm2m_fast.core.devices cimport Device
from lwm2m_fast.core.downlink cimport (VERDICT_ANSWERED, VERDICT_LATE, VERDICT_MALFORMED,
                                       VERDICT_NEXT, VERDICT_TOO_LARGE, Verdict, downlink_receive)
from lwm2m_fast.core.index cimport Probe, hash_bytes
from lwm2m_fast.core.outgoing cimport (PHASE_ACKNOWLEDGED, PHASE_FREE, PHASE_SENT, PHASE_WAITING,
                                       STAGE_FETCH, STAGE_UPLOAD, TOKEN_SIZE, outgoing_attach,
                                       outgoing_clear, outgoing_copy, outgoing_drop_observe,
                                       outgoing_options, outgoing_order, outgoing_write)
from lwm2m_fast.core.peers cimport PEER_VERIFIED, Peer
from lwm2m_fast.core.records cimport NONE, record_endpoint
from lwm2m_fast.core.slab cimport slab_at, slab_free, slab_init, slab_reserve
from lwm2m_fast.core.state cimport (COUNT_REQUEST_BLOCKS_SENT, COUNT_REQUESTS_ANSWERED,
                                    COUNT_REQUESTS_CANCELLED, COUNT_REQUESTS_LATE,
                                    COUNT_REQUESTS_REFUSED, COUNT_REQUESTS_RESTARTED,
                                    COUNT_REQUESTS_SENT, COUNT_REQUESTS_TIMED_OUT,
                                    COUNT_REQUESTS_UNANSWERED, COUNT_RESETS_RECEIVED,
                                    COUNT_RETRANSMITTED, COUNT_UNMATCHED)
from lwm2m_fast.wire.coap cimport ACK, CON, RST

from lwm2m_fast.errors import QueueFull

cdef enum:
    WHEEL_TICK_MS = 32
    TIMER_BATCH = 256

# Counters of the outcomes without an answer.
cdef dict ENDS = {
    "timeout": COUNT_REQUESTS_TIMED_OUT,
    "no_response": COUNT_REQUESTS_UNANSWERED,
    "cancelled": COUNT_REQUESTS_CANCELLED,
    "store": COUNT_REQUESTS_CANCELLED,
}
# What the verdicts that are no answer end a request with.
cdef dict OUTCOMES = {
    VERDICT_MALFORMED: "malformed",
    VERDICT_TOO_LARGE: "too_large",
}


cdef class RequestOwner:
    cdef int64_t ended(self, const Outgoing *out, str outcome, const Message *m) except? -2:
        return 0


cdef class Requests:
    def __cinit__(self, State state, Exchange exchange, coap):
        self.state = state
        self.exchange = exchange
        slab_init(&self.slab, sizeof(Outgoing))
        self.wheel = TimerWheel(WHEEL_TICK_MS)
        self.by_mid = Index()
        self.by_token = Index()
        self.held = deque()
        self.owner = RequestOwner()
        self.free_head = NONE
        self.max_count = coap.max_exchanges
        self.max_waiting = coap.max_waiting_per_device
        self.nstart = coap.nstart
        self.max_retransmit = coap.max_retransmit
        self.max_body = coap.max_body_bytes
        self.block_szx = <int>coap.block_size.bit_length() - 5
        self.response_timeout_ms = <int64_t>(coap.response_timeout_s * 1000)
        self.ack_timeout_ms = coap.ack_timeout_s * 1000
        self.ack_random_factor = coap.ack_random_factor
        self.answers = []

    def __dealloc__(self):
        cdef uint32_t i
        for i in range(self.next_new):
            outgoing_clear(self.at(i))
        slab_free(&self.slab)

    cdef inline Outgoing *at(self, uint32_t number) noexcept nogil:
        return <Outgoing *>slab_at(&self.slab, number)

    cdef uint32_t find_call(self, uint64_t call) noexcept nogil:
        cdef uint32_t number = <uint32_t>call
        if call == 0 or number >= self.next_new or self.at(number).call != call:
            return NONE
        return number

    # Ordering

    cdef uint64_t start(self, uint32_t slot, object request, int64_t timeout_ms,
                        const Terms *terms) except 0:
        cdef uint32_t number = self.reserve(slot, timeout_ms)
        cdef uint8_t own_token[TOKEN_SIZE]
        try:
            self.take_terms(number, terms, own_token)
            outgoing_order(self.at(number), self.state.devices.at(slot).record, request,
                           self.block_szx, own_token)
            self.index_token(number)
        except BaseException:
            self.release(number)
            raise
        return self.enqueue(number)

    cdef uint64_t start_again(self, uint32_t slot, int method, bytes options,
                              int64_t timeout_ms) except 0:
        cdef uint32_t number = self.reserve(slot, timeout_ms)
        cdef uint8_t own_token[TOKEN_SIZE]
        try:
            self.take_terms(number, NULL, own_token)
            outgoing_copy(self.at(number), method, options)
        except BaseException:
            self.release(number)
            raise
        outgoing_write(self.at(number))
        return self.enqueue(number)

    cdef uint64_t start_fetch(self, uint32_t slot, int method, bytes options, bytes payload,
                              const Message *m, int64_t timeout_ms, const Terms *terms) except 0:
        cdef uint32_t number = self.reserve(slot, timeout_ms)
        cdef uint8_t own_token[TOKEN_SIZE]
        cdef Verdict verdict
        try:
            self.take_terms(number, terms, own_token)
            outgoing_copy(self.at(number), method, options)
            verdict = downlink_receive(self.at(number), m, self.max_body)
            if verdict != VERDICT_NEXT:
                raise ValueError("not the first block of an answer that can be fetched")
            outgoing_attach(self.at(number), payload, self.block_szx)
            outgoing_write(self.at(number))
            self.index_token(number)
        except BaseException:
            self.release(number)
            raise
        return self.enqueue(number)

    cdef int attach(self, uint64_t call, Answer answer) except -1:
        cdef uint32_t number = self.find_call(call)
        if number == NONE or self.at(number).answer != NULL or self.at(number).owner:
            raise ValueError("not a request that has just been started")
        Py_INCREF(answer)
        self.at(number).answer = <PyObject *>answer
        return 0

    cdef Answer attached(self, uint64_t call):
        cdef uint32_t number = self.find_call(call)
        if number == NONE or self.at(number).answer == NULL:
            return None
        return <Answer>self.at(number).answer

    cdef bytes options_of(self, uint64_t call):
        cdef uint32_t number = self.find_call(call)
        return None if number == NONE else outgoing_options(self.at(number))

    cdef int check_bounds(self, Device *device) except -1:
        cdef uint32_t waiting = 0
        cdef uint32_t number = device.requests
        while number != NONE:
            waiting += 1
            number = self.at(number).next
        if waiting >= self.max_waiting:
            self.state.counts[COUNT_REQUESTS_REFUSED] += 1
            endpoint = (<const char *>record_endpoint(device.record))[:device.record.endpoint_size]
            raise QueueFull(repr(endpoint.decode()), self.max_waiting)
        if self.count >= self.max_count:
            self.state.counts[COUNT_REQUESTS_REFUSED] += 1
            raise QueueFull("this server", self.max_count)
        return 0

    cdef uint32_t reserve(self, uint32_t slot, int64_t timeout_ms) except? 0xFFFFFFFE:
        """A request without a datagram yet, in no list; either bound may refuse it."""
        cdef uint32_t number = self.free_head
        cdef Outgoing *out
        self.check_bounds(self.state.devices.at(slot))
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

    cdef int take_terms(self, uint32_t number, const Terms *terms, uint8_t *own_token) except -1:
        """Token, owner and turn; `own_token` is for the later blocks of an owner's request."""
        cdef Outgoing *out = self.at(number)
        self.write_token(own_token, number)
        out.has_own_token = terms == NULL or terms.token == NULL
        memcpy(out.token, own_token, TOKEN_SIZE)
        if not out.has_own_token:
            memcpy(out.token, terms.token, TOKEN_SIZE)
        if terms != NULL:
            out.owner = terms.owner
            out.after_turn = terms.after_turn
        return 0

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

    cdef uint64_t enqueue(self, uint32_t number) except 0:
        cdef Outgoing *out = self.at(number)
        cdef Device *device = self.state.devices.at(out.slot)
        if out.after_turn:
            self.held.append((out.after_turn, out.call))
        out.phase = PHASE_WAITING
        self.count += 1
        self.append(device, number)
        self.send_next(device)
        return self.at(number).call

    cdef void release(self, uint32_t number) noexcept:
        outgoing_clear(self.at(number))
        self.at(number).next = self.free_head
        self.free_head = number

    cdef void append(self, Device *device, uint32_t number) noexcept:
        cdef uint32_t *link = &device.requests
        while link[0] != NONE:
            link = &self.at(link[0]).next
        link[0] = number

    # Sending

    cdef void send_next(self, Device *device) except *:
        cdef uint32_t number = device.requests
        cdef uint32_t in_flight = 0
        cdef Outgoing *out
        if device.is_changing:
            return                      # its own answer goes first; committed() calls again
        while number != NONE and in_flight < self.nstart:
            out = self.at(number)
            if out.phase == PHASE_WAITING:
                if self.is_held(out):
                    return              # and those behind it: they leave in the order they came
                # The time for the answer starts when the request leaves, not when it was ordered.
                out.give_up_at = self.state.now + out.answer_timeout_ms
                self.send_first(device, number)
            in_flight += 1
            number = out.next

    cdef inline bint is_held(self, const Outgoing *out) noexcept nogil:
        return out.after_turn and <int>(self.state.committed - out.after_turn) < 0

    cdef void committed(self, uint32_t turn) except *:
        cdef uint32_t number
        while self.held and <int>(<uint32_t>self.held[0][0] - turn) <= 0:
            number = self.find_call(self.held.popleft()[1])
            if number != NONE:
                self.send_next(self.state.devices.at(self.at(number).slot))

    cdef void failed(self, uint32_t turn) except *:
        """Called before anything is taken to be committed, so that no held request leaves."""
        cdef uint32_t number
        while self.held:
            entry = self.held.pop()
            if <int>(<uint32_t>entry[0] - turn) < 0:
                self.held.append(entry)
                return
            number = self.find_call(entry[1])
            if number != NONE:
                self.end(number, "store", 0, NULL)

    cdef void send_first(self, Device *device, uint32_t number) except *:
        cdef Outgoing *out = self.at(number)
        cdef Peer *peer = self.state.peers.at(device.peer)
        cdef uint32_t chance
        if out.phase >= PHASE_SENT:
            self.by_mid.remove(self.mid_tag(out), number)
        peer.out_mid += 1
        out.mid = peer.out_mid
        out.peer = device.peer
        self.by_mid.insert(self.mid_tag(out), number)
        out.datagram[2] = <uint8_t>(out.mid >> 8)
        out.datagram[3] = <uint8_t>out.mid
        self.state.random(<uint8_t *>&chance, sizeof(chance))
        out.phase = PHASE_SENT
        out.retransmitted = 0
        out.ack_timeout_ms = <uint32_t>(self.ack_timeout_ms * (
            1 + (self.ack_random_factor - 1) * chance / 4294967296.0))
        self.state.counts[COUNT_REQUESTS_SENT] += 1
        self.state.counts[COUNT_REQUEST_BLOCKS_SENT] += out.stage == STAGE_UPLOAD
        self.transmit(device, number)

    cdef uint32_t mid_tag(self, const Outgoing *out) noexcept nogil:
        return (out.peer << 16 | out.mid) * 0x9E3779B1U ^ out.peer

    cdef inline uint32_t token_tag(self, const uint8_t *token) noexcept nogil:
        return <uint32_t>hash_bytes(token, TOKEN_SIZE, self.state.peers.seed)

    cdef void transmit(self, Device *device, uint32_t number) except *:
        cdef Outgoing *out = self.at(number)
        cdef uint8_t *room = self.exchange.now.reserve(out.datagram_size)
        if room != NULL:
            memcpy(room, out.datagram, out.datagram_size)
            self.exchange.now.commit(&self.state.peers.at(device.peer).addr, out.datagram_size)
        out.retransmit_at = self.state.now + out.ack_timeout_ms
        self.wheel.schedule(number, min(out.retransmit_at, out.give_up_at))

    cdef void handle_timer(self, int limit) except *:
        cdef uint32_t numbers[TIMER_BATCH]
        cdef uint32_t count = self.wheel.advance(self.state.now, numbers,
                                                 <uint32_t>min(limit, <int>TIMER_BATCH))
        cdef uint32_t i
        for i in range(count):
            if self.at(numbers[i]).phase != PHASE_FREE:
                self.ring(numbers[i])

    cdef void ring(self, uint32_t number) except *:
        cdef Outgoing *out = self.at(number)
        cdef bint is_acknowledged = out.phase == PHASE_ACKNOWLEDGED
        if self.state.now >= out.give_up_at or (
                is_acknowledged and self.state.now >= out.retransmit_at):
            self.end(number, "no_response" if is_acknowledged else "timeout", 0, NULL)
        elif self.state.now < out.retransmit_at:
            self.wheel.schedule(number, min(out.retransmit_at, out.give_up_at))
        elif out.retransmitted >= self.max_retransmit:
            self.end(number, "timeout", 0, NULL)
        else:
            out.retransmitted += 1
            out.ack_timeout_ms *= 2
            self.state.counts[COUNT_RETRANSMITTED] += 1
            self.transmit(self.state.devices.at(out.slot), number)

    # Ending

    cdef void end(self, uint32_t number, str outcome, int code, const Message *m) except *:
        """Take the request off its device's list, say how it ended, and let the next one leave."""
        cdef Outgoing *out = self.at(number)
        cdef Device *device = self.state.devices.at(out.slot)
        cdef int64_t observation = 0
        if out.owner:
            observation = self.owner.ended(out, outcome, m)
        if out.answer != NULL:
            (<Answer>out.answer).take(out, outcome, code, m)
            self.answers.append(<Answer>out.answer)
        elif observation >= 0:
            self.answers.append(answered(out, outcome, code, m, observation))
        if m != NULL:
            self.state.counts[COUNT_REQUESTS_ANSWERED] += 1
        else:
            self.state.counts[<int>ENDS.get(outcome, COUNT_REQUESTS_ANSWERED)] += 1
        if not out.has_own_token:
            self.by_token.remove(self.token_tag(out.token), number)
        self.wheel.cancel(number)
        if out.phase >= PHASE_SENT:
            self.by_mid.remove(self.mid_tag(out), number)
        self.remove(device, number)
        self.release(number)
        self.count -= 1
        if outcome != "cancelled":
            self.send_next(device)

    cdef void remove(self, Device *device, uint32_t number) noexcept:
        cdef uint32_t *link = &device.requests
        while link[0] != number:
            link = &self.at(link[0]).next
        link[0] = self.at(number).next

    cdef void cancel(self, uint64_t call) except *:
        cdef uint32_t number = self.find_call(call)
        cdef Device *device
        if number == NONE:
            return
        device = self.state.devices.at(self.at(number).slot)
        self.end(number, "cancelled", 0, NULL)
        self.send_next(device)

    cdef void cancel_all(self, uint32_t slot) except *:
        cdef Device *device = self.state.devices.at(slot)
        while device.requests != NONE:
            self.end(device.requests, "cancelled", 0, NULL)

    # Receiving

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

    cdef void receive_empty(self, const Message *m, const lf_addr *source) except *:
        cdef uint32_t number = self.find_mid(source, m.mid)
        cdef Outgoing *out
        if m.type == RST:
            self.state.counts[COUNT_RESETS_RECEIVED] += 1
        if number == NONE:
            self.state.counts[COUNT_UNMATCHED] += 1
            return
        out = self.at(number)
        if m.type == RST:
            self.end(number, "reset", 0, NULL)
        elif out.phase == PHASE_SENT:
            out.phase = PHASE_ACKNOWLEDGED
            out.retransmit_at = self.state.now + self.response_timeout_ms
            self.wheel.schedule(number, min(out.retransmit_at, out.give_up_at))

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

    cdef void receive_response(self, const Message *m, const lf_addr *source,
                               uint32_t peer, uint32_t print_) except *:
        cdef uint32_t number = NONE if peer == NONE else self.find_token(m, peer)
        cdef Verdict verdict
        cdef uint8_t restarted
        if number != NONE and not self.is_from(number, source):
            number = NONE
        if number == NONE or m.bad_option:
            self.state.counts[COUNT_UNMATCHED] += number == NONE
            if m.type == CON:           # RFC 7252, section 4.2: reject what cannot be processed
                self.exchange.send_empty(source, RST, m.mid)
            if number != NONE:
                self.end(number, "malformed", m.code, NULL)
            return
        self.state.peers.at(peer).flags |= PEER_VERIFIED
        self.state.hear(self.at(number).slot)
        if m.type == CON:
            self.exchange.send_empty(source, ACK, m.mid)
        if m.type != ACK:
            self.exchange.remember_empty(peer, m, print_, ACK)
        restarted = self.at(number).restarted
        verdict = downlink_receive(self.at(number), m, self.max_body)
        self.state.counts[COUNT_REQUESTS_RESTARTED] += self.at(number).restarted != restarted
        if verdict == VERDICT_NEXT:
            self.send_step(number)
        elif verdict == VERDICT_ANSWERED:
            self.end(number, "answered", m.code, m)
        elif verdict == VERDICT_LATE:
            self.state.counts[COUNT_REQUESTS_LATE] += 1
        else:
            self.end(number, OUTCOMES[verdict], m.code, NULL)

    cdef void send_step(self, uint32_t number) except *:
        """The next datagram of a request that goes on."""
        cdef Outgoing *out = self.at(number)
        if out.stage == STAGE_FETCH and out.follow != NULL:
            if not out.has_own_token:
                self.by_token.remove(self.token_tag(out.token), number)
            outgoing_drop_observe(out)
        if out.stage == STAGE_UPLOAD and out.sent:
            # As long as the device takes blocks, each has the caller's whole time.
            out.give_up_at = self.state.now + out.answer_timeout_ms
        outgoing_write(out)
        self.send_first(self.state.devices.at(out.slot), number)
