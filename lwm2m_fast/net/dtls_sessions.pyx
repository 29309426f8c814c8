# distutils: sources = csrc/lf_dtls.c csrc/lf_dtls_context.c csrc/lf_dtls_hello.c csrc/lf_dtls_resume.c csrc/lf_dtls_save.c csrc/lf_dtls_why.c
# The life of DTLS sessions; see dtls_sessions.pxd for what it knows.
#
# What happens per record makes no Python object and allocates nothing. Handshakes call the
# credentials and the listener; an exception of theirs ends that one handshake and is counted.
#
# Whom a session speaks for is noted in the session during the handshake (lf_dtls_set_note), so that
# a resumed one knows it too: 16 bytes that tell whether the key is still the same, then pack_who().

import os

cimport cython
from lwm2m_fast.core.timers cimport TimerWheel
from lwm2m_fast.datagram cimport Outbox, addr_text, lf_addr, lf_slot
from lwm2m_fast.net.cells cimport Cells
from lwm2m_fast.net.dtls_table cimport (
    CID_RANDOM, SESSION_FREE, SESSION_HALF_OPEN, SESSION_LOADED, SESSION_NONE, SESSION_READY, SESSION_USES_CID,
    Session, SessionTable)
from lwm2m_fast.net.dtls_who cimport packed_behind, unpacked
from lwm2m_fast.net.lf_dtls cimport *
from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from lwm2m_fast.errors import ConfigError
from lwm2m_fast.net.dtls_base import MOST_SESSIONS, PSK, SUITES
from lwm2m_fast.net.dtls_row import pack_who, unpack_who

cdef extern from * nogil:
    """
    #if defined(__GLIBC__)
    #include <malloc.h>
    #define lf_give_back() malloc_trim(0)
    #else
    #define lf_give_back() 0
    #endif
    """
    int lf_give_back()

cdef extern from "string.h" nogil:
    void explicit_bzero(void *data, size_t size)

cdef enum:
    KEY_DIGEST = 16
    FINGERPRINT = 32                    # SHA-256 of a certificate
    BADCERT_OTHER = 0x0100              # MBEDTLS_X509_BADCERT_OTHER
    TICK_MS = 50
    TIMERS_AT_ONCE = 256
    GIVE_BACK = 2048                    # sessions
    REFUSED_EVERY_MS = 1000
    CHANCE_BYTES = 1024

SUITE_NUMBERS = {name.encode(): number for number, name in enumerate(SUITES)}


