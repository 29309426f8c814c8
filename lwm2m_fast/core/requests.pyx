# Requests of the server to devices (RFC 7252, sections 4.2, 4.7 and 5.2; RFC 7959, section 2.4).
#
# Knows messages, devices and time; nothing of what is asked for, nor of who asked.

from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcmp, memcpy, memset

from lwm2m_fast.core.devices cimport Device
from lwm2m_fast.core.index cimport Probe
from lwm2m_fast.core.peers cimport PEER_VERIFIED, Peer
from lwm2m_fast.core.records cimport NONE, record_endpoint
from lwm2m_fast.core.slab cimport slab_at, slab_free, slab_init, slab_reserve
from lwm2m_fast.core.state cimport (COUNT_REQUESTS_ANSWERED, COUNT_REQUESTS_CANCELLED,
                                    COUNT_REQUESTS_REFUSED, COUNT_REQUESTS_SENT,
                                    COUNT_REQUESTS_TIMED_OUT, COUNT_RESETS_RECEIVED,
                                    COUNT_RETRANSMITTED, COUNT_UNMATCHED)
from lwm2m_fast.cursor cimport Writer, writer_init, writer_size
from lwm2m_fast.wire.coap cimport (ACK, CON, HAS_BLOCK2, HAS_CONTENT_FORMAT, RST, Block,
                                   block_bytes, block_value, build_header, build_option,
                                   build_option_uint)
from lwm2m_fast.wire.numbers cimport OPTION_ACCEPT, OPTION_BLOCK2, OPTION_URI_PATH

from lwm2m_fast.errors import QueueFull, RequestError

cdef enum:
    WHEEL_TICK_MS = 32
    REQUEST_MOST = 1152           # RFC 7252, section 4.6: what fits any path
    TOKEN_SIZE = 8                # shard 1, number 3, random 4
    TIMER_BATCH = 256


