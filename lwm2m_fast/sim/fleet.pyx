# A fleet of simulated devices: registration life (OMA TS Core 6.2) and load.
#
# A device registers, updates at a part of its lifetime, sends values, registers again when its
# server has forgotten it or stays silent, and leaves. Load makes devices ask sooner. Datagrams and moments in,
# datagrams out: the sockets are sim/transport.pyx's, what the objects say is sim/serving.pyx's.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from lwm2m_fast.cursor cimport Writer, write_bytes, write_u8, writer_init, writer_size
from lwm2m_fast.sim.attended cimport Attended
from lwm2m_fast.sim.catalogue cimport Asked, Catalogue, write_decimal
from lwm2m_fast.sim.departures cimport room
from lwm2m_fast.sim.device cimport (FLAG_LIFETIME, FLAG_LINKS, FLAG_NEWS, FLAG_TELLING,
                                    LOCATION_BYTES, REQUEST_NONE, REQUEST_PING, REQUEST_REGISTER,
                                    REQUEST_SEND, REQUEST_UPDATE, REQUESTS, STATE_GONE, STATE_NEW,
                                    STATE_OUT, STATE_REGISTERED, Device)
from lwm2m_fast.sim.exchanges cimport MAX_DUE, NANOSECONDS
from lwm2m_fast.sim.serving cimport Serving
from lwm2m_fast.sim.wheel cimport Wheel
from lwm2m_fast.wire.coap cimport (CON, HAS_MORE_PATH, Block, Message, block_value, build_header,
                                   build_option, build_option_uint, build_payload)

cdef enum:
    CODE_EMPTY = 0
    CODE_POST = 2
    CODE_DELETE = 4
    CODE_CREATED = 65             # 2.01
    CODE_CHANGED = 68             # 2.04
    CODE_CONTINUE = 95            # 2.31
    CODE_NOT_FOUND = 132          # 4.04
    OPTION_URI_PATH = 11
    OPTION_CONTENT_FORMAT = 12
    OPTION_URI_QUERY = 15
    OPTION_BLOCK1 = 27
    OPTION_SIZE1 = 60
    LINK_FORMAT = 40
    PAYLOAD_MARKER = 0xFF
    BLOCK_BYTES = 1024            # a longer object list leaves in blocks (RFC 7959)
    BLOCK_SZX = 6
    TOKEN_AT = 4                  # the token begins behind the four bytes of the header
    FIRST_RETRY_S = 5             # doubled with every failure in a row ...
    MAX_RETRY_DOUBLINGS = 6       # ... up to 320 s
    SPREAD_FIRST = 9              # tenths of the pause before an Update
    SPREAD_LATER = 1
    MAX_PROBES = 1024             # devices looked at for one that is free, in one turn

# How a device answers to the end of each of its requests.
ctypedef void (*Ended)(Fleet, uint32_t, int, const Message *, int64_t) noexcept nogil


cdef void register_ended(Fleet fleet, uint32_t key, int ending, const Message *m,
                         int64_t now) noexcept nogil:
    if fleet.goes_on(key, REQUEST_REGISTER, ending, now):
        return
    if ending == CODE_CREATED and fleet.keep_location(key, m):
        fleet.mark(key, STATE_REGISTERED)
        fleet.came_in(key)
        fleet.update_later(key, SPREAD_FIRST, now)
        if fleet.send_every_ns:
            fleet.send_wheel.schedule(key, now + <int64_t>(
                fleet.random() % <uint64_t>(fleet.send_every_ns + 1)))
    else:
        fleet.mark(key, STATE_OUT)
        fleet.again_later(key, now)


cdef void update_ended(Fleet fleet, uint32_t key, int ending, const Message *m,
                       int64_t now) noexcept nogil:
    cdef Device *device = &fleet.devices[key]
    if fleet.goes_on(key, REQUEST_UPDATE, ending, now):
        return
    if device.flags & FLAG_TELLING:
        device.flags &= <uint8_t>~FLAG_TELLING
        if ending != CODE_CHANGED:
            device.flags |= FLAG_NEWS
    if ending == CODE_CHANGED:
        device.failures = 0
        fleet.update_later(key, SPREAD_LATER, now)
    elif ending >> 5 == 5:                      # the server's trouble, not the device's
        fleet.again_later(key, now)
    else:
        fleet.mark(key, STATE_OUT)              # forgotten (4.04, 4.00 ...) or silent: anew
        fleet.wheel.schedule(key, now)


