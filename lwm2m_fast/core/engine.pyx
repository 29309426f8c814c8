# The whole of core/ as one object: datagrams and the time in; datagrams, changes, events out.
#
# No socket, clock, loop or file. Three things move it: receive(), handle_timer(), and what our own
# side asks for (core/management). After each, the caller does, in this order, which is law:
#
#   send `outbox`; take_output(); if it has a turn: bring its changes to the store, and then either
#   committed(turn), send its held datagrams, tell its events; or failed(turn), send what that gives.
#
# The Engine is these layers, lowest first: core/hooks (what is set from outside), core/lookup (who
# is registered), core/access (who may be), core/management (what is asked of devices), and here the
# time and the turn. A datagram's way is core/receiver; it and the other parts are made here.

from libc.stdint cimport uint8_t
from libc.string cimport memcpy

from lwm2m_fast.core.bootstrapping cimport BootstrapPack, Bootstrapping
from lwm2m_fast.core.records cimport NONE
from lwm2m_fast.core.registration cimport Registration
from lwm2m_fast.core.reporting cimport Reporting
from lwm2m_fast.core.requests cimport Requests
from lwm2m_fast.core.state cimport COUNT_TOTAL, State
from lwm2m_fast.datagram cimport Inbox
from lwm2m_fast.wire.numbers cimport SERVICE_UNAVAILABLE

from lwm2m_fast.core.resource import WellKnown
from lwm2m_fast.core.send import Send
from lwm2m_fast.core.state import COUNTER_NAMES

cdef enum:
    TIMER_BATCH = 256             # due things worked off in one call
    FLUSH_BATCH = 256             # rows of contacts noted in one turn ...
    FLUSH_PAUSE_MS = 20           # ... and the time until the next: a million devices take 1.3 s

# Max-Age: 30 s, as the only option of a message (RFC 7252, section 3.1).
cdef uint8_t RETRY[3]
RETRY[:] = [0xD1, 1, 30]

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


cdef class Engine(Management):
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
            resources = [self.registration, BootstrapPack(state), WellKnown(BOOTSTRAP_LINKS)]
        else:
            self.registration = Registration(state, self.changes, config.registration)
            resources = [self.registration, Send(state), WellKnown(LINKS)]
        self.receiver = Receiver(state, self.exchange, self.requests, self.reporting, self.blocks,
                                 resources)
        self.flush_interval = <int64_t>(config.registration.contact_flush_s * 1000)
        self.set_wall_clock(now, wall)
        self.flush_at = state.now + self.flush_interval
        self.loader = Loader(state, self.changes, 2 * self.flush_interval)
        state.random(<uint8_t *>&self.exchange.next_mid, sizeof(self.exchange.next_mid))

    def __dealloc__(self):
        if self.requests is not None:   # these two know each other; let go without the collector
            self.requests.owner = None

    @property
    def outbox(self):
        """Datagrams that may leave at once."""
        return self.exchange.now

    @property
    def fault(self):
        """The last exception that became a 5.00, or None; may be set."""
        return self.receiver.fault

    @fault.setter
    def fault(self, value):
        self.receiver.fault = value

    def receive(self, Inbox inbox, double now):
        """Work off a batch of datagrams."""
        self.set_time(now)
        self.receiver.receive(inbox)

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

    def counters(self):
        """Everything counted, by name."""
        counted = {COUNTER_NAMES[i]: self.state.counts[i] for i in range(COUNT_TOTAL)}
        counted.update(self.receiver.rejected())
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
