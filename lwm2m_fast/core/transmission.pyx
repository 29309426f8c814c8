# Requests in flight: whose turn it is, when they are sent again, how they end.
#
# See transmission.pxd for what it knows.

from collections import deque

from libc.stdint cimport uint8_t
from libc.string cimport memcpy

from lwm2m_fast.core.answered cimport Answer, answered
from lwm2m_fast.core.outgoing cimport (PHASE_ACKNOWLEDGED, PHASE_FREE, PHASE_SENT, PHASE_WAITING,
                                       STAGE_UPLOAD)
from lwm2m_fast.core.peers cimport Peer
from lwm2m_fast.core.records cimport NONE
from lwm2m_fast.core.state cimport (COUNT_REQUEST_BLOCKS_SENT, COUNT_REQUESTS_ANSWERED,
                                    COUNT_REQUESTS_CANCELLED, COUNT_REQUESTS_SENT,
                                    COUNT_REQUESTS_TIMED_OUT, COUNT_REQUESTS_UNANSWERED,
                                    COUNT_RETRANSMITTED, State)

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


cdef class RequestOwner:
    cdef int64_t ended(self, const Outgoing *out, str outcome, const Message *m) except? -2:
        return 0


cdef class Transmission(Outstanding):
    def __cinit__(self, State state, Exchange exchange, coap):
        self.exchange = exchange
        self.wheel = TimerWheel(WHEEL_TICK_MS)
        self.held = deque()
        self.owner = RequestOwner()
        self.answers = []
        self.nstart = coap.nstart
        self.max_retransmit = coap.max_retransmit
        self.ack_timeout_ms = coap.ack_timeout_s * 1000
        self.ack_random_factor = coap.ack_random_factor

    # Whose turn it is

    cdef void queue(self, uint32_t number) except *:
        cdef Outgoing *out = self.at(number)
        cdef Device *device = self.state.devices.at(out.slot)
        if out.after_turn:
            self.held.append((out.after_turn, out.call))
        out.phase = PHASE_WAITING
        self.count += 1
        self.append(device, number)
        self.send_next(device)

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

    # Sending, and again

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
        self.drop_token(number)
        self.wheel.cancel(number)
        if out.phase >= PHASE_SENT:
            self.by_mid.remove(self.mid_tag(out), number)
        self.remove(device, number)
        self.release(number)
        self.count -= 1
        if outcome != "cancelled":
            self.send_next(device)

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
