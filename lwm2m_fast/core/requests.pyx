# Requests of the server to devices (RFC 7252, section 5.2): ordered, and answered.
#
# Knows what an order may be told and which request a message answers; nothing of what is asked for,
# nor of who asked. How a request is written is in core/outgoing, what an answer means for its next
# block in core/downlink, when it leaves and how it ends in core/transmission.

from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF
from libc.string cimport memcpy

from lwm2m_fast.core.downlink cimport (VERDICT_ANSWERED, VERDICT_LATE, VERDICT_MALFORMED,
                                       VERDICT_NEXT, VERDICT_TOO_LARGE, Verdict, downlink_receive)
from lwm2m_fast.core.exchange cimport Exchange
from lwm2m_fast.core.outgoing cimport (PHASE_ACKNOWLEDGED, PHASE_SENT, STAGE_FETCH, STAGE_UPLOAD,
                                       TOKEN_SIZE, Outgoing, outgoing_attach, outgoing_copy,
                                       outgoing_drop_observe, outgoing_options, outgoing_order,
                                       outgoing_write)
from lwm2m_fast.core.peers cimport PEER_VERIFIED
from lwm2m_fast.core.records cimport NONE, record_endpoint
from lwm2m_fast.core.state cimport (COUNT_REQUESTS_LATE, COUNT_REQUESTS_REFUSED,
                                    COUNT_REQUESTS_RESTARTED, COUNT_RESETS_RECEIVED,
                                    COUNT_UNMATCHED, State)
from lwm2m_fast.wire.coap cimport ACK, CON, RST

from lwm2m_fast.errors import QueueFull

# What the verdicts that are no answer end a request with.
cdef dict OUTCOMES = {
    VERDICT_MALFORMED: "malformed",
    VERDICT_TOO_LARGE: "too_large",
}


cdef class Requests(Transmission):
    def __cinit__(self, State state, Exchange exchange, coap):
        self.max_count = coap.max_exchanges
        self.max_waiting = coap.max_waiting_per_device
        self.max_body = coap.max_body_bytes
        self.block_szx = <int>coap.block_size.bit_length() - 5
        self.response_timeout_ms = <int64_t>(coap.response_timeout_s * 1000)

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

    cdef uint32_t reserve(self, uint32_t slot, int64_t timeout_ms) except? 0xFFFFFFFE:
        self.check_bounds(self.state.devices.at(slot))
        return self.take_number(slot, timeout_ms)

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

    cdef uint64_t enqueue(self, uint32_t number) except 0:
        self.queue(number)
        return self.at(number).call

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

    # Answers

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
            self.drop_token(number)
            outgoing_drop_observe(out)
        if out.stage == STAGE_UPLOAD and out.sent:
            # As long as the device takes blocks, each has the caller's whole time.
            out.give_up_at = self.state.now + out.answer_timeout_ms
        outgoing_write(out)
        self.send_first(self.state.devices.at(out.slot), number)
