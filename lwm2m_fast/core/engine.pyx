# The whole of core/ as one object: datagrams and the time in; datagrams, changes, events out.
#
# No socket, clock, loop or file. Three things move it: receive(), handle_timer(), and what our own
# side asks for (start, observe, deregister). After each, the caller does, in this order, which is law:
#
#   send `outbox`; take_output(); if it has a turn: bring its changes to the store, and then either
#   committed(turn), send its held datagrams, tell its events; or failed(turn), send what that gives.

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from lwm2m_fast.core.bootstrapping cimport BootstrapPack, Bootstrapping
from lwm2m_fast.core.describe cimport attributes_of, describe
from lwm2m_fast.core.devices cimport Device
from lwm2m_fast.core.exchange cimport Reply, reply_init
from lwm2m_fast.core.names cimport NAME_LISTED, NAME_PLAIN, NAME_SECURE
from lwm2m_fast.core.observe cimport Relation
from lwm2m_fast.core.principals cimport PRINCIPAL_SIZE, Principal, principal_addr
from lwm2m_fast.core.records cimport ID_RANDOM, NONE, Record, id_read, record_endpoint
from lwm2m_fast.core.resource cimport Resource
from lwm2m_fast.core.state cimport (COUNT_BAD_OPTIONS, COUNT_NOT_ALLOWED, COUNT_NOT_FOUND,
                                    COUNT_PINGS, COUNT_RECEIVED, COUNT_REQUESTS, COUNT_TOTAL)
from lwm2m_fast.datagram cimport Inbox, addr_is_secure, lf_addr
from lwm2m_fast.wire.coap cimport (ACK, CON, HAS_BLOCK1, NON, REJECT_SHORT, REJECT_VERSION, RST,
                                   is_request, parse_message, path_is)
from lwm2m_fast.wire.numbers cimport (BAD_OPTION, INTERNAL_SERVER_ERROR, METHOD_NOT_ALLOWED,
                                      NOT_FOUND, OPTION_PROXY_SCHEME, OPTION_PROXY_URI,
                                      PROXYING_NOT_SUPPORTED, SERVICE_UNAVAILABLE)

from lwm2m_fast.core.resource import WellKnown
from lwm2m_fast.core.send import Send
from lwm2m_fast.core.state import COUNTER_NAMES
from lwm2m_fast.errors import RequestError, StoreError, UnknownDevice
from lwm2m_fast.wire.coap import REASONS

cdef enum:
    TIMER_BATCH = 256             # due things worked off in one call
    SCAN_MOST = 4096              # slots that one page of the device list looks at
    FLUSH_BATCH = 256             # rows of contacts noted in one turn ...
    FLUSH_PAUSE_MS = 20           # ... and the time until the next: a million devices take 1.3 s
    WAITING_MOST = 128            # turns on their way to the store beyond which we ask no more

# Max-Age: 30 s, as the only option of a message (RFC 7252, section 3.1).
cdef uint8_t RETRY[3]
RETRY[:] = [0xD1, 1, 30]

MARKS = {0: NAME_PLAIN, 1: NAME_SECURE, None: 0}

LINKS = b'</rd>;rt="core.rd";ct=40'
BOOTSTRAP_LINKS = b"</bs>,</bspack>"


cdef class Output:
    """What a turn leaves to do; see the top of engine.pyx for the order."""

    def refusals(self):
        """The held answers as 5.03 (Service Unavailable): the store has refused this turn."""
        cdef Outbox refused = Outbox()
        cdef uint8_t *room
        cdef uint8_t *answer
        cdef size_t size
        cdef int i
        for i in range(self.held.first, self.held.count):
            answer = self.held.arena + self.held.entries[i].offset
            size = 4 + (answer[0] & 15)
            room = refused.reserve(size + sizeof(RETRY))
            if room == NULL:
                break
            memcpy(room, answer, size)
            room[1] = SERVICE_UNAVAILABLE
            memcpy(room + size, RETRY, sizeof(RETRY))
            refused.commit(&self.held.entries[i].to, size + sizeof(RETRY))
        return refused


