# The sessions of one endpoint; see dtls_sessions.pxd for what it knows.

from lwm2m_fast.datagram cimport lf_addr, lf_slot
from lwm2m_fast.net.dtls_counts cimport counted
from lwm2m_fast.net.dtls_table cimport (
    SESSION_FREE, SESSION_HALF_OPEN, SESSION_NONE, SESSION_READY, SESSION_USES_CID, Session)
from lwm2m_fast.net.lf_dtls cimport LF_DTLS_DATA, LF_DTLS_WAITS
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcmp

cdef enum:
    TIMERS_AT_ONCE = 256


cdef class DtlsSessions(DtlsHandshakes):
    """Sessions of one endpoint. `options` are DtlsOptions; `wall_clock` gives Unix seconds."""

    cdef int receive(self, uint32_t number, const lf_slot *wire, uint8_t *plain,
                     size_t *plain_size) noexcept:
        cdef Session *slot = self.table.at(number)
        cdef bint was_saved = slot.session == NULL
        cdef int is_newest = 0
        cdef int event
        if was_saved and not self.wake(number):
            return LF_DTLS_WAITS
        event = self.feed(slot, wire, plain, plain_size, &is_newest)
        if slot.state == SESSION_HALF_OPEN:
            return self.advance(number, event, plain, plain_size)
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
        return self.received(number, event)

    cdef void send(self, const uint8_t *principal, const uint8_t *plain, size_t size) noexcept:
        cdef uint32_t number = self.table.of_principal(principal)
        cdef Session *slot
        if number == <uint32_t>SESSION_NONE:
            self.counts.send_unknown += 1
            return
        slot = self.table.at(number)
        if slot.session == NULL and not self.wake(number):
            return
        if self.write(slot, plain, size):
            self.counts.records_out += 1
        else:
            self.counts.send_failed += 1

    cdef void handle_timer(self) noexcept:
        cdef uint32_t due[TIMERS_AT_ONCE]
        cdef uint32_t count = self.wheel.advance(self.now_ms, due, TIMERS_AT_ONCE)
        cdef uint32_t i
        self.most_live = max(self.most_live, self.table.live)
        for i in range(count):
            if self.table.at(due[i]).state == SESSION_HALF_OPEN:
                self.on_half_open_timer(due[i])
            elif self.table.at(due[i]).state == SESSION_READY:
                self.on_timer(due[i])
        self.give_back()

    def close(self):
        """End every session without telling the listener; peers of live ones are told."""
        cdef uint32_t number
        for number in range(self.table.high):
            if self.table.at(number).state != SESSION_FREE:
                if self.table.at(number).session != NULL:
                    self.say_goodbye(self.table.at(number))
                self.forget(number)

    def counted(self):
        """What happened to sessions, by name."""
        return {
            "dtls_sessions_current": self.table.ready,
            "dtls_sessions_live_current": self.table.live - self.table.half_open,
            "dtls_sessions_saved_current": self.table.ready + self.table.half_open - self.table.live,
            "dtls_handshakes_current": self.table.half_open,
            **counted(&self.counts),
            "dtls_table_bytes": self.table.bytes + self.wheel.bytes + self.cells.bytes,
        }
