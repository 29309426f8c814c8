# An authenticated session: saved when idle, woken, ended; see dtls_idle.pxd.

from lwm2m_fast.core.timers cimport TimerWheel
from lwm2m_fast.net.dtls_table cimport SESSION_LOADED, SESSION_READY, Session
from lwm2m_fast.net.lf_dtls cimport LF_DTLS_CLOSED, LF_DTLS_DATA, LF_DTLS_FAILED, LF_DTLS_WAITS
from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint32_t

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

cdef enum:
    TICK_MS = 50
    GIVE_BACK = 2048                    # sessions


cdef class DtlsIdle(DtlsIdentity):
    def __cinit__(self, options, credentials, listener, wall_clock, int64_t now_ms, tuple seed):
        self.listener, self.wall_clock = listener, wall_clock
        self.wheel = TimerWheel(TICK_MS)
        self.base_ms = now_ms
        self.idle_ms = <int64_t>(options.idle_save_s * 1000)
        self.timeout_ms = <int64_t>(options.session_timeout_s * 1000)

    # What a record has come to

    cdef int read_more(self, uint32_t number, uint8_t *plain, size_t *plain_size) noexcept:
        cdef Session *slot = self.table.at(number)
        if slot.state != SESSION_READY or slot.session == NULL:
            return LF_DTLS_WAITS
        return self.received(number, self.more(slot, plain, plain_size))

    cdef int received(self, uint32_t number, int event) noexcept:
        if event == LF_DTLS_DATA:
            self.counts.records_in += 1
            return event
        if event == LF_DTLS_CLOSED or event == LF_DTLS_FAILED:
            self.counts.closed += 1
            self.leave(number, False)
        return LF_DTLS_WAITS

    # Ending

    cdef void leave(self, uint32_t number, bint says_goodbye) noexcept:
        """An authenticated session is over, and the listener is told."""
        cdef Session *slot = self.table.at(number)
        cdef bytes principal = (<const char *>slot.principal)[:16]
        if says_goodbye and slot.session != NULL:
            self.say_goodbye(slot)
        self.forget(number)
        self.counts.ended += 1
        try:
            self.listener.ended(principal)
        except Exception as error:
            self.fault(error)

    cdef void forget(self, uint32_t number) noexcept:
        cdef Session *slot = self.table.at(number)
        if slot.session != NULL:
            self.table.live -= 1
        self.forget_claim(number)
        self.free_slot(slot)
        self.wheel.cancel(number)
        self.table.release(number)

    # Saving and waking

    cdef bint save(self, uint32_t number) noexcept:
        cdef Session *slot = self.table.at(number)
        if not self.pack(slot):
            if slot.session == NULL:    # no memory: its device begins anew
                self.table.live -= 1
                self.leave(number, False)
            return False
        self.table.live -= 1
        self.counts.saves += 1
        self.schedule(number, self.heard_ms(slot) + self.timeout_ms)
        return True

    cdef bint wake(self, uint32_t number) noexcept:
        cdef Session *slot = self.table.at(number)
        cdef bint is_loaded = slot.flags & SESSION_LOADED != 0
        slot.flags &= <uint8_t>~SESSION_LOADED
        if not self.unpack(number, is_loaded, self._since_ms(slot) if is_loaded else 0):
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
            self.fault(error)
            return INT64_MAX >> 16

    cdef void give_back(self) noexcept nogil:
        """Let the system have what many saved sessions have freed; a slice of milliseconds each.

        Not for a few, and not where as many are woken as saved: they need it again.
        """
        self.most_live = max(self.most_live, self.table.live)
        if self.most_live - self.table.live >= max(<uint32_t>GIVE_BACK, self.most_live // 8):
            self.most_live = self.table.live
            lf_give_back()

    # Time

    cdef uint32_t tenths(self) noexcept nogil:
        return <uint32_t>((self.now_ms - self.base_ms) // 100)

    cdef int64_t heard_ms(self, const Session *slot) noexcept nogil:
        return self.base_ms + <int64_t>slot.heard * 100

    cdef void schedule(self, uint32_t number, int64_t due_ms) noexcept:
        try:
            self.wheel.schedule(number, due_ms)
        except MemoryError as error:    # it stays until it is replaced or its peer closes it
            self.fault(error)

    cdef void on_timer(self, uint32_t number) noexcept:
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