cdef class Engine:
    def __init__(self, config, seed, random, double now, double wall, str serves="registration"):
        """An LwM2M server's, or with `serves` "bootstrap" a bootstrap server's. `seed`: two secret 64-bit numbers; `random(n)` gives n unguessable bytes.

        `now` is monotonic, `wall` unix time, both in seconds.
        """
        cdef State state = State(seed, random, config.coap, config.registration, config.reporting,
                                 config.shard, config.dtls.max_sessions)
        self.state = state
        self.ended = {}
        self.exchange = Exchange(state, config.coap)
        self.requests = Requests(state, self.exchange, config.coap)
        self.changes = Changes(state, self.requests, config.reporting)
        self.reporting = Reporting(state, self.exchange, self.requests, self.changes, config.coap)
        self.requests.owner = self.reporting
        self.blocks = Blocks(state, config.coap)
        if serves == "bootstrap":
            self.registration = Bootstrapping(state, self.changes, config.registration)
            self.resources = [self.registration, BootstrapPack(state), WellKnown(BOOTSTRAP_LINKS)]
        else:
            self.registration = Registration(state, self.changes, config.registration)
            self.resources = [self.registration, Send(state), WellKnown(LINKS)]
        self.flush_interval = <int64_t>(config.registration.contact_flush_s * 1000)
        self.set_wall_clock(now, wall)
        self.flush_at = state.now + self.flush_interval
        self.loader = Loader(state, self.changes, 2 * self.flush_interval)
        state.random(<uint8_t *>&self.exchange.next_mid, sizeof(self.exchange.next_mid))

    def __dealloc__(self):
        if self.requests is not None:   # these two know each other; let go without the collector
            self.requests.owner = None

    cdef inline void set_time(self, double now) noexcept:
        # A microsecond more: next_timer()'s moments must come back as the milliseconds they were.
        self.state.now = <int64_t>(now * 1000 + 0.001)
        self.state.entered += 1

    def set_wall_clock(self, double now, double wall):
        """Both clocks at one moment; now and then, as the system's clock may be set."""
        self.set_time(now)
        self.state.wall_offset = <int64_t>(wall * 1000) - self.state.now

    @property
    def outbox(self):
        """Datagrams that may leave at once."""
        return self.exchange.now

    @property
    def tells(self):
        """Whether events are wanted; without listeners they are only counted."""
        return self.state.tells

    @tells.setter
    def tells(self, bint value):
        self.state.tells = value

    @property
    def store_works(self):
        """False: what would need the store is refused at once (5.03)."""
        return self.state.store_works

    @store_works.setter
    def store_works(self, bint value):
        self.state.store_works = value

    @property
    def wants_reports(self):
        """Whether notifications and Sends are listed in Output.reports; else only counted."""
        return self.state.wants_reports

    @wants_reports.setter
    def wants_reports(self, bint value):
        self.state.wants_reports = value

    @property
    def hears_registers(self):
        """Whether every full Register is in Output.contacts, watched or not."""
        return self.state.hears_registers

    @hears_registers.setter
    def hears_registers(self, bint value):
        self.state.hears_registers = value

    @property
    def judge_send(self):
        """Who is asked about each Send before it is answered: a SendJudge (core/judge), or what is
        called as (slot, content format, payload) and returns the code to refuse with (0x80 to
        0xBF), else 0 or the (negative) number of the Send. None: every Send is taken, as 0.
        """
        return self.state.judge_send

    @judge_send.setter
    def judge_send(self, value):
        self.state.judge_send = value

    @property
    def where(self):
        """Called as (principal) for what is shown of a secure device: a dict with address, kind,
        identity, suite, cid, since and live, or None where it has no session. None: nobody knows."""
        return self.state.where

    @where.setter
    def where(self, value):
        self.state.where = value

    @property
    def judge_bootstrap(self):
        """Called as (endpoint, whether it is secure) for each POST /bs and GET /bspack before it is
        answered: 0, or the code to refuse with. None: every device may bootstrap."""
        return self.state.judge_bootstrap

    @judge_bootstrap.setter
    def judge_bootstrap(self, value):
        self.state.judge_bootstrap = value

    @property
    def make_pack(self):
        """Called as (endpoint, Accept or -1) for GET /bspack: code, content format, payload."""
        return self.state.make_pack

    @make_pack.setter
    def make_pack(self, value):
        self.state.make_pack = value

    # Receiving

    def receive(self, Inbox inbox, double now):
        """Work off a batch of datagrams."""
        cdef int i
        self.set_time(now)
        self.state.counts[COUNT_RECEIVED] += inbox.count
        for i in range(inbox.count):
            self.receive_one(&inbox.slots[i])

    cdef void receive_one(self, const lf_slot *slot) except *:
        cdef Message m
        cdef Request request
        cdef int reason = parse_message(slot.data, slot.size, &m)
        if reason:
            self.reject(slot, &m, reason)
            return
        if m.code == 0 and m.type != CON:
            self.requests.receive_empty(&m, &slot.from_)
            return
        if m.code == 0:                 # a ping (RFC 7252, section 4.3)
            self.state.counts[COUNT_PINGS] += 1
            self.exchange.send_empty(&slot.from_, RST, m.mid)
            return
        request.message = &m
        request.source = &slot.from_
        request.data = slot.data
        request.size = slot.size
        request.print_ = 0
        request.peer = NONE
        if m.type == ACK:
            request.peer = self.state.peers.find(&slot.from_)
        elif self.exchange.is_duplicate(&request):
            return
        if is_request(m.code):
            self.receive_request(&request)
        elif not self.reporting.receive(&request):
            self.requests.receive_response(&m, &slot.from_, request.peer, request.print_)

    cdef void reject(self, const lf_slot *slot, const Message *m, int reason) noexcept:
        """RFC 7252, section 4.2: what is confirmable and malformed is rejected by a reset."""
        self.rejects[reason] += 1
        if m.type == CON and reason != REJECT_SHORT and reason != REJECT_VERSION:
            self.exchange.send_empty(&slot.from_, RST, m.mid)

    cdef void receive_request(self, Request *request) except *:
        cdef const Message *m = request.message
        cdef Reply reply
        cdef Resource resource
        reply_init(&reply)
        self.state.counts[COUNT_REQUESTS] += 1
        request.body = m.payload
        request.body_size = m.payload_size
        if m.bad_option:
            self.state.counts[COUNT_BAD_OPTIONS] += 1
            if m.type == NON:           # RFC 7252, section 5.4.1: silently
                return
            reply.code = (PROXYING_NOT_SUPPORTED
                          if m.bad_option in (OPTION_PROXY_URI, OPTION_PROXY_SCHEME)
                          else BAD_OPTION)
        else:
            resource = self.find_resource(m)
            if resource is None:
                reply.code = NOT_FOUND
            else:
                self.serve(resource, request, &reply)
        self.state.counts[COUNT_NOT_FOUND] += reply.code == NOT_FOUND
        self.state.counts[COUNT_NOT_ALLOWED] += reply.code == METHOD_NOT_ALLOWED
        self.exchange.answer(request, &reply)

    cdef Resource find_resource(self, const Message *m):
        cdef Resource resource
        if m.path_count == 0:
            return None
        for resource in self.resources:
            if path_is(m, 0, <const char *>resource.name, len(resource.name)):
                return resource
        return None

    cdef void serve(self, Resource resource, Request *request, Reply *reply) except *:
        try:
            if request.message.options & HAS_BLOCK1 and not self.blocks.receive(request, reply):
                return
            resource.handle(request, reply)
        except Exception as error:      # one device's misfortune must not stop the others
            self.fault = error
            reply_init(reply)
            reply.code = INTERNAL_SERVER_ERROR

    # Time

    def handle_timer(self, double now):
        """Work off what is due, at most TIMER_BATCH of each kind; next_timer() says if more is."""
        self.set_time(now)
        self.registration.expire(TIMER_BATCH)
        self.requests.handle_timer(TIMER_BATCH)
        self.blocks.handle_timer(TIMER_BATCH)
        self.state.peers.handle_timer(<uint32_t>(self.state.now // 1000), TIMER_BATCH)
        if self.state.now >= self.flush_at and self.state.store_works:
            self.flush_contacts()
            if self.changes.write_unsaved(FLUSH_BATCH):
                self.flush_at = self.state.now + FLUSH_PAUSE_MS

    cdef void flush_contacts(self) except *:
        """Let the store know who was heard since the last time, a slice per call.

        Registrations go first: contacts can wait, and a device that waits for its answer cannot.
        """
        cdef uint32_t slot
        cdef int limit = FLUSH_BATCH
        self.flush_at = self.state.now + FLUSH_PAUSE_MS
        if self.state.is_behind():
            return
        if self.flush_left == 0:
            self.flush_left = self.state.devices.touched_count
        while self.flush_left and limit:
            self.flush_left -= 1
            limit -= 1
            slot = self.state.devices.next_touched()
            if slot == NONE:
                self.flush_left = 0
            else:
                self.changes.note_contacts(slot)
        if self.flush_left == 0:
            self.flush_at = self.state.now + self.flush_interval

    def next_timer(self):
        """The moment (monotonic seconds) at which handle_timer() must be called."""
        cdef int64_t due = min(self.requests.wheel.next_due(), self.blocks.wheel.next_due())
        cdef int64_t expiry
        if self.state.store_works:
            expiry = self.state.devices.wheel.next_due()
            if self.state.is_behind():  # expiry waits for the store, and must not spin
                expiry = max(expiry, self.state.now + FLUSH_PAUSE_MS)
            due = min(due, expiry, self.flush_at)
        if self.state.peers.lingering:
            due = min(due, <int64_t>self.state.peers.next_due() * 1000)
        return due / 1000.0

    # What a turn leaves to do

    def take_output(self):
        """The turn's Output, or None when there is nothing for the store, and nothing to tell."""
        cdef Output output
        if not (self.changes.blob_used or self.state.events or self.requests.answers
                or self.state.reports or self.state.contacts):
            return None
        output = Output()
        output.changes = b""
        output.events, self.state.events = self.state.events, []
        output.answers, self.requests.answers = self.requests.answers, []
        output.reports, self.state.reports = self.state.reports, []
        if self.ended or self.state.ended:
            self.ended, self.state.ended = self.state.ended, {}
        output.contacts, self.state.contacts = self.state.contacts, []
        if self.changes.blob_used:
            output.turn = self.state.turn
            output.changes = self.changes.take()
            output.held, self.exchange.held = self.exchange.held, Outbox()
            self.state.turn += 1
        return output

    def committed(self, uint32_t turn):
        """The store has all turns up to `turn`: their held answers may leave now."""
        self.state.committed = turn
        self.changes.committed(turn)
        self.requests.committed(turn)

    def failed(self, uint32_t turn):
        """The store has refused `turn` and every later one: as if they had never come."""
        self.requests.failed(turn)
        self.state.committed = self.state.turn - 1      # nothing is on its way any more
        self.changes.roll_back(turn)

    # What our own side asks for

    def start(self, str endpoint, request, double timeout_s, double now):
        """Order a CoapRequest; returns the call number that its answer will carry.

        `timeout_s` is the time for the answer from when the request leaves; while a payload goes
        in blocks, each block that the device takes starts it again. The payload's buffer is held
        until the answer. Raises UnknownDevice, QueueFull; RequestError names what cannot be sent.
        """
        self.set_time(now)
        if request.observe is not None:
            raise RequestError("an Observe is ordered with observe() and ended with unobserve()")
        return self.requests.start(self.find(endpoint), request, <int64_t>(timeout_s * 1000), NULL)

    def cancel(self, uint64_t call, double now):
        """Nobody waits for this call any more."""
        self.set_time(now)
        self.requests.cancel(call)

    def deregister(self, str endpoint, double now, str reason=""):
        """Remove a registration; the device finds out at its next Update (4.04).

        `reason`, if any, stands in the event. Raises UnknownDevice, StoreError.
        """
        self.set_time(now)
        self.check_store()
        self.registration.remove(self.find(endpoint), {"reason": reason} if reason else None)

    cdef int check_store(self) except -1:
        if not self.state.store_works:
            raise StoreError("the store cannot keep a change now")
        if self.state.turn - 1 - self.state.committed > WAITING_MOST:
            raise StoreError("the store is behind; try again in a moment")
        return 0

    # What devices report

    def observe(self, str endpoint, request, bytes context, double timeout_s, double now):
        """Order an Observe (RFC 7641; LwM2M Core, section 6.4.1); the call that answers it.

        As start(), with Observe 0, and it leaves once the observation is in the store. If the
        device agrees, Answered.observation is the observation's number. `context` (0 to 1,024
        bytes) comes back with observation(); an observation of this device with the same context
        is asked for anew and keeps its number. Raises UnknownDevice, QueueFull, StoreError,
        RequestError; nothing has changed then.
        """
        self.set_time(now)
        self.check_store()
        return self.reporting.observe(self.find(endpoint), request, context,
                                      <int64_t>(timeout_s * 1000))

    def unobserve(self, uint64_t number, bint active, double timeout_s, double now):
        """End an observation: passively (None), a notification that comes then gets a RST;
        or actively, by a request with Observe 1 (its call), and it is forgotten once answered.

        One that does not stand is forgotten at once. RequestError: there is none of this number.
        Raises QueueFull, StoreError.
        """
        cdef uint32_t index
        cdef uint64_t call
        self.set_time(now)
        self.check_store()
        index = self.state.observations.find_number(number)
        if index == NONE:
            raise RequestError(f"there is no observation {number}")
        call = self.reporting.unobserve(index, active, <int64_t>(timeout_s * 1000))
        return call if call else None

    def observations(self, str endpoint):
        """What a device reports, oldest first, as dicts: number, context, state (pending, active,
        lapsed), since (unix seconds), notified (count), last_at (unix seconds or None).

        Raises UnknownDevice.
        """
        return self.reporting.describe(self.find(endpoint))

    def lapsed(self):
        """The names of devices that registered anew and were not asked yet for what they had
        reported before. Looks at every observation: for a start, when the rows are loaded."""
        return self.reporting.lapsed()

    def reported(self, uint64_t number):
        """observation(), also of one that an error among the reports of the turn taken last ended:
        what a report is about, for whoever reads it before the next turn."""
        found = self.observation(number)
        return self.ended.get(number) if found is None else found

    def observation(self, uint64_t number):
        """(endpoint, context), or None."""
        cdef uint32_t index = self.state.observations.find_number(number)
        cdef const Relation *relation
        if index == NONE:
            return None
        relation = self.state.observations.at(index).relation
        return (self.endpoint_of(relation.slot),
                (<const char *>relation.data)[:relation.context_size])

    def watch(self, str endpoint, bint on):
        """Whether Output.contacts tells each time that this device is heard.

        Lasts as long as the device is registered. Raises UnknownDevice.
        """
        self.state.devices.at(self.find(endpoint)).is_watched = on

    def attribute(self, str endpoint, str name):
        """What the registration says under a query parameter that is kept as it came; None where
        it does not, and for a device that is not registered."""
        cdef Record *record
        try:
            record = self.state.devices.at(self.find(endpoint)).record
        except UnknownDevice:
            return None
        if record.attributes_size == 0:
            return None
        return attributes_of(record).get(name)

    def heard_at(self, str endpoint):
        """The moment (monotonic seconds) of the device's last Register, Update, notification, Send
        or response, to within 10 ms; None: it is not registered."""
        try:
            return self.state.devices.heard_at(
                self.state.devices.at(self.find(endpoint))) / 1000.0
        except UnknownDevice:
            return None

    def endpoint_of(self, uint32_t slot):
        """The name of the device in a slot of the table; UnknownDevice when it is free."""
        cdef Record *record = NULL
        if slot < self.state.devices.next_new:
            record = self.state.devices.at(slot).record
        if record == NULL:
            raise UnknownDevice(f"slot {slot}")
        return (<const char *>record_endpoint(record))[:record.endpoint_size].decode()

    cdef uint32_t find(self, str endpoint) except? 0xFFFFFFFE:
        cdef bytes name
        cdef uint32_t slot = NONE
        try:
            name = endpoint.encode()
        except UnicodeEncodeError:      # what no device can have registered as
            raise UnknownDevice(endpoint) from None
        slot = self.state.devices.find(<const uint8_t *><const char *>name, len(name))
        if slot == NONE:
            raise UnknownDevice(endpoint)
        return slot

    cdef dict describe_slot(self, uint32_t slot):
        cdef Device *device = self.state.devices.at(slot)
        return describe(device.record, device, self.state.wall_offset, self.state.shard,
                        self.state.where)

    def endpoint_by_id(self, str registration_id):
        """The endpoint name of the registration with this id (/rd/{id}); None: there is none."""
        cdef bytes text = registration_id.encode("utf-8", "replace")
        cdef uint8_t random[ID_RANDOM]
        cdef uint32_t shard, slot
        if (id_read(<const uint8_t *><const char *>text, len(text), &shard, &slot, random) < 0
                or shard != self.state.shard):
            return None
        slot = self.state.devices.find_id(slot, random)
        return None if slot == NONE else self.endpoint_of(slot)

    def device(self, str endpoint):
        """The registration as a dict, or None."""
        try:
            return self.describe_slot(self.find(endpoint))
        except UnknownDevice:
            return None

    def shape(self, str endpoint):
        """shape_at() of the device of this name; 0: it is not registered."""
        cdef bytes name = endpoint.encode("utf-8", "replace")
        return self.shape_at(self.state.devices.find(
            <const uint8_t *><const char *>name, len(name)))

    cpdef uint64_t shape_at(self, uint32_t slot):
        """A number that two devices share if they registered the same LwM2M version and object list
        in the same words; 0: the slot is free.

        A key to what was worked out from those, and cheaper than device(). It is not used again
        for another list, but for one chance in 2^28.
        """
        cdef Record *record = NULL
        if slot < self.state.devices.next_new:
            record = self.state.devices.at(slot).record
        if record == NULL:
            return 0
        return (<uint64_t>record.links.number << 36 | <uint64_t>record.links.tag >> 4 << 8
                | record.version)

    def devices(self, uint32_t cursor, int limit, str contains=""):
        """Registrations from slot `cursor` on, and the next cursor or None.

        Looks at a bounded number of slots, so that a page may be short, or empty, and not the last.
        """
        cdef uint32_t slot = cursor
        cdef uint32_t end = self.state.devices.next_new
        cdef uint32_t stop = min(end, cursor + SCAN_MOST) if cursor < end else end
        cdef Record *record
        cdef bytes wanted = contains.encode()
        found = []
        while slot < stop and len(found) < limit:
            record = self.state.devices.at(slot).record
            if record != NULL and (
                    not wanted
                    or wanted in (<const char *>record_endpoint(record))[:record.endpoint_size]):
                found.append(self.describe_slot(slot))
            slot += 1
        return found, (slot if slot < end else None)

    # The list of those who may register

    def allow(self, endpoints):
        """Let these endpoint names register (policy "provisioned")."""
        if not self.state.is_open:
            for name in endpoints:
                self.state.names.change(name.encode(), 0, NAME_LISTED)

    def disallow(self, str endpoint):
        """Refuse this endpoint name from its next Register on."""
        self.state.names.change(endpoint.encode(), NAME_LISTED, 0)

    def require(self, str endpoint, mode):
        """Say how this endpoint name may register: 0 without security only, 1 as a secure peer that
        may speak for it only, None as the policy says.

        Whether it is registered at the moment in a way that this forbids; that registration stands
        until its owner de-registers it.
        """
        cdef uint32_t slot
        cdef bytes name = endpoint.encode()
        self.state.names.change(name, NAME_PLAIN | NAME_SECURE, MARKS[mode])
        slot = self.state.devices.find(<const uint8_t *><const char *>name, len(name))
        if slot == NONE or mode is None:
            return False
        return addr_is_secure(&self.state.devices.at(slot).record.address) != (mode == 1)

    # Secure peers: who they are is found out in net/, which says so before their first datagram

    def secure_peer(self, bytes principal, int kind, names):
        """An authenticated peer is here, which may speak for these endpoint names and no others.

        `principal` has 16 bytes, `kind` is 1 (PSK) or 2 (X.509). At most 16 names count, of 1 to
        255 bytes each. False: there are dtls.max_sessions of them already, and whatever this one
        says is refused.
        """
        return self.state.principals.put(principal, kind, names)

    def secure_peer_replaced(self, bytes principal):
        """It has another session: its message ids start anew, and none is a duplicate."""
        cdef lf_addr addr
        principal_addr(principal, &addr)
        self.state.peers.forget_messages(&addr)

    def secure_peer_gone(self, bytes principal):
        """It has no session any more. Its registration stays; nobody can use it until it is back."""
        self.state.principals.drop(principal)

    def secure_peers(self, int kind, uint32_t cursor=0, int limit=1000):
        """Up to `limit` of the peers of a kind that are here, each as (principal, one of its names),
        and the next cursor or None."""
        cdef uint32_t number = cursor
        cdef const Principal *who
        found = []
        while number < self.state.principals.next_new and len(found) < limit:
            who = self.state.principals.at(number)
            if who != NULL and who.kind == kind and who.count:
                found.append(((<const char *>who.id)[:PRINCIPAL_SIZE],
                              (<const char *>who.names)[1:1 + who.names[0]].decode()))
            number += 1
        return found, (number if number < self.state.principals.next_new else None)

    def principal(self, str endpoint):
        """The 16 bytes that a registered secure device came as; None: a plain one, or not here."""
        cdef Record *record
        try:
            record = self.state.devices.at(self.find(endpoint)).record
        except UnknownDevice:
            return None
        if not addr_is_secure(&record.address):
            return None
        return (<const char *>record.address.ip)[:PRINCIPAL_SIZE]

    # Start-up

    def begin_load(self, size_t expected=0):
        """Before the rows of the store come in, among them about `expected` registrations."""
        self.state.devices.begin_load(<uint32_t>min(expected, <size_t>0xFFFFFFFF))
        self.state.observations.begin_load()

    def load(self, int table, bytes key, bytes value, double now):
        """One row of the store, tables in ascending order. False: it is not usable and was passed over."""
        self.set_time(now)
        return self.loader.load(table, key, value)

    def load_all(self, int table, pages, double now):
        """load() for each (key, value) of the lists `pages`; how many were not usable."""
        cdef list page
        cdef int unusable = 0
        self.set_time(now)
        for page in pages:
            unusable += self.loader.load_page(table, page)
        return unusable

    def finish_load(self):
        """After the last row."""
        self.state.devices.finish_load()
        self.state.observations.finish_load()

    # For the operator

    def device_count(self):
        return self.state.devices.count

    def counters(self):
        """Everything counted, by name."""
        counted = {COUNTER_NAMES[i]: self.state.counts[i] for i in range(COUNT_TOTAL)}
        for reason, text in REASONS.items():
            counted[f"coap_rejected_{text}"] = self.rejects[<int>reason]
        counted.update(
            registrations_current=self.state.devices.count,
            peers_current=self.state.peers.count,
            peers_lingering=self.state.peers.lingering,
            peers_evicted=self.state.peers.evicted,
            principals_current=len(self.state.principals),
            principals_refused=self.state.principals.refused,
            principals_bytes=self.state.principals.bytes,
            names_current=len(self.state.names),
            names_bytes=self.state.names.bytes,
            link_sets_current=self.state.links.count,
            link_sets_bytes=self.state.links.bytes,
            requests_current=self.requests.count,
            observations_current=self.state.observations.count,
            block_transfers_current=self.blocks.count,
            outbox_waiting=len(self.exchange.now),
        )
        return counted
