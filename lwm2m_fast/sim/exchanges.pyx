# The message layer of a simulated fleet (RFC 7252, section 4).
#
# Retransmission keeps no bytes: a request is written anew from the device's state, with the same
# message id and token. Knows no path, no registration and no socket.

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp

from lwm2m_fast.cursor cimport Writer
from lwm2m_fast.sim.departures cimport Departures, room
from lwm2m_fast.sim.device cimport (FLAG_ANEW, REQUEST_NONE, REQUEST_PING, REQUESTS, Device, heard_at, mixed,
                                    remember)
from lwm2m_fast.sim.histogram cimport Histogram
from lwm2m_fast.sim.layer cimport Receiver
from lwm2m_fast.sim.serving cimport Serving
from lwm2m_fast.sim.wheel cimport Wheel
from lwm2m_fast.wire.coap cimport (ACK, CON, REJECT_SHORT, REJECT_VERSION, RST, Message, Reject,
                                   build_header, is_request, parse_message)

cdef enum:
    TOKEN_BYTES = 4


cdef class Exchanges(Receiver):
    """Requests of `size` devices, at most one under way each, and answers to their server.

    `first_number` is the number of the first device. Times are nanoseconds of one monotonic clock,
    which stands at `now_ns`; the same `seed` gives the same message ids, tokens and time-outs.
    """

    def __init__(self, uint32_t size, Serving serving not None, *, uint32_t first_number=1,
                 int64_t now_ns=0, uint64_t seed=0, double ack_timeout_s=2.0,
                 int max_retransmit=4, double response_timeout_s=93.0):
        cdef uint32_t key
        cdef int request
        if self.devices != NULL:
            raise RuntimeError("a fleet is set up once")
        self.devices = <Device *>calloc(size or 1, sizeof(Device))
        if self.devices == NULL:
            raise MemoryError(f"{size} devices do not fit into memory")
        self.size = size
        self.first_number = first_number
        self.serving = serving
        self.out = Departures()
        self.wheel = Wheel(size, now_ns)
        self.latencies = [Histogram() for _ in range(REQUESTS)]
        for request in range(REQUESTS):
            self.histograms[request] = <void *>self.latencies[request]
        self.began_at = now_ns
        self.ack_timeout_ns = <int64_t>(ack_timeout_s * NANOSECONDS)
        self.response_timeout_ns = <int64_t>(response_timeout_s * NANOSECONDS)
        self.max_retransmit = max_retransmit
        self.random_state = seed
        for key in range(size):
            self.devices[key].mid = <uint16_t>self.random()

    def __dealloc__(self):
        free(self.devices)

    cdef uint64_t random(self) noexcept nogil:
        self.random_state += <uint64_t>0x9E3779B97F4A7C15
        return mixed(self.random_state)

    # What leaves.

    cdef void start(self, uint32_t key, int request, int64_t now) noexcept nogil:
        """Begin `request`; nothing may be under way."""
        cdef Device *device = &self.devices[key]
        device.mid += 1
        device.awaited = device.mid
        device.token = <uint32_t>self.random()
        device.request = <uint8_t>request
        self.outstanding += 1
        self.started[request] += 1
        self.go_on(key, now)

    cdef void go_on(self, uint32_t key, int64_t now) noexcept nogil:
        cdef Device *device = &self.devices[key]
        if device.request == REQUEST_NONE:
            return
        device.tries = 0
        device.acked = False
        device.sent_at = now
        self.transmit(key)
        # ACK_RANDOM_FACTOR 1.5 (section 4.8); the token is as good as a die and is kept anyway.
        self.wheel.schedule(key, now + self.ack_timeout_ns
                            + (self.ack_timeout_ns * (device.token & 0xFFFF) >> 17))

    cdef void hold(self, uint32_t key) noexcept nogil:
        if self.devices[key].request != REQUEST_NONE:
            self.wheel.cancel(key)

    cdef void give_up(self, uint32_t key, int64_t now) noexcept nogil:
        if self.devices[key].request != REQUEST_NONE:
            self.end(key, ENDING_INSECURE, NULL, now)

    cdef void transmit(self, uint32_t key) noexcept nogil:
        cdef Writer w
        if not self.out.begin(&w):
            self.counts.no_room += 1
            return
        self.build(key, &w)
        self.out.commit(key, &w)

    cdef void send_empty(self, uint32_t key, int type, int mid) noexcept nogil:
        cdef Writer w
        if not self.out.begin(&w):
            self.counts.no_room += 1
            return
        build_header(&w, type, 0, mid, NULL, 0)
        self.out.commit(key, &w)

    # What arrives.

    cdef void receive(self, uint32_t key, const uint8_t *data, size_t size,
                      int64_t now) noexcept nogil:
        cdef Message m
        cdef Reject reject = parse_message(data, size, &m)
        self.counts.received += 1
        if reject:
            self.counts.malformed += 1
            # Section 4.2: what is confirmable and cannot be understood is rejected.
            if m.type == CON and reject != REJECT_SHORT and reject != REJECT_VERSION:
                self.send_empty(key, RST, m.mid)
        elif m.code == 0:
            self.take_empty(key, &m, now)
        elif is_request(m.code):
            self.asked(key, &m, data, size, now)
        else:
            self.take_response(key, &m, now)

    cdef void asked(self, uint32_t key, const Message *m, const uint8_t *data, size_t size,
                    int64_t now) noexcept nogil:
        self.serving.answer(&self.devices[key], key, self.first_number + key, m,
                            <uint32_t>((now - self.began_at) // NANOSECONDS), self.out)

    cdef bint took_empty(self, uint32_t key, const Message *m, int64_t now) noexcept nogil:
        return False

    cdef void take_empty(self, uint32_t key, const Message *m, int64_t now) noexcept nogil:
        cdef Device *device = &self.devices[key]
        if m.type == CON:                       # section 4.3: a ping
            self.counts.pinged += 1
            self.send_empty(key, RST, m.mid)
        elif device.request == REQUEST_NONE or m.mid != device.awaited:
            if not self.took_empty(key, m, now):
                self.counts.unexpected += 1
        elif m.type == RST:
            self.end(key, ENDING_RESET, NULL, now)
        elif device.request != REQUEST_PING and not device.acked:
            # Section 5.2.2: the response comes separately, so no more retransmissions.
            device.acked = True
            self.wheel.schedule(key, now + self.response_timeout_ns)

    cdef void take_response(self, uint32_t key, const Message *m, int64_t now) noexcept nogil:
        cdef Device *device = &self.devices[key]
        cdef bint fits = (device.request != REQUEST_NONE and device.request != REQUEST_PING
                          and m.token_size == TOKEN_BYTES
                          and memcmp(m.token, &device.token, TOKEN_BYTES) == 0
                          and (m.type != ACK or m.mid == device.awaited))
        if fits:
            if m.type == CON:
                remember(device, m.mid, <uint32_t>((now - self.began_at) // NANOSECONDS))
                self.send_empty(key, ACK, m.mid)
            self.end(key, m.code, m, now)
        elif m.type == CON and heard_at(device, m.mid) >= 0:
            self.counts.repeated += 1           # our ACK was lost
            self.send_empty(key, ACK, m.mid)
        else:
            self.counts.unexpected += 1
            if m.type == CON:
                self.send_empty(key, RST, m.mid)

    cdef void end(self, uint32_t key, int ending, const Message *m, int64_t now) noexcept nogil:
        cdef Device *device = &self.devices[key]
        cdef int request = device.request
        device.request = REQUEST_NONE
        if ending == ENDING_TIMEOUT:
            device.flags |= FLAG_ANEW           # perhaps the server has lost the session
        self.outstanding -= 1
        self.wheel.cancel(key)
        self.endings[request][ending] += 1
        if m != NULL or (request == REQUEST_PING and ending == ENDING_RESET):
            (<Histogram>self.histograms[request]).record(now - device.sent_at)
        self.ended(key, request, ending, m, now)

    # What time does.

    cdef void handle_timers(self, int64_t now) noexcept nogil:
        """At most MAX_DUE timers; the rest are due again in the next turn."""
        cdef uint32_t keys[MAX_DUE]
        cdef int count, i, limit = room(self.out)
        count = self.wheel.advance(now, keys, MAX_DUE if limit > MAX_DUE else limit)
        for i in range(count):
            if self.devices[keys[i]].request == REQUEST_NONE:
                self.due(keys[i], now)
            else:
                self.unanswered(keys[i], now)

    cdef void unanswered(self, uint32_t key, int64_t now) noexcept nogil:
        """The request under way has waited long enough: again, or given up (section 4.2)."""
        cdef Device *device = &self.devices[key]
        cdef int64_t first
        if device.acked or device.tries >= self.max_retransmit:
            self.end(key, ENDING_TIMEOUT, NULL, now)
            return
        device.tries += 1
        self.retransmitted[device.request] += 1
        self.transmit(key)
        first = self.ack_timeout_ns + (self.ack_timeout_ns * (device.token & 0xFFFF) >> 17)
        self.wheel.schedule(key, now + (first << device.tries))

    cdef void build(self, uint32_t key, Writer *w) noexcept nogil:
        pass

    cdef void ended(self, uint32_t key, int request, int ending, const Message *m,
                    int64_t now) noexcept nogil:
        pass

    cdef void due(self, uint32_t key, int64_t now) noexcept nogil:
        pass