cdef class Requests:
    def __cinit__(self, State state, Exchange exchange, coap):
        self.state = state
        self.exchange = exchange
        slab_init(&self.slab, sizeof(Outgoing))
        self.wheel = TimerWheel(WHEEL_TICK_MS)
        self.by_mid = Index()
        self.free_head = NONE
        self.max_count = coap.max_exchanges
        self.max_waiting = coap.max_waiting_per_device
        self.nstart = coap.nstart
        self.max_retransmit = coap.max_retransmit
        self.max_body = coap.max_body_bytes
        self.ack_timeout_ms = coap.ack_timeout_s * 1000
        self.ack_random_factor = coap.ack_random_factor
        self.answers = []

    def __dealloc__(self):
        cdef uint32_t i
        for i in range(self.next_new):
            free(self.at(i).datagram)
            free(self.at(i).body)
        slab_free(&self.slab)

    cdef inline Outgoing *at(self, uint32_t number) noexcept nogil:
        return <Outgoing *>slab_at(&self.slab, number)

    cdef uint32_t find_call(self, uint64_t call) noexcept nogil:
        cdef uint32_t number = <uint32_t>call
        if call == 0 or number >= self.next_new or self.at(number).call != call:
            return NONE
        return number

    # Ordering

    cdef uint64_t start(self, uint32_t slot, int method, list path, int accept,
                        int64_t timeout_ms) except 0:
        cdef Device *device = self.state.devices.at(slot)
        cdef uint32_t number
        cdef Outgoing *out
        self.check_bounds(device)
        number = self.reserve()
        out = self.at(number)
        out.slot = slot
        out.answer_timeout_ms = <uint32_t>timeout_ms
        self.write_head(out, number, method, path, accept)
        out.phase = PHASE_WAITING
        self.count += 1
        self.append(device, number)
        self.send_next(device)
        return self.at(number).call

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

    cdef uint32_t reserve(self) except? 0xFFFFFFFE:
        cdef uint32_t number = self.free_head
        cdef Outgoing *out
        if number == NONE:
            number = self.next_new
            if number > 0xFFFFFF or slab_reserve(&self.slab, number) < 0:
                raise MemoryError
            self.next_new += 1
        else:
            self.free_head = self.at(number).next
        out = self.at(number)
        memset(out, 0, sizeof(Outgoing))
        self.generation += 1
        out.call = <uint64_t>self.generation << 32 | number
        out.next = NONE
        return number

    cdef int write_head(self, Outgoing *out, uint32_t number, int method, list path,
                        int accept) except -1:
        """The datagram up to where Block2 would stand; the message id comes when it leaves."""
        cdef uint8_t head[REQUEST_MOST]
        cdef Writer w
        cdef int last = 0
        cdef bytes segment
        out.token_size = TOKEN_SIZE
        out.token[0] = <uint8_t>self.state.shard
        out.token[1], out.token[2], out.token[3] = (
            <uint8_t>(number >> 16), <uint8_t>(number >> 8), <uint8_t>number)
        writer_init(&w, head, REQUEST_MOST - 8)
        try:
            self.state.random(out.token + 4, 4)
            build_header(&w, CON, method, 0, out.token, out.token_size)
            for segment in path:
                build_option(&w, &last, OPTION_URI_PATH,
                             <const uint8_t *><const char *>segment, len(segment))
            if accept >= 0:
                build_option_uint(&w, &last, OPTION_ACCEPT, <uint32_t>accept)
            if w.overflow:
                raise RequestError(f"the path does not fit a datagram of {REQUEST_MOST} bytes")
            out.datagram = <uint8_t *>malloc(writer_size(&w) + 8)
            if out.datagram == NULL:
                raise MemoryError
        except BaseException:
            self.release(number)
            raise
        memcpy(out.datagram, head, writer_size(&w))
        out.head_size = out.datagram_size = <uint32_t>writer_size(&w)
        out.last_option = <uint16_t>last
        return 0

    cdef void release(self, uint32_t number) noexcept:
        cdef Outgoing *out = self.at(number)
        free(out.datagram)
        free(out.body)
        memset(out, 0, sizeof(Outgoing))
        out.next = self.free_head
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
                # The time for the answer starts when the request leaves, not when it was ordered.
                out.give_up_at = self.state.now + out.answer_timeout_ms
                self.send_first(device, number)
            in_flight += 1
            number = out.next

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
        self.transmit(device, number)

    cdef uint32_t mid_tag(self, const Outgoing *out) noexcept nogil:
        return (out.peer << 16 | out.mid) * 0x9E3779B1U ^ out.peer

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
        if self.state.now >= out.give_up_at:
            self.end(number, "timeout", 0, NULL)
        elif out.phase == PHASE_ACKNOWLEDGED:
            self.wheel.schedule(number, out.give_up_at)
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
        content_format = None
        payload = b""
        etag = None
        if m != NULL:
            if m.options & HAS_CONTENT_FORMAT:
                content_format = m.content_format
            if m.options & HAS_BLOCK2 and out.body_size:
                payload = (<const char *>out.body)[:out.body_size]
            elif m.payload_size:
                payload = (<const char *>m.payload)[:m.payload_size]
            etag = (<const char *>m.etag)[:m.etag_size] if m.etag_size else None
        self.answers.append((out.call, outcome, code, content_format, payload, etag))
        if outcome == "timeout":
            self.state.counts[COUNT_REQUESTS_TIMED_OUT] += 1
        elif outcome == "cancelled":
            self.state.counts[COUNT_REQUESTS_CANCELLED] += 1
        else:
            self.state.counts[COUNT_REQUESTS_ANSWERED] += 1
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
                return number
            number = self.by_mid.next(&probe)
        return NONE

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
            self.wheel.schedule(number, out.give_up_at)

    cdef uint32_t find_token(self, const Message *m, uint32_t peer) noexcept:
        cdef uint32_t number
        cdef Outgoing *out
        if m.token_size != TOKEN_SIZE:
            return NONE
        number = <uint32_t>m.token[1] << 16 | <uint32_t>m.token[2] << 8 | m.token[3]
        if number >= self.next_new:
            return NONE
        out = self.at(number)
        if out.phase < PHASE_SENT or memcmp(out.token, m.token, TOKEN_SIZE):
            return NONE
        if out.peer != peer:
            return NONE
        if m.type == ACK and out.mid != m.mid:
            return NONE
        return number

    cdef void receive_response(self, const Message *m, const lf_addr *source,
                               uint32_t peer, uint32_t print_) except *:
        cdef uint32_t number = NONE if peer == NONE else self.find_token(m, peer)
        cdef Outgoing *out
        if number == NONE or m.bad_option:
            self.state.counts[COUNT_UNMATCHED] += number == NONE
            if m.type == CON:           # RFC 7252, section 4.2: reject what cannot be processed
                self.exchange.send_empty(source, RST, m.mid)
            if number != NONE:
                self.end(number, "malformed", m.code, NULL)
            return
        self.state.peers.at(peer).flags |= PEER_VERIFIED
        if m.type == CON:
            self.exchange.send_empty(source, ACK, m.mid)
        if m.type != ACK:
            self.exchange.remember_empty(peer, m, print_, ACK)
        out = self.at(number)
        if m.options & HAS_BLOCK2 and (m.block2.more or m.block2.number or out.body_size):
            self.receive_block(number, m)
        else:
            self.end(number, "answered", m.code, m)

    cdef void receive_block(self, uint32_t number, const Message *m) except *:
        """One block of an answer: keep it, ask for the next (RFC 7959, section 2.4)."""
        cdef Outgoing *out = self.at(number)
        cdef size_t offset = <size_t>m.block2.number << (m.block2.szx + 4)
        cdef bint first = out.body_size == 0
        if first:
            out.etag_size = m.etag_size
            memcpy(out.etag, m.etag, m.etag_size)
        if out.body_size + m.payload_size > self.max_body:
            self.end(number, "too_large", m.code, NULL)
        elif (m.block2.szx == 7 or offset != out.body_size
              or (m.block2.more and m.payload_size != block_bytes(m.block2.szx))
              or m.etag_size != out.etag_size or memcmp(m.etag, out.etag, m.etag_size)):
            self.end(number, "malformed", m.code, NULL)
        elif not self.keep(out, m.payload, m.payload_size):
            self.end(number, "too_large", m.code, NULL)
        elif m.block2.more:
            self.ask_next(number, m)
        else:
            self.end(number, "answered", m.code, m)

    cdef bint keep(self, Outgoing *out, const uint8_t *payload, uint32_t size) noexcept:
        cdef uint32_t room
        cdef void *grown
        if out.body_size + size > out.body_room:
            room = max(2 * out.body_room, out.body_size + size)
            grown = realloc(out.body, room)
            if grown == NULL:
                return False
            out.body = <uint8_t *>grown
            out.body_room = room
        if size:
            memcpy(out.body + out.body_size, payload, size)
        out.body_size += size
        return True

    cdef void ask_next(self, uint32_t number, const Message *m) except *:
        cdef Outgoing *out = self.at(number)
        cdef Block block
        cdef Writer w
        cdef int last = out.last_option
        block.szx = m.block2.szx
        block.number = m.block2.number + 1
        block.more = False
        writer_init(&w, out.datagram + out.head_size, 8)
        build_option_uint(&w, &last, OPTION_BLOCK2, block_value(&block))
        out.datagram_size = out.head_size + <uint32_t>writer_size(&w)
        self.send_first(self.state.devices.at(out.slot), number)
