# Handshakes: opened by a ClientHello, authenticated, or failed; see dtls_handshakes.pxd.

from lwm2m_fast.datagram cimport addr_text, lf_addr
from lwm2m_fast.net.dtls_identity cimport KEY_DIGEST
from lwm2m_fast.net.dtls_records cimport Shown
from lwm2m_fast.net.dtls_table cimport SESSION_HALF_OPEN, SESSION_NONE, SESSION_READY, Session
from lwm2m_fast.net.dtls_who cimport unpacked
from lwm2m_fast.net.lf_dtls cimport LF_DTLS_READY, LF_DTLS_WAITS
from libc.stdint cimport int64_t, uint8_t, uint32_t

from lwm2m_fast.net.dtls_base import SUITES

cdef enum:
    REFUSED_EVERY_MS = 1000

SUITE_NUMBERS = {name.encode(): number for number, name in enumerate(SUITES)}


cdef class DtlsHandshakes(DtlsIdle):
    def __cinit__(self, options, credentials, listener, wall_clock, int64_t now_ms, tuple seed):
        self.most_sessions = options.max_sessions
        self.most_handshakes = options.max_handshakes
        self.handshake_ms = <int64_t>(options.handshake_timeout_s * 1000)
        self.refused_at_ms = -REFUSED_EVERY_MS

    cdef uint32_t open(self, const lf_addr *address, uint32_t hello) noexcept:
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
        slot.hello = hello
        slot.since = self.changes
        slot.heard = self.tenths()
        if not self.begin(number):
            self.table.release(number)
            self.counts.refused_most += 1
            return <uint32_t>SESSION_NONE
        self.table.live += 1
        self.counts.started += 1
        self.schedule(number, self.now_ms + self.handshake_ms)
        return number

    cdef int advance(self, uint32_t number, int event, uint8_t *plain,
                      size_t *plain_size) noexcept:
        """What a datagram has done to a handshake."""
        cdef Session *slot = self.table.at(number)
        cdef int64_t due
        cdef bint is_in = False
        if event == LF_DTLS_READY:
            try:
                is_in = self._authenticate(number)
            except Exception as error:
                self.fault(error)
                if slot.state == SESSION_READY:
                    self.leave(number, True)
                elif slot.state == SESSION_HALF_OPEN:
                    self._fail(number, "a fault of the server")
            return self.read_more(number, plain, plain_size) if is_in else LF_DTLS_WAITS
        if event == LF_DTLS_WAITS:
            due = self.due(slot)
            self.schedule(number, self._deadline(slot) if due < 0
                          else min(due, self._deadline(slot)))
        else:
            self._fail(number, self.why(slot))
        return LF_DTLS_WAITS

    cdef bint _authenticate(self, uint32_t number) except -1:
        """The handshake is over: let the peer in, in the place of whoever it replaces."""
        cdef Session *slot = self.table.at(number)
        cdef Shown shown
        cdef bytes principal, who
        cdef uint32_t old
        self.shown(slot, &shown)
        if shown.note_size <= KEY_DIGEST:
            self._fail(number, "the peer has not shown who it is")
            return False
        if slot.since != self.changes and not self.is_still_let_in(slot.since, &shown):
            self.say_goodbye(slot)
            self._fail(number, "its credential was changed during the handshake")
            return False
        who = (<const char *>shown.note)[KEY_DIGEST:shown.note_size]
        subject, names = unpacked(shown.note + KEY_DIGEST, shown.note_size - KEY_DIGEST)
        principal = self.principal_of(shown.kind, subject)
        old = self.table.of_principal(<const uint8_t *><const char *>principal)
        if old == <uint32_t>SESSION_NONE and self.table.ready >= self.most_sessions:
            self.counts.refused_sessions += 1
            self.say_goodbye(slot)
            self._fail(number, "there are as many sessions as may be")
            return False
        self.note_who(slot, who)
        slot.kind = <uint8_t>shown.kind
        slot.suite = <uint8_t>SUITE_NUMBERS[<bytes>shown.suite]
        slot.since = <uint32_t>self.wall_clock()
        slot.heard = self.tenths()
        self._displace(number, old)
        if not self.table.promote(number, <const uint8_t *><const char *>principal,
                                  shown.uses_cid):
            raise MemoryError("no memory for another session")
        if old != <uint32_t>SESSION_NONE:
            self.forget(old)
            self.counts.replaced += 1
        self.counts.done += 1
        self.counts.resumed += shown.was_resumed
        self.schedule(number, self.now_ms + self.idle_ms)
        self.listener.opened(principal, shown.kind, subject, names)
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
        cdef Shown shown
        self.counts.failed += 1
        try:
            if self.now_ms >= self.refused_at_ms + REFUSED_EVERY_MS:
                self.refused_at_ms = self.now_ms
                self.shown(slot, &shown)
                identity = self.claimed_in(number, &shown)
                self.listener.refused(
                    addr_text(&slot.address), why,
                    None if identity is None else identity.decode(errors="replace"))
        except Exception as error:
            self.fault(error)
        self.forget(number)

    cdef void on_half_open_timer(self, uint32_t number) noexcept:
        cdef Session *slot = self.table.at(number)
        cdef uint8_t plain[1]
        cdef size_t plain_size = 0
        if self.now_ms >= self._deadline(slot):
            self.counts.timed_out += 1
            self._fail(number, "the handshake took too long")
            return
        self.advance(number, self.time_out(slot), plain, &plain_size)

    cdef int64_t _deadline(self, const Session *slot) noexcept nogil:
        return self.heard_ms(slot) + self.handshake_ms