cdef void deregister_ended(Fleet fleet, uint32_t key, int ending, const Message *m,
                           int64_t now) noexcept nogil:
    fleet.mark(key, STATE_GONE)


cdef void send_ended(Fleet fleet, uint32_t key, int ending, const Message *m,
                     int64_t now) noexcept nogil:
    cdef int64_t at = fleet.devices[key].contact_at
    if ending == CODE_NOT_FOUND:                # the server does not know the device
        fleet.mark(key, STATE_OUT)
        fleet.wheel.schedule(key, now)
    elif at:
        fleet.wheel.schedule(key, at if at > now else now)


cdef void ping_ended(Fleet fleet, uint32_t key, int ending, const Message *m,
                     int64_t now) noexcept nogil:
    pass


# In the order of Request.
cdef Ended[REQUESTS] ENDED = [NULL, register_ended, update_ended, deregister_ended, ping_ended,
                              send_ended]
cdef uint8_t[REQUESTS] CODES = [CODE_EMPTY, CODE_POST, CODE_POST, CODE_DELETE, CODE_EMPTY, CODE_POST]


cdef dict counted(const uint64_t *table):
    cdef int code
    return {code: table[code] for code in range(256) if table[code]}


cdef class Fleet(Attended):
    """`size` devices that speak to one server.

    `register` is a Register datagram with a token of four bytes, up to its last Uri-Query; the
    `digits` bytes at `digits_at` are the device's number and are written for each device, like
    message id and token. `links` is the object list it carries, in blocks when it is long.
    `send_every_s` is the pause between two Sends of a registered device, 0 = none by time; they
    carry the first answer of the catalogue `sends`.
    `update_every_s` is the longest pause between two contacts of a registered device; 0 = none by
    time. The rest is Exchanges'.
    """

    def __init__(self, uint32_t size, Serving serving not None, bytes register not None,
                 uint32_t digits_at, uint32_t digits, *, bytes links=b"",
                 double update_every_s=0.0, double send_every_s=0.0, Catalogue sends=None,
                 **exchange):
        if digits_at + digits > len(register):
            raise ValueError("the number lies outside the Register datagram")
        Attended.__init__(self, size, serving, **exchange)
        self.register_head = <uint8_t *>malloc(len(register))
        self.links = <uint8_t *>malloc(len(links) or 1)
        if not (self.register_head and self.links):
            raise MemoryError("no memory for the Register datagram")
        memcpy(self.register_head, <const char *>register, len(register))
        memcpy(self.links, <const char *>links, len(links))
        self.links_size = len(links)
        self.register_size = len(register)
        self.digits_at = digits_at
        self.digits = digits
        self.update_every_ns = <int64_t>(update_every_s * NANOSECONDS)
        self.send_every_ns = <int64_t>(send_every_s * NANOSECONDS)
        if send_every_s > 0:
            self.send_wheel = Wheel(size, self.began_at)
        if sends is not None and sends.size:
            self.sent = sends
            self.sent_answer = sends.answers

    def __dealloc__(self):
        free(self.register_head)
        free(self.links)

    # Requests as bytes.

    cdef void write_register(self, uint32_t key, Writer *w) noexcept nogil:
        cdef Device *device = &self.devices[key]
        cdef uint32_t number = self.first_number + key
        cdef uint8_t *start = w.pos
        cdef uint8_t *digit
        write_bytes(w, self.register_head, self.register_size)
        if w.overflow:
            return
        start[2] = <uint8_t>(device.awaited >> 8)
        start[3] = <uint8_t>device.awaited
        memcpy(start + TOKEN_AT, &device.token, sizeof(device.token))
        digit = start + self.digits_at + self.digits
        while digit > start + self.digits_at:
            digit -= 1
            digit[0] = <uint8_t>(48 + number % 10)
            number //= 10
        if device.flags & FLAG_LINKS:
            self.write_own_links(key, w, OPTION_URI_QUERY)
        else:
            self.write_links(key, w, OPTION_URI_QUERY, self.links, self.links_size)

    cdef void write_links(self, uint32_t key, Writer *w, int last, const uint8_t *data,
                          uint32_t size) noexcept nogil:
        """The object list, or the block of it that is under way."""
        cdef Device *device = &self.devices[key]
        cdef uint32_t start = <uint32_t>device.block * BLOCK_BYTES
        cdef Block block
        if size <= BLOCK_BYTES:
            build_payload(w, data, size)
            return
        if start >= size:                       # it has become shorter meanwhile
            start = 0
            device.block = 0
        block = Block(device.block, BLOCK_SZX, size - start > BLOCK_BYTES)
        build_option_uint(w, &last, OPTION_BLOCK1, block_value(&block))
        if device.block == 0:
            build_option_uint(w, &last, OPTION_SIZE1, size)
        build_payload(w, data + start, BLOCK_BYTES if block.more else size - start)

    cdef void write_update(self, uint32_t key, Writer *w) noexcept nogil:
        """What follows the location: nothing, unless the device has something to tell."""
        cdef Device *device = &self.devices[key]
        cdef uint8_t query[16]
        cdef int last = OPTION_URI_PATH
        cdef Writer text
        if device.flags & FLAG_NEWS and device.tries == 0:
            device.flags = <uint8_t>(device.flags & ~FLAG_NEWS | FLAG_TELLING)
        if not device.flags & FLAG_TELLING:
            return
        if device.flags & FLAG_LINKS:
            build_option_uint(w, &last, OPTION_CONTENT_FORMAT, LINK_FORMAT)
        if device.flags & FLAG_LIFETIME:
            writer_init(&text, query, sizeof(query))
            write_bytes(&text, <const uint8_t *>b"lt=", 3)
            write_decimal(&text, self.own_lifetime_s(key), 0, 1)
            build_option(w, &last, OPTION_URI_QUERY, query, writer_size(&text))
        if device.flags & FLAG_LINKS:
            self.write_own_links(key, w, last)

    cdef void write_send(self, uint32_t key, Writer *w) noexcept nogil:
        """The values of the second it was first sent in: each retransmission says the same."""
        cdef Asked asked = Asked(self.first_number + key, <uint32_t>(
            (self.devices[key].sent_at - self.began_at) // NANOSECONDS))
        cdef int last = 0
        build_option(w, &last, OPTION_URI_PATH, <const uint8_t *>b"dp", 2)
        build_option_uint(w, &last, OPTION_CONTENT_FORMAT, self.sent_answer.content_format)
        write_u8(w, PAYLOAD_MARKER)
        self.sent.render(self.sent_answer, &asked, w)

    cdef bint goes_on(self, uint32_t key, int request, int ending, int64_t now) noexcept nogil:
        """Whether the next block of the same body is on its way."""
        cdef Device *device = &self.devices[key]
        if ending != CODE_CONTINUE or device.block == 255:
            device.block = 0
            return False
        device.block += 1
        self.start(key, request, now)
        return True

    cdef void build(self, uint32_t key, Writer *w) noexcept nogil:
        cdef Device *device = &self.devices[key]
        cdef int request = device.request
        if request == REQUEST_REGISTER:
            self.write_register(key, w)
            return
        build_header(w, CON, CODES[request], device.awaited, <const uint8_t *>&device.token,
                     0 if request == REQUEST_PING else sizeof(device.token))
        if request == REQUEST_SEND:
            self.write_send(key, w)
        elif request != REQUEST_PING:
            write_bytes(w, device.location, device.location_size)
            if request == REQUEST_UPDATE:
                self.write_update(key, w)

    cdef bint keep_location(self, uint32_t key, const Message *m) noexcept nogil:
        """The Location-Path as the Uri-Path options it will be sent as; False = does not fit."""
        cdef Device *device = &self.devices[key]
        cdef Writer w
        cdef int last = 0, i
        writer_init(&w, device.location, LOCATION_BYTES)
        for i in range(m.path_count):
            build_option(&w, &last, OPTION_URI_PATH, m.path[i].data, m.path[i].size)
        if w.overflow or m.path_count == 0 or m.options & HAS_MORE_PATH:
            device.location_size = 0
            return False
        device.location_size = <uint8_t>writer_size(&w)
        return True

    # Registration life.

    cdef void ended(self, uint32_t key, int request, int ending, const Message *m,
                    int64_t now) noexcept nogil:
        ENDED[request](self, key, ending, m, now)

    cdef void mark(self, uint32_t key, int state) noexcept nogil:
        cdef Device *device = &self.devices[key]
        self.settled += device.state == STATE_NEW
        self.registered -= device.state == STATE_REGISTERED
        self.registered += state == STATE_REGISTERED
        if state == STATE_REGISTERED:
            device.failures = 0
        device.state = <uint8_t>state

    cdef void again_later(self, uint32_t key, int64_t now) noexcept nogil:
        cdef Device *device = &self.devices[key]
        cdef int doublings = device.failures
        if device.failures < MAX_RETRY_DOUBLINGS:
            device.failures += 1
        self.wheel.schedule(key, now + (<int64_t>FIRST_RETRY_S * NANOSECONDS << doublings)
                            + <int64_t>(self.random() % NANOSECONDS))

    cdef void update_later(self, uint32_t key, int64_t spread, int64_t now) noexcept nogil:
        """After the pause, or up to `spread` tenths of it sooner: a fleet does not march in step."""
        cdef Device *device = &self.devices[key]
        cdef int64_t pause = self.update_every_ns
        if device.flags & FLAG_LIFETIME and pause:
            pause = <int64_t>self.own_lifetime_s(key) * NANOSECONDS * 8 // 10
        if device.flags & FLAG_NEWS:
            device.contact_at = now
            self.wheel.schedule(key, now)
        elif pause:
            device.contact_at = now + pause - <int64_t>(
                self.random() % <uint64_t>(pause * spread // 10 + 1))
            self.wheel.schedule(key, device.contact_at)

    cdef void registers_anew(self, uint32_t key, int64_t now) noexcept nogil:
        self.devices[key].block = 0
        self.mark(key, STATE_OUT)
        self.wheel.schedule(key, now)

    cdef void send_by_time(self, int64_t now) noexcept nogil:
        cdef uint32_t keys[MAX_DUE]
        cdef int limit = room(self.out), count, i
        cdef Device *device
        count = self.send_wheel.advance(now, keys, MAX_DUE if limit > MAX_DUE else limit)
        for i in range(count):
            device = &self.devices[keys[i]]
            if self.quiet or device.state != STATE_REGISTERED:
                continue
            if device.request == REQUEST_NONE:
                self.start(keys[i], REQUEST_SEND, now)
                self.send_wheel.schedule(keys[i], now + self.send_every_ns)
            else:
                self.late_sends += 1
                self.send_wheel.schedule(keys[i], now + NANOSECONDS)

    cdef void due(self, uint32_t key, int64_t now) noexcept nogil:
        cdef int state = self.devices[key].state
        if self.quiet or state == STATE_GONE:
            return
        self.start(key, REQUEST_UPDATE if state == STATE_REGISTERED else REQUEST_REGISTER, now)

    # Load.

    cdef int allowed(self, int64_t now) noexcept nogil:
        """How many requests may be started at this moment."""
        cdef Drive *drive = &self.drive
        cdef int64_t free = drive.outstanding
        cdef double most
        if free > self.size:
            free = self.size
        free -= self.outstanding
        if drive.rate > 0:
            most = drive.rate * 0.05 + 64
            drive.credit += drive.rate * (now - drive.credited_at) / NANOSECONDS
            drive.credited_at = now
            if drive.credit > most:
                if not drive.once:
                    self.missed += <uint64_t>(drive.credit - most)
                drive.credit = most
            if drive.credit < free:
                free = <int64_t>drive.credit
        if free > room(self.out):
            free = room(self.out)
        return <int>free if free > 0 else 0

    cdef void pump(self, int64_t now) noexcept nogil:
        cdef Drive *drive = &self.drive
        cdef Device *device
        cdef int left = self.allowed(now), probes = MAX_PROBES
        cdef uint32_t key
        while left > 0 and probes > 0:
            if drive.cursor == self.size:
                if drive.once:
                    drive.request = REQUEST_NONE
                    return
                drive.cursor = 0
            key = drive.cursor
            device = &self.devices[key]
            drive.cursor += 1
            probes -= 1
            if device.request == REQUEST_NONE and drive.states >> device.state & 1:
                self.start(key, drive.request, now)
                drive.credit -= 1
                left -= 1

    cdef void turn(self, int64_t now) noexcept nogil:
        """What is due, and what the load wants."""
        self.begin_turn(now)
        self.handle_timers(now)
        if self.send_every_ns:
            self.send_by_time(now)
        if self.drive.request != REQUEST_NONE:
            self.pump(now)

    cdef int64_t patience_ns(self) noexcept nogil:
        """How long a caller may wait for datagrams before the next turn."""
        return NANOSECONDS // (1000 if self.drive.rate > 0 else 50)

    cdef bint is_reached(self) noexcept nogil:
        if self.is_faulty:
            return True
        if self.goal == GOAL_SETTLED:
            return self.settled == self.size
        if self.goal == GOAL_QUIET:
            return self.outstanding == 0
        if self.goal == GOAL_GONE:
            return self.registered == 0
        return False

    # The Python edge.

    def load(self, int request, states, *, bint once=False, uint32_t outstanding=64,
             double rate=0.0, int64_t now_ns=0):
        """Make the devices in one of `states` send `request`, from `now_ns` on.

        Closed loop: at most `outstanding` requests are under way. With a `rate`, at most so many
        are started per second as well. `once` walks over the fleet one time.
        """
        if request == REQUEST_SEND and self.sent_answer == NULL:
            raise ValueError("the fleet was not told what to send")
        mask = 0
        for state in states:
            mask |= 1 << state
        self.drive = Drive(request, mask, once, outstanding, rate, 0.0, now_ns, 0)
        self.missed = 0

    def leave_out(self, uint32_t device):
        """This device, which asks for nothing yet, never does."""
        self.mark(device, STATE_GONE)

    def receive_datagram(self, uint32_t device, bytes datagram, int64_t now_ns):
        """Take what the server sent to `device` (counted from 0)."""
        if device >= self.size:
            raise IndexError(f"device {device} of {self.size}")
        self.receive(device, <const uint8_t *><const char *>datagram, len(datagram), now_ns)
        self.raise_fault()

    def handle_turn(self, int64_t now_ns):
        """Work off what is due at `now_ns`, then start what the load wants."""
        self.turn(now_ns)
        self.raise_fault()

    def take_output(self):
        """[(device, datagram)] that wait to leave; they leave once."""
        taken = self.out.take()
        self.counts.sent += len(taken)
        return taken

    def reached(self):
        """Whether the goal of this phase is reached."""
        return self.is_reached()

    def count_started(self, int request):
        """How many requests of this kind have been begun since the start."""
        return self.started[request] if 0 <= request < REQUESTS else 0

    def count_received(self):
        """How many datagrams have come since the start."""
        return self.counts.received

    def latency(self, int request):
        """The Histogram of nanoseconds from first transmission to response, of one Request."""
        return self.latencies[request]

    def counters(self):
        """Every counter since the start, by name; tables are dicts by number."""
        cdef int request
        requests = {}
        for request in range(1, REQUESTS):
            requests[request] = {
                "started": self.started[request], "retransmitted": self.retransmitted[request],
                "endings": counted(self.endings[request]),
            }
        return {**self.counts, "duplicates": self.serving.duplicates, "missed": self.missed,
                "slept_through": self.slept_through, "rebooted": self.rebooted,
                "late_sends": self.late_sends,
                "served": counted(self.serving.answered), "requests": requests}
