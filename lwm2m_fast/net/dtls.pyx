# The DTLS socket: which datagram is for which session, and when it is worked off.
#
# Knows addresses, record headers and turns; what a record or a handshake does to a session is
# net/dtls_sessions. A datagram costs a stranger's sender its cookie before it costs us memory.
#
# Records of authenticated sessions are read in receive(), straight from the socket's inbox into
# the engine's. Handshakes wait in a queue and are worked off in work(), so many milliseconds of them
# between two looks at the sockets: a flood of them slows handshakes, not records. Half of the queue
# is kept for handshakes under way: whoever was first goes on.

import os
import time

from lwm2m_fast.datagram cimport Inbox, Outbox, lf_out, lf_slot
from lwm2m_fast.net.dtls_keeping cimport anchor_of, describe, give_up, take_in
from lwm2m_fast.net.dtls_prefixes cimport PrefixBuckets
from lwm2m_fast.net.dtls_sessions cimport DtlsSessions
from lwm2m_fast.net.dtls_table cimport SESSION_HALF_OPEN, SESSION_NONE, Session
from lwm2m_fast.net.lf_dtls cimport LF_DTLS_DATA, LF_DTLS_MAX_PLAIN
from lwm2m_fast.net.udp cimport UdpEndpoint
from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from lwm2m_fast.net.dtls_base import (  # noqa: F401 - whoever wires this finds it all here
    PSK, SUITES, X509, Credentials, DtlsOptions, SessionListener, Where, principal_of)

cdef enum:
    MOST_QUEUED = 512                   # datagrams of handshakes; new ones up to half of it
    RECORD_HEADER = 13
    CHANGE_CIPHER_SPEC = 20             # content types
    HANDSHAKE = 22
    TLS12_CID = 25
    CLIENT_HELLO = 1
    RANDOM_AT = RECORD_HEADER + 12 + 2 + 4  # of the client's random, behind what may be the time

cdef struct DtlsCounts:
    uint64_t hellos, hello_verifies, malformed, refused_prefix, queue_full, restarted
    uint64_t unknown_cid, unknown_address, plain_dropped, epoch_dropped, unknown_door


cdef inline int64_t to_ms(double seconds) noexcept nogil:
    """The nearest: a timer asked for by next_timer() is due at that very moment."""
    return <int64_t>(seconds * 1000 + 0.5)


cdef inline bint is_hello(const lf_slot *wire) noexcept nogil:
    return (wire.size > RANDOM_AT + 4 and wire.data[0] == HANDSHAKE
            and wire.data[RECORD_HEADER] == CLIENT_HELLO and epoch_of(wire) == 0)


cdef inline int epoch_of(const lf_slot *wire) noexcept nogil:
    return wire.data[3] << 8 | wire.data[4]


cdef inline uint32_t hello_of(const lf_slot *wire) noexcept nogil:
    cdef uint32_t part
    memcpy(&part, wire.data + RANDOM_AT, sizeof(part))
    return part