@cython.no_gc_clear
cdef class DtlsSessions:
    """Sessions of one endpoint. `options` are DtlsOptions; `wall_clock` gives Unix seconds."""

    def __cinit__(self, options, credentials, listener, wall_clock, int64_t now_ms, tuple seed):
        cdef int cid_size = -1 if options.cid_length is None else options.cid_length
        self.options, self.credentials, self.listener = options, credentials, listener
        self.wall_clock = wall_clock
        self.cid_size = cid_size
        # The shard, the number, and what is left by chance; a number alone where there is no room.
        self.number_bytes = max(1, min(3, cid_size - 1))
        self.most_sessions = options.max_sessions
        self.most_handshakes = options.max_handshakes
        slots = min(options.max_sessions + options.max_handshakes, MOST_SESSIONS)
        if cid_size > 0:
            slots = min(slots, 1 << (8 * self.number_bytes))
        self.table = SessionTable(slots, seed)
        self.wheel = TimerWheel(TICK_MS)
        self.out = Outbox()
        self.cells = Cells()
        self.now_ms = self.base_ms = now_ms
        self.handshake_ms = <int64_t>(options.handshake_timeout_s * 1000)
        self.idle_ms = <int64_t>(options.idle_save_s * 1000)
        self.timeout_ms = <int64_t>(options.session_timeout_s * 1000)
        self.refused_at_ms = -REFUSED_EVERY_MS
        self.secret = os.urandom(32)
        self.chance = b""
        self.shard = options.shard
        self.claimed_by = <uint32_t>SESSION_NONE
        self.hooks.owner = <void *>self
        self.hooks.psk = on_psk
        self.hooks.verify = on_verify
        self.hooks.resume = on_resume
        self.hooks.send = on_send

    def __dealloc__(self):
        cdef uint32_t number
        if self.table is not None:
            for number in range(self.table.high):
                self._free_session(self.table.at(number))
        if self.context != NULL:
            lf_dtls_context_release(self.context)

    cdef int configure(self, bytes chain, bytes key, bytes anchors) except -1:
        cdef lf_dtls_options options
        cdef lf_dtls_context *context
        cdef char why[256]
        memset(&options, 0, sizeof(options))
        memset(why, 0, sizeof(why))
        for name in self.options.suites:
            options.suites |= <uint32_t>SUITES[name]
        options.cid_size = self.cid_size
        options.retransmit_first_ms = <uint32_t>(self.options.retransmit_first_s * 1000)
        options.retransmit_most_ms = <uint32_t>(self.options.retransmit_most_s * 1000)
        options.mtu = self.options.mtu
        options.resumptions = self.options.resumptions
        options.resumption_s = self.options.resumption_s
        set_bytes(chain, &options.chain, &options.chain_size)
        set_bytes(key, &options.key, &options.key_size)
        set_bytes(anchors, &options.anchors, &options.anchors_size)
        context = lf_dtls_context_new(&options, &self.hooks, why, sizeof(why))
        if context == NULL:
            raise ConfigError(f"dtls: {why.decode(errors='replace')}")
        if self.context != NULL:
            lf_dtls_context_release(self.context)
        self.context = context
        self.changes += 1
        if anchors != self.anchors:
            self.anchors = anchors
            self.trusted_since = self.changes
        return 0

    # Opening

    cdef size_t hello(self, const lf_slot *wire, uint8_t *answer) noexcept:
        return lf_dtls_hello(self.context, <const uint8_t *>&wire.from_, sizeof(lf_addr),
                             wire.data, wire.size, self.now_ms, answer)

    cdef uint32_t open(self, const lf_addr *address, uint32_t hello) noexcept:
        cdef uint8_t cid[LF_DTLS_MAX_CID]
        cdef uint32_t number
        cdef Session *slot
        if self.table.half_open >= self.most_handshakes:
            self.counts.refused_most += 1
            return <uint32_t>SESSION_NONE
        number = self.table.take(address)
        if number == <uint32_t>SESSION_NONE:
            self.counts.refused_most += 1
            return number
        slot = self.table.at(number)
        self._make_cid(number, cid)
        slot.hello = hello
        slot.since = self.changes
        slot.heard = self.tenths()
        slot.session = lf_dtls_open(self.context, <void *><size_t>number, cid, self.now_ms)
        if slot.session == NULL:
            self.table.release(number)
            self.counts.refused_most += 1
            return <uint32_t>SESSION_NONE
        self.table.live += 1
        self.counts.started += 1
        self.schedule(number, self.now_ms + self.handshake_ms)
        return number

    cdef void _make_cid(self, uint32_t number, uint8_t *cid) noexcept:
        cdef Session *slot = self.table.at(number)
        if self.chance_used + CID_RANDOM > <size_t>len(self.chance):
            self.chance, self.chance_used = os.urandom(CHANCE_BYTES), 0
        memcpy(slot.cid_random, <const char *>self.chance + self.chance_used, CID_RANDOM)
        self.chance_used += CID_RANDOM
        self._write_cid(number, cid)

    cdef void _write_cid(self, uint32_t number, uint8_t *cid) noexcept nogil:
        """Shard, number, chance; beyond what is kept of the chance, zeros."""
        cdef Session *slot = self.table.at(number)
        cdef int at = 0, i
        if self.cid_size <= 0:
            return
        memset(cid, 0, self.cid_size)
        if self.cid_size > 1:
            cid[0] = self.shard
            at = 1
        for i in range(self.number_bytes):
            cid[at + i] = <uint8_t>(number >> (8 * (self.number_bytes - 1 - i)))
        at += self.number_bytes
        memcpy(cid + at, slot.cid_random, min(CID_RANDOM, self.cid_size - at))

    cdef uint32_t of_cid(self, const uint8_t *cid) noexcept nogil:
        cdef int at = 1 if self.cid_size > 1 else 0
        cdef int i
        cdef uint32_t number = 0
        for i in range(self.number_bytes):
            number = number << 8 | cid[at + i]
        at += self.number_bytes
        if (number >= self.table.high or self.table.at(number).state == SESSION_FREE
                or (at == 1 + self.number_bytes and cid[0] != self.shard)
                or memcmp(cid + at, self.table.at(number).cid_random,
                          min(CID_RANDOM, self.cid_size - at)) != 0):
            return <uint32_t>SESSION_NONE
        return number

    # Records

    cdef int receive(self, uint32_t number, const lf_slot *wire, uint8_t *plain,
                     size_t *plain_size) noexcept:
        cdef Session *slot = self.table.at(number)
        cdef bint was_saved = slot.session == NULL
        cdef int is_newest = 0
        cdef int event
        if was_saved and not self.wake(number):
            return LF_DTLS_WAITS
        event = lf_dtls_receive(slot.session, wire.data, wire.size, self.now_ms, plain, plain_size,
                                &is_newest)
        if slot.state == SESSION_HALF_OPEN:
            return self._advance(number, event, plain, plain_size)
        if event == LF_DTLS_DATA or is_newest:
            slot.heard = self.tenths()
            # RFC 9146, section 6: by a newer authentic record, and never without a connection id.
            if (is_newest and slot.flags & SESSION_USES_CID
                    and memcmp(&slot.address, &wire.from_, sizeof(lf_addr)) != 0):
                slot.address = wire.from_
                self.counts.moved += 1
        elif event == LF_DTLS_WAITS:
            self.counts.records_dropped += 1
            if was_saved:               # nothing of it was authentic: it shall not cost memory
                self.save(number)
        return self._received(number, event)

    cdef int _received(self, uint32_t number, int event) noexcept:
        if event == LF_DTLS_DATA:
            self.counts.records_in += 1
            return event
        if event == LF_DTLS_CLOSED or event == LF_DTLS_FAILED:
            self.counts.closed += 1
            self.leave(number, False)
        return LF_DTLS_WAITS

    cdef int read_more(self, uint32_t number, uint8_t *plain, size_t *plain_size) noexcept:
        cdef Session *slot = self.table.at(number)
        if slot.state != SESSION_READY or slot.session == NULL:
            return LF_DTLS_WAITS
        return self._received(number, lf_dtls_read_more(slot.session, plain, plain_size))

    cdef void send(self, const uint8_t *principal, const uint8_t *plain, size_t size) noexcept:
        cdef uint32_t number = self.table.of_principal(principal)
        cdef Session *slot
        cdef uint8_t *room
        cdef size_t written
        if number == <uint32_t>SESSION_NONE:
            self.counts.send_unknown += 1
            return
        slot = self.table.at(number)
        if slot.session == NULL and not self.wake(number):
            return
        room = self.out.reserve(size + LF_DTLS_OVERHEAD)
        written = lf_dtls_write(slot.session, plain, size, room) if room != NULL else 0
        if written == 0:
            self.counts.send_failed += 1
            return
        self.out.commit(&slot.address, written)
        self.counts.records_out += 1

    # Handshakes

    cdef int _advance(self, uint32_t number, int event, uint8_t *plain,
                      size_t *plain_size) noexcept:
        """What a datagram has done to a handshake."""
        cdef Session *slot = self.table.at(number)
        cdef int64_t due
        cdef bint is_in = False
        if event == LF_DTLS_READY:
            try:
                is_in = self._authenticate(number)
            except Exception as error:
                self._fault(error)
                if slot.state == SESSION_READY:
                    self.leave(number, True)
                elif slot.state == SESSION_HALF_OPEN:
                    self._fail(number, "a fault of the server")
            return self.read_more(number, plain, plain_size) if is_in else LF_DTLS_WAITS
        if event == LF_DTLS_WAITS:
            due = lf_dtls_due(slot.session)
            self.schedule(number, self._deadline(slot) if due < 0
                          else min(due, self._deadline(slot)))
        else:
            self._fail(number, lf_dtls_why(slot.session).decode(errors="replace"))
        return LF_DTLS_WAITS

    cdef bint _authenticate(self, uint32_t number) except -1:
        """The handshake is over: let the peer in, in the place of whoever it replaces."""
        cdef Session *slot = self.table.at(number)
        cdef size_t size = 0
        cdef const uint8_t *note = lf_dtls_note(slot.session, &size)
        cdef bytes who = (<const char *>note)[KEY_DIGEST:size] if size > KEY_DIGEST else b""
        cdef int kind = lf_dtls_kind(slot.session)
        cdef bytes principal
        cdef uint32_t old
        cdef bint was_resumed = lf_dtls_was_resumed(slot.session)
        if not who:
            self._fail(number, "the peer has not shown who it is")
            return False
        if slot.since != self.changes and not self._is_still_let_in(slot, kind):
            self._say_goodbye(slot)
            self._fail(number, "its credential was changed during the handshake")
            return False
        subject, names = unpacked(note + KEY_DIGEST, size - KEY_DIGEST)
        principal = self._principal(kind, subject)
        old = self.table.of_principal(<const uint8_t *><const char *>principal)
        if old == <uint32_t>SESSION_NONE and self.table.ready >= self.most_sessions:
            self.counts.refused_sessions += 1
            self._say_goodbye(slot)
            self._fail(number, "there are as many sessions as may be")
            return False
        self.note_who(slot, who)
        slot.kind = <uint8_t>kind
        slot.suite = <uint8_t>SUITE_NUMBERS[<bytes>lf_dtls_suite(slot.session)]
        slot.since = <uint32_t>self.wall_clock()
        slot.heard = self.tenths()
        self._displace(number, old)
        if not self.table.promote(number, <const uint8_t *><const char *>principal,
                                  lf_dtls_uses_cid(slot.session)):
            raise MemoryError("no memory for another session")
        if old != <uint32_t>SESSION_NONE:
            self.forget(old)
            self.counts.replaced += 1
        self.counts.done += 1
        self.counts.resumed += was_resumed
        self.schedule(number, self.now_ms + self.idle_ms)
        self.listener.opened(principal, kind, subject, names)
        if old != <uint32_t>SESSION_NONE:
            self.listener.replaced(principal)
        return slot.state == SESSION_READY

    cdef int _displace(self, uint32_t number, uint32_t old) except -1:
        """Another peer's session on the same 5-tuple is over (RFC 6347, section 4.2.8)."""
        cdef uint32_t there = self.table.ready_at(&self.table.at(number).address)
        if there != <uint32_t>SESSION_NONE and there != old:
            self.counts.displaced += 1
            self.leave(there, False)
        return 0

    cdef void _fail(self, uint32_t number, str why) noexcept:
        """A handshake is over; nothing of it is left."""
        cdef Session *slot = self.table.at(number)
        cdef size_t size = 0
        cdef const uint8_t *note = lf_dtls_note(slot.session, &size)
        self.counts.failed += 1
        try:
            if self.now_ms >= self.refused_at_ms + REFUSED_EVERY_MS:
                self.refused_at_ms = self.now_ms
                identity = None
                if size > KEY_DIGEST:
                    identity = unpack_who((<const char *>note)[KEY_DIGEST:size])[0]
                elif self.claimed_by == number:
                    identity = self.claimed
                self.listener.refused(
                    addr_text(&slot.address), why,
                    None if identity is None else identity.decode(errors="replace"))
        except Exception as error:
            self._fault(error)
        self.forget(number)

    # Ending

    cdef void leave(self, uint32_t number, bint says_goodbye) noexcept:
        """An authenticated session is over, and the listener is told."""
        cdef Session *slot = self.table.at(number)
        cdef bytes principal = (<const char *>slot.principal)[:16]
        if says_goodbye and slot.session != NULL:
            self._say_goodbye(slot)
        self.forget(number)
        self.counts.ended += 1
        try:
            self.listener.ended(principal)
        except Exception as error:
            self._fault(error)

    cdef void _say_goodbye(self, Session *slot) noexcept:
        cdef uint8_t *room = self.out.reserve(LF_DTLS_OVERHEAD)
        cdef size_t written
        if room != NULL:
            written = lf_dtls_close(slot.session, room)
            if written:
                self.out.commit(&slot.address, written)

    cdef void forget(self, uint32_t number) noexcept:
        cdef Session *slot = self.table.at(number)
        if slot.session != NULL:
            self.table.live -= 1
        if self.claimed_by == number:
            self.claimed_by = <uint32_t>SESSION_NONE
            self.claimed = None
        self._free_session(slot)
        self.wheel.cancel(number)
        self.table.release(number)

    # Idle

    cdef bint save(self, uint32_t number) noexcept:
        """Give the session's buffers back. False: it cannot be saved now and lives on."""
        cdef Session *slot = self.table.at(number)
        cdef uint8_t blob[LF_DTLS_MAX_BLOB]
        cdef size_t size = lf_dtls_save(slot.session, blob, LF_DTLS_MAX_BLOB)
        if size == 0:
            return False
        slot.session = NULL
        self.table.live -= 1
        slot.blob = self.cells.take(size)
        slot.blob_size = <uint16_t>size
        if slot.blob != NULL:
            memcpy(slot.blob, blob, size)
        explicit_bzero(blob, size)
        if slot.blob == NULL:           # no memory: its device begins anew
            self.leave(number, False)
            return False
        self.counts.saves += 1
        self.schedule(number, self.heard_ms(slot) + self.timeout_ms)
        return True

    cdef int note_who(self, Session *slot, bytes who) except -1:
        cdef uint16_t size = <uint16_t>len(who)
        slot.who = self.cells.take(2 + len(who))
        if slot.who == NULL:
            raise MemoryError(f"no memory for {len(who)} bytes of names")
        memcpy(slot.who, &size, 2)
        memcpy(slot.who + 2, <const char *>who, size)
        return 0

    cdef void _free_blob(self, Session *slot) noexcept nogil:
        self.cells.give(slot.blob, slot.blob_size)
        slot.blob = NULL

    cdef void _free_session(self, Session *slot) noexcept nogil:
        cdef uint16_t size = 0
        lf_dtls_free(slot.session)      # NULL: nothing
        slot.session = NULL
        self._free_blob(slot)
        if slot.who != NULL:
            memcpy(&size, slot.who, 2)
            self.cells.give(slot.who, 2 + size)
        slot.who = NULL

    cdef bint wake(self, uint32_t number) noexcept:
        """Make a saved session live. False: its bytes are of no use, and it has ended."""
        cdef Session *slot = self.table.at(number)
        cdef uint64_t least = 0
        if slot.flags & SESSION_LOADED:
            # Whoever has a copy of the store cannot make us use a sequence number twice.
            least = lf_dtls_sequence_wall(self._since_ms(slot))
            slot.flags &= <uint8_t>~SESSION_LOADED
        slot.session = lf_dtls_load(self.context, <void *><size_t>number, slot.blob, slot.blob_size,
                                    least, self.now_ms)
        self._free_blob(slot)
        if slot.session == NULL:
            self.counts.wakes_failed += 1
            self.leave(number, False)
            return False
        self.table.live += 1
        self.counts.wakes += 1
        self.schedule(number, self.now_ms + self.idle_ms)
        return True

    cdef int64_t _since_ms(self, const Session *slot) noexcept:
        try:
            return <int64_t>(self.wall_clock() * 1000) - <int64_t>slot.since * 1000
        except Exception as error:
            self._fault(error)
            return INT64_MAX >> 16

    # Time

    cdef uint32_t tenths(self) noexcept nogil:
        return <uint32_t>((self.now_ms - self.base_ms) // 100)

    cdef int64_t heard_ms(self, const Session *slot) noexcept nogil:
        return self.base_ms + <int64_t>slot.heard * 100

    cdef int64_t _deadline(self, const Session *slot) noexcept nogil:
        return self.heard_ms(slot) + self.handshake_ms

    cdef void schedule(self, uint32_t number, int64_t due_ms) noexcept:
        try:
            self.wheel.schedule(number, due_ms)
        except MemoryError as error:    # it stays until it is replaced or its peer closes it
            self._fault(error)

    cdef void _give_back(self) noexcept nogil:
        """Let the system have what many saved sessions have freed; a slice of milliseconds each.

        Not for a few, and not where as many are woken as saved: they need it again.
        """
        self.most_live = max(self.most_live, self.table.live)
        if self.most_live - self.table.live >= max(<uint32_t>GIVE_BACK, self.most_live // 8):
            self.most_live = self.table.live
            lf_give_back()

    cdef void handle_timer(self) noexcept:
        cdef uint32_t due[TIMERS_AT_ONCE]
        cdef uint32_t count = self.wheel.advance(self.now_ms, due, TIMERS_AT_ONCE)
        cdef uint32_t i
        self.most_live = max(self.most_live, self.table.live)
        for i in range(count):
            if self.table.at(due[i]).state == SESSION_HALF_OPEN:
                self._on_half_open_timer(due[i])
            elif self.table.at(due[i]).state == SESSION_READY:
                self._on_timer(due[i])
        self._give_back()

    cdef void _on_half_open_timer(self, uint32_t number) noexcept:
        cdef Session *slot = self.table.at(number)
        cdef uint8_t plain[1]
        cdef size_t plain_size = 0
        if self.now_ms >= self._deadline(slot):
            self.counts.timed_out += 1
            self._fail(number, "the handshake took too long")
            return
        self._advance(number, lf_dtls_handle_timeout(slot.session, self.now_ms), plain, &plain_size)

    cdef void _on_timer(self, uint32_t number) noexcept:
        cdef Session *slot = self.table.at(number)
        cdef int64_t heard = self.heard_ms(slot)
        if self.now_ms >= heard + self.timeout_ms:
            self.counts.expired += 1
            self.leave(number, True)
        elif slot.session == NULL:
            self.schedule(number, heard + self.timeout_ms)
        elif self.now_ms < heard + self.idle_ms:
            self.schedule(number, heard + self.idle_ms)
        # A suite that cannot be saved; or the last flight may be asked for again.
        elif not self.save(number) and slot.state == SESSION_READY:
            self.schedule(number, min(self.now_ms + self.idle_ms, heard + self.timeout_ms))

    cdef void _fault(self, object error) noexcept:
        self.counts.faults += 1
        self.last_fault = error

    # All of them

    def close(self):
        """End every session without telling the listener; peers of live ones are told."""
        cdef uint32_t number
        for number in range(self.table.high):
            if self.table.at(number).state != SESSION_FREE:
                if self.table.at(number).session != NULL:
                    self._say_goodbye(self.table.at(number))
                self.forget(number)

    def counted(self):
        """What happened to sessions, by name."""
        cdef const SessionCounts *counts = &self.counts
        return {
            "dtls_sessions_current": self.table.ready,
            "dtls_sessions_live_current": self.table.live - self.table.half_open,
            "dtls_sessions_saved_current": self.table.ready + self.table.half_open - self.table.live,
            "dtls_handshakes_current": self.table.half_open,
            "dtls_handshakes_begun": counts.started,
            "dtls_handshakes_done": counts.done,
            "dtls_handshakes_resumed": counts.resumed,
            "dtls_handshakes_failed": counts.failed,
            "dtls_handshakes_timed_out": counts.timed_out,
            "dtls_handshakes_over_limit": counts.refused_most,
            "dtls_sessions_over_limit": counts.refused_sessions,
            "dtls_sessions_replaced": counts.replaced,
            "dtls_sessions_displaced": counts.displaced,
            "dtls_sessions_closed": counts.closed,
            "dtls_sessions_expired": counts.expired,
            "dtls_sessions_ended": counts.ended,
            "dtls_sessions_not_loaded": counts.not_loaded,
            "dtls_addresses_moved": counts.moved,
            "dtls_saves": counts.saves,
            "dtls_wakes": counts.wakes,
            "dtls_wakes_failed": counts.wakes_failed,
            "dtls_records_received": counts.records_in,
            "dtls_records_dropped": counts.records_dropped,
            "dtls_records_sent": counts.records_out,
            "dtls_send_without_session": counts.send_unknown,
            "dtls_send_failed": counts.send_failed,
            "dtls_faults": counts.faults,
            "dtls_table_bytes": self.table.bytes + self.wheel.bytes + self.cells.bytes,
        }

    # Credentials, asked by the hooks below

    cdef bytes _key_digest(self, bytes key):
        """Tells whether a key has changed, and nothing else: it is keyed by a secret of the process."""
        return self._digest(self.secret, key)

    cdef bytes _principal(self, int kind, bytes subject):
        """As dtls_base.principal_of() has it."""
        return self._digest(bytes((kind,)), subject)

    cdef bytes _digest(self, bytes head, bytes data):
        cdef uint8_t digest[KEY_DIGEST]
        if not lf_dtls_digest(head, len(head), data, len(data), digest, KEY_DIGEST):
            raise RuntimeError("SHA-256 has failed")
        return (<const char *>digest)[:KEY_DIGEST]

    cdef size_t _find_psk(self, lf_dtls_session *session, bytes identity, uint8_t *key) except? 0:
        self.claimed, self.claimed_by = identity, number_of(session)
        found = self.credentials.psk(identity)
        if found is None:
            return 0
        secret, names = found
        note = packed_behind(self._key_digest(secret), identity, tuple(names))
        if not 0 < len(secret) <= LF_DTLS_MAX_KEY or not lf_dtls_set_note(session, note, len(note)):
            raise ValueError("the key or the names of an identity are too long")
        memcpy(key, <const char *>secret, len(secret))
        return len(secret)

    cdef uint32_t _judge(self, lf_dtls_session *session, bytes leaf, uint32_t flags) except? 1:
        counted, subject, names = self.credentials.certificate(leaf, flags)
        if counted:
            return counted
        note = bytes(KEY_DIGEST) + pack_who(subject, tuple(names), self.credentials.anchor())
        return 0 if subject and lf_dtls_set_note(session, note, len(note)) else BADCERT_OTHER

    cdef bint _may_resume(self, lf_dtls_session *session, int kind, bytes digest) except? True:
        """`digest` is the SHA-256 of the certificate where it was one."""
        cdef size_t size = 0
        cdef const uint8_t *data = lf_dtls_note(session, &size)
        cdef bytes note = (<const char *>data)[:size] if size > KEY_DIGEST else b""
        if not note:
            return False
        subject, names = unpack_who(note[KEY_DIGEST:])
        if kind != PSK:
            return self.credentials.is_current_certificate(digest, subject, names)
        found = self.credentials.psk(subject)
        return (found is not None and tuple(found[1]) == names
                and self._key_digest(found[0]) == note[:KEY_DIGEST])

    cdef bint _is_still_let_in(self, const Session *slot, int kind) except? True:
        """At the end of a handshake during which a credential, any, has changed.

        end() finds authenticated sessions only; a key that was fetched before opens none behind it.
        A chain was checked against the anchors with which its handshake began: nobody can say of
        the leaf alone whether those of now would let it in.
        """
        cdef lf_dtls_session *session = slot.session
        cdef size_t size = 0
        cdef const uint8_t *note = lf_dtls_note(session, &size)
        cdef bytes digest
        cdef uint32_t trusted_for = self.changes - self.trusted_since
        if kind != PSK and <uint32_t>(self.changes - slot.since) > trusted_for:
            return False
        if kind != PSK:
            return self._may_resume(
                session, kind, (<const char *>lf_dtls_fingerprint(session))[:FINGERPRINT])
        subject, names = unpacked(note + KEY_DIGEST, size - KEY_DIGEST)
        found = self.credentials.psk(subject)
        if found is None or tuple(found[1]) != names:
            return False
        digest = self._key_digest(found[0])
        return lf_dtls_same(digest, note, KEY_DIGEST)


cdef inline uint32_t number_of(lf_dtls_session *session) noexcept nogil:
    return <uint32_t><size_t>lf_dtls_user(session)


cdef int set_bytes(bytes given, const uint8_t **data, size_t *size) except -1:
    """PEM is handed over with the zero byte behind it."""
    if given is not None:
        data[0] = <const uint8_t *><const char *>given
        size[0] = len(given) + (1 if b"-----BEGIN" in given else 0)
    return 0


cdef size_t on_psk(void *owner, lf_dtls_session *session, const uint8_t *identity, size_t size,
                   uint8_t *key) noexcept with gil:
    cdef DtlsSessions self = <DtlsSessions>owner
    try:
        return self._find_psk(session, (<const char *>identity)[:size], key)
    except Exception as error:
        self._fault(error)
        return 0


cdef uint32_t on_verify(void *owner, lf_dtls_session *session, const uint8_t *leaf, size_t size,
                        uint32_t flags) noexcept with gil:
    cdef DtlsSessions self = <DtlsSessions>owner
    try:
        return self._judge(session, (<const char *>leaf)[:size], flags)
    except Exception as error:
        self._fault(error)
        return flags | BADCERT_OTHER


cdef int on_resume(void *owner, lf_dtls_session *session, int kind, const uint8_t *identity,
                   size_t size) noexcept with gil:
    cdef DtlsSessions self = <DtlsSessions>owner
    try:
        return self._may_resume(session, kind, (<const char *>identity)[:size])
    except Exception as error:
        self._fault(error)
        return 0


cdef void on_send(void *owner, lf_dtls_session *session, const uint8_t *datagram,
                  size_t size) noexcept with gil:
    cdef DtlsSessions self = <DtlsSessions>owner
    cdef uint8_t *room = self.out.reserve(size)
    if room != NULL:                    # else it is lost, as on any network
        memcpy(room, datagram, size)
        self.out.commit(&self.table.at(number_of(session)).address, size)