cdef class DtlsEndpoint(UdpEndpoint):
    """A bound UDP socket that speaks DTLS 1.2; to Turns and Listeners an endpoint like any other.

    Datagrams come and go in plain text, from and to principals: an address whose 16 bytes are
    principal_of(), with port 0 and this endpoint's `local`. `clock` is time.monotonic() or a fake
    of it, `wall_clock` likewise. `chain`, `key` and `anchors` as in set_certificate().
    ConfigError: the address cannot be had, or an option or a certificate cannot be used.
    """

    cdef DtlsSessions sessions
    cdef PrefixBuckets prefixes
    cdef Inbox wire                     # as received; entries before `taken` are done with
    cdef int taken
    cdef bint has_more
    cdef Outbox arriving, handshaking   # the queue: what comes in, and what is being worked off
    cdef DtlsCounts counts
    cdef object clock
    cdef double budget_s
    cdef uint8_t *scratch
    cdef tuple doors                    # further sockets of the same sessions; None: there are none

    def __init__(self, str host, int port, *, int local=1, int receive_buffer_bytes,
                 int send_buffer_bytes, options=None, credentials, listener, bytes chain=None,
                 bytes key=None, bytes anchors=None, clock=time.monotonic, wall_clock=time.time):
        options = options or DtlsOptions()
        seed = (int.from_bytes(os.urandom(8)), int.from_bytes(os.urandom(8)))
        self.clock = clock
        self.sessions = DtlsSessions(
            options, credentials, listener, wall_clock, to_ms(clock()), seed)
        self.sessions.configure(chain, key, anchors)
        self.prefixes = PrefixBuckets(options.handshakes_per_prefix_s, seed)
        self.wire, self.arriving, self.handshaking = Inbox(), Outbox(), Outbox()
        self.budget_s = options.handshake_ms_per_wakeup / 1000
        self.scratch = <uint8_t *>malloc(LF_DTLS_MAX_PLAIN)
        if self.scratch == NULL:
            raise MemoryError
        self.is_timed = True
        UdpEndpoint.__init__(
            self, host, port, local=local, receive_buffer_bytes=receive_buffer_bytes,
            send_buffer_bytes=send_buffer_bytes, section="dtls")

    def __dealloc__(self):
        free(self.scratch)

    cdef double look_at_clock(self) except -1:
        cdef double now = self.clock()
        self.sessions.now_ms = to_ms(now)
        return now

    # Receiving

    def receive(self, Inbox inbox):
        """Fill `inbox` with plain text of authenticated peers; whether more may be waiting.

        Handshakes are queued, see work(). OSError as UdpEndpoint.receive().
        """
        return self.receive_by(self, inbox)

    cdef bint receive_by(self, UdpEndpoint door, Inbox inbox) except -1:
        """By this socket or by a further one; what another has left over comes first."""
        inbox.count = 0
        self.look_at_clock()
        if self.taken == self.wire.count:
            self.taken = 0
            self.wire.count = 0
            self.has_more = UdpEndpoint.receive(door, self.wire)
        while self.taken < self.wire.count and inbox.count < 64:
            self.sort(&self.wire.slots[self.taken], inbox)
            self.taken += 1
        self.flush_out()
        return self.has_more or self.taken < self.wire.count

    cdef void sort(self, const lf_slot *wire, Inbox inbox) noexcept:
        """Read a record of an authenticated session; queue or answer what belongs to handshakes."""
        cdef uint32_t number
        if wire.size < RECORD_HEADER:
            self.counts.malformed += 1
            return
        if is_hello(wire):
            self.greet(wire)
            return
        number = self.session_of(wire)
        if number == <uint32_t>SESSION_NONE:
            return
        if self.sessions.table.at(number).state == SESSION_HALF_OPEN:
            self.enqueue(wire, MOST_QUEUED)
        else:
            self.read(number, wire, inbox)

    cdef uint32_t session_of(self, const lf_slot *wire) noexcept:
        """Whose datagram it is; SESSION_NONE: nobody's, and counted.

        By connection id where there is one, wherever it comes from. Else by address: handshake
        records to the handshake under way, others to the authenticated session, which goes on
        until the new one is authenticated (RFC 6347, section 4.2.8).
        """
        cdef const uint8_t *cid = self.cid_in(wire)
        cdef uint32_t half_open, ready
        if cid != NULL:
            ready = self.sessions.cids.of(cid)
            self.counts.unknown_cid += ready == <uint32_t>SESSION_NONE
            return ready
        half_open = self.sessions.table.half_open_at(&wire.from_)
        ready = self.sessions.table.ready_at(&wire.from_)
        if ready == <uint32_t>SESSION_NONE or (half_open != <uint32_t>SESSION_NONE and (
                epoch_of(wire) == 0 or wire.data[0] == HANDSHAKE
                or wire.data[0] == CHANGE_CIPHER_SPEC)):
            self.counts.unknown_address += half_open == <uint32_t>SESSION_NONE
            return half_open
        # What is not encrypted comes from anybody: it wakes nobody.
        if epoch_of(wire) == 0 and self.sessions.table.at(ready).session == NULL:
            self.counts.epoch_dropped += 1
            return <uint32_t>SESSION_NONE
        return ready

    cdef const uint8_t *cid_in(self, const lf_slot *wire) noexcept nogil:
        """The connection id of the first record that has one: of a repeated flight, the last."""
        cdef const uint8_t *at = wire.data
        cdef const uint8_t *end = wire.data + wire.size
        cdef int cid_size = self.sessions.cids.size
        while cid_size > 0 and end - at >= RECORD_HEADER + cid_size:
            if at[0] == TLS12_CID:
                return at + 11
            if at[3] | at[4]:           # encrypted without an id: by address
                return NULL
            at += RECORD_HEADER + (at[11] << 8 | at[12])
        return NULL

    cdef void read(self, uint32_t number, const lf_slot *wire, Inbox inbox) noexcept:
        cdef Session *slot = self.sessions.table.at(number)
        cdef lf_slot *plain = &inbox.slots[inbox.count]
        cdef size_t size = 0
        cdef int event = self.sessions.receive(number, wire, plain.data, &size)
        while event == LF_DTLS_DATA:
            memcpy(plain.from_.ip, slot.principal, 16)
            plain.from_.port = 0
            plain.from_.local = self.local
            plain.from_.scope = 0
            plain.size = <uint32_t>size
            inbox.count += 1
            if inbox.count == 64:
                break
            plain = &inbox.slots[inbox.count]
            event = self.sessions.read_more(number, plain.data, &size)
        while event == LF_DTLS_DATA:    # no room for the rest of this datagram
            event = self.sessions.read_more(number, self.scratch, &size)
            self.counts.plain_dropped += event == LF_DTLS_DATA

    # Handshakes

    cdef void greet(self, const lf_slot *wire) noexcept:
        """A ClientHello: a cookie first; whoever returns it is queued."""
        cdef uint8_t answer[64]
        cdef uint8_t *room
        cdef uint32_t number
        cdef size_t size = self.sessions.hello(wire, answer)
        self.counts.hellos += 1
        if size == 0:
            self.counts.malformed += 1
            return
        if size > 1:
            self.counts.hello_verifies += 1
            room = self.sessions.out.reserve(size)
            if room != NULL:
                memcpy(room, answer, size)
                self.sessions.out.commit(&wire.from_, size)
            return
        number = self.sessions.table.half_open_at(&wire.from_)
        if number != <uint32_t>SESSION_NONE and self.sessions.table.at(number).hello == hello_of(wire):
            self.enqueue(wire, MOST_QUEUED)
        elif not self.prefixes.take(&wire.from_, self.sessions.now_ms):
            self.counts.refused_prefix += 1
        else:
            self.enqueue(wire, MOST_QUEUED // 2)

    cdef void enqueue(self, const lf_slot *wire, int most) noexcept:
        cdef uint8_t *room
        if self.queued >= most:
            self.counts.queue_full += 1
            return
        room = self.arriving.reserve(wire.size)
        if room == NULL:
            self.counts.queue_full += 1
            return
        memcpy(room, wire.data, wire.size)
        self.arriving.commit(&wire.from_, wire.size)
        self.queued += 1

    def work(self, Inbox inbox):
        """Go on with handshakes for handshake_ms_per_wakeup, at least one step of one.

        `inbox` gets plain text that came right behind a handshake.
        """
        cdef double began = self.look_at_clock()
        inbox.count = 0
        while self.queued and inbox.count < 64:
            self.work_one(inbox)
            if self.look_at_clock() - began >= self.budget_s:
                break
        self.flush_out()

    cdef void work_one(self, Inbox inbox) noexcept:
        cdef Outbox queue = self.handshaking
        cdef lf_out *entry
        cdef lf_slot wire
        if queue.first == queue.count:
            queue.reset()
            self.handshaking, self.arriving = self.arriving, queue
            queue = self.handshaking
        entry = &queue.entries[queue.first]
        wire.from_ = entry.to
        wire.size = entry.size
        wire.data = queue.arena + entry.offset
        queue.first += 1
        self.queued -= 1
        cdef uint32_t number = self.opened(&wire) if is_hello(&wire) else self.session_of(&wire)
        if number != <uint32_t>SESSION_NONE:
            self.read(number, &wire, inbox)

    cdef uint32_t opened(self, const lf_slot *wire) noexcept:
        """The session for a ClientHello whose cookie was valid: the one it has already, or new.

        Another ClientHello than the one under way comes from a client that has started anew.
        """
        cdef uint32_t number = self.sessions.table.half_open_at(&wire.from_)
        cdef uint32_t hello = hello_of(wire)
        if number != <uint32_t>SESSION_NONE:
            if self.sessions.table.at(number).hello == hello:
                return number
            self.counts.restarted += 1
            self.sessions.forget(number)
        else:
            number = self.sessions.table.ready_at(&wire.from_)
            if number != <uint32_t>SESSION_NONE and self.sessions.table.at(number).hello == hello:
                return <uint32_t>SESSION_NONE   # a late copy of the one that this session is of
        return self.sessions.open(&wire.from_, hello)

    # Sending

    cdef void send_entries(self, const uint8_t *arena, const lf_out *entries, int count) noexcept:
        cdef int i
        try:
            self.look_at_clock()
        except Exception as error:
            self.sessions.last_fault = error
        for i in range(count):
            self.sessions.send(entries[i].to.ip, arena + entries[i].offset, entries[i].size)
        self.flush_out()

    cdef void flush_out(self) noexcept:
        cdef Outbox out = self.sessions.out
        if out.count:
            if self.doors is None:
                UdpEndpoint.send_entries(self, out.arena, out.entries, out.count)
            else:
                self.flush_by_doors(out)
            out.reset()

    cdef void flush_by_doors(self, Outbox out) noexcept:
        """Each datagram by the socket that its peer came in by; those alike together, in order."""
        cdef int first = 0, behind
        cdef uint16_t local
        while first < out.count:
            local = out.entries[first].to.local
            behind = first + 1
            while behind < out.count and out.entries[behind].to.local == local:
                behind += 1
            self.send_by(local, out.arena, out.entries + first, behind - first)
            first = behind

    cdef void send_by(self, uint16_t local, const uint8_t *arena, const lf_out *entries,
                      int count) noexcept:
        cdef UdpEndpoint door
        if local == self.local:
            UdpEndpoint.send_entries(self, arena, entries, count)
            return
        for door in self.doors:
            if door.local == local:
                door.send_entries(arena, entries, count)
                return
        self.counts.unknown_door += count   # a session of before, whose port is closed now

    # Time

    def next_timer(self):
        """When handle_timer() must be called, by `clock`."""
        cdef int64_t due = self.sessions.wheel.next_due()
        return float("inf") if due == INT64_MAX else due / 1000.0

    def handle_timer(self, double now):
        """Repeat flights, save idle sessions, end those that are over; a bounded share at a time."""
        self.sessions.now_ms = to_ms(now)
        self.sessions.handle_timer()
        self.flush_out()

    # For the operator and for the bridge to the store

    def set_certificate(self, bytes chain, bytes key, bytes anchors):
        """Show this chain with this key, trust these anchors: DER or PEM, leaf first; None: none.

        For handshakes that begin from now on; sessions go on. ConfigError: nothing has changed.
        """
        self.sessions.configure(chain, key, anchors)

    def end(self, bytes principal):
        """Close and forget the session of `principal`; whether there was one.

        For when its credential has changed: handshakes under way are asked again at their end.
        """
        cdef uint32_t number = self.number_of(principal)
        self.sessions.changes += 1
        if number == <uint32_t>SESSION_NONE:
            return False
        self.look_at_clock()
        if self.sessions.table.at(number).session != NULL or self.sessions.wake(number):
            self.sessions.leave(number, True)
        self.flush_out()
        return True

    cdef uint32_t number_of(self, bytes principal) except? 0:
        if len(principal) != 16:
            raise ValueError(f"a principal is 16 bytes, not {len(principal)}")
        return self.sessions.table.of_principal(<const uint8_t *><const char *>principal)

    def where(self, bytes principal):
        """What is known of the session of `principal`, None: there is none. See Where."""
        cdef uint32_t number = self.number_of(principal)
        if number == <uint32_t>SESSION_NONE:
            return None
        return describe(self.sessions, number)

    def anchor(self, bytes principal):
        """What vouches for the certificate of `principal` (Credentials.anchor); empty: nothing
        does, it is not known, or there is no session."""
        cdef uint32_t number = self.number_of(principal)
        return b"" if number == <uint32_t>SESSION_NONE else anchor_of(self.sessions, number)

    def save(self):
        """Every session that can be brought back, as (principal, row), at a graceful stop.

        Each is gone from here once it is given out; receive nothing and send nothing afterwards.
        The rows hold keys in clear.
        """
        self.look_at_clock()
        for number in range(self.sessions.table.high):
            row = give_up(self.sessions, number)
            if row is not None:
                yield row

    def load(self, rows):
        """Take in what save() gave, before listening; how many sessions that were.

        The rows must be gone from the store by then, for good: what is loaded is used up. The
        listener hears of each by opened(). A row that is of no use is counted and passed over.
        """
        cdef int loaded = 0
        self.look_at_clock()
        for principal, value in rows:
            loaded += take_in(self.sessions, principal, value)
        self.sessions.table.settle()
        return loaded

    def counters(self):
        """What was received, sent and lost, by name; all begin with dtls_."""
        counted = {f"dtls_{name}": n for name, n in UdpEndpoint.counters(self).items()}
        counted.update(self.sessions.counted())
        counted.update(
            dtls_hellos=self.counts.hellos,
            dtls_hello_verifies=self.counts.hello_verifies,
            dtls_malformed=self.counts.malformed,
            dtls_handshakes_restarted=self.counts.restarted,
            dtls_handshakes_over_prefix_limit=self.counts.refused_prefix,
            dtls_handshake_queue_current=self.queued,
            dtls_handshake_queue_full=self.counts.queue_full,
            dtls_unknown_cid=self.counts.unknown_cid,
            dtls_unknown_address=self.counts.unknown_address,
            dtls_plaintext_records_dropped=self.counts.epoch_dropped,
            dtls_inbox_full=self.counts.plain_dropped,
            dtls_unknown_ports=self.counts.unknown_door,
        )
        return counted

    @property
    def fault(self):
        """The latest exception of the credentials or the listener, taken once; None: none."""
        error, self.sessions.last_fault = self.sessions.last_fault, None
        return error

    def close(self):
        """Say goodbye to the peers whose sessions are live, forget all, and close the socket."""
        self.look_at_clock()
        self.sessions.close()
        self.flush_out()
        UdpEndpoint.close(self)


cdef class DtlsDoor(UdpEndpoint):
    """A further socket of a DtlsEndpoint: another port to the same sessions.

    An endpoint of its own to Turns and Listeners, behind that one, for no datagram of the engine is
    addressed to it. `local` is a number that no other endpoint has. ConfigError as UdpEndpoint.
    """

    cdef DtlsEndpoint house

    def __init__(self, DtlsEndpoint house, str host, int port, *, int local,
                 int receive_buffer_bytes, int send_buffer_bytes):
        UdpEndpoint.__init__(
            self, host, port, local=local, receive_buffer_bytes=receive_buffer_bytes,
            send_buffer_bytes=send_buffer_bytes, section="dtls")
        self.house = house
        house.doors = (*(house.doors or ()), self)

    def receive(self, Inbox inbox):
        """As DtlsEndpoint.receive()."""
        cdef bint more = self.house.receive_by(self, inbox)
        self.queued = self.house.queued
        return more

    def work(self, Inbox inbox):
        """As DtlsEndpoint.work(): the queue is one."""
        self.house.work(inbox)
        self.queued = self.house.queued

    def counters(self):
        """Of the socket, by the names that the first one has."""
        return {f"dtls_{name}": n for name, n in UdpEndpoint.counters(self).items()}
