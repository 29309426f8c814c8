# Devices that are not like all others.
#
# The bridge between the compiled fleet and sim/desk.py, which attends to writes, observations,
# misbehaviour and the like. Decides which request crosses it, and knows none of what happens there.

from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint16_t, uint32_t

from lwm2m_fast.cursor cimport Writer
from lwm2m_fast.sim.catalogue cimport NO_ID, path_key
from lwm2m_fast.sim.departures cimport room
from lwm2m_fast.sim.device cimport (FLAG_BLANK, FLAG_OBSERVED, FLAG_TOUCHED, REQUEST_NONE,
                                    STATE_REGISTERED, Device)
from lwm2m_fast.sim.exchanges cimport NANOSECONDS, Exchanges
from lwm2m_fast.wire.coap cimport HAS_OBSERVE, Message

cdef enum:
    CODE_GET = 1


cdef class Attended(Exchanges):
    """Exchanges, of which a Python object does the rare part."""

    def __cinit__(self):
        self.desk_at = INT64_MAX

    # What arrives.

    cdef void receive(self, uint32_t key, const uint8_t *data, size_t size,
                      int64_t now) noexcept nogil:
        if self.sleep_ns:
            if self.is_asleep(key, now):
                self.slept_through += 1
                return
            self.devices[key].active_at = now
        Exchanges.receive(self, key, data, size, now)

    cdef bint is_asleep(self, uint32_t key, int64_t now) noexcept nogil:
        """Not while it waits for an answer of its own."""
        cdef Device *device = &self.devices[key]
        return device.request == REQUEST_NONE and now - device.active_at > self.sleep_ns

    cdef void asked(self, uint32_t key, const Message *m, const uint8_t *data, size_t size,
                    int64_t now) noexcept nogil:
        if not self.has_desk or not (self.asks_always or m.code != CODE_GET
                                     or m.options & HAS_OBSERVE
                                     or self.devices[key].flags & FLAG_TOUCHED):
            Exchanges.asked(self, key, m, data, size, now)
            return
        with gil:
            try:
                self.desk.receive(key, (<const char *>data)[:size], now)
            except BaseException as error:
                self.note_fault(error)

    cdef bint took_empty(self, uint32_t key, const Message *m, int64_t now) noexcept nogil:
        if not self.has_desk:
            return False
        with gil:
            try:
                return self.desk.take_empty(key, m.type, m.mid, now)
            except BaseException as error:
                self.note_fault(error)
        return False

    # What time does.

    cdef void begin_turn(self, int64_t now) noexcept nogil:
        if now < self.desk_at:
            return
        with gil:
            try:
                self.desk.handle_timers(now)
            except BaseException as error:
                self.note_fault(error)

    # What the registration life tells the desk, and asks it.

    cdef void came_in(self, uint32_t key) noexcept nogil:
        """A Register succeeded: what was observed before is not any more (OMA TS Core, 6.4)."""
        if self.devices[key].flags & FLAG_OBSERVED:
            with gil:
                try:
                    self.desk.registered(key)
                except BaseException as error:
                    self.note_fault(error)

    cdef void write_own_links(self, uint32_t key, Writer *w, int last) noexcept nogil:
        with gil:
            try:
                links = <bytes>self.desk.links(key)
                self.write_links(key, w, last, <const uint8_t *><const char *>links, len(links))
            except BaseException as error:
                self.note_fault(error)

    cdef uint32_t own_lifetime_s(self, uint32_t key) noexcept nogil:
        with gil:
            try:
                return self.desk.lifetime_s(key)
            except BaseException as error:
                self.note_fault(error)
        return 0

    cdef void registers_anew(self, uint32_t key, int64_t now) noexcept nogil:
        pass

    cdef void write_links(self, uint32_t key, Writer *w, int last, const uint8_t *data,
                          uint32_t size) noexcept nogil:
        pass

    # The Python edge: what a desk needs of its fleet.

    def attend(self, desk, *, bint always=False):
        """From here on `desk` answers what the catalogue cannot, or everything with `always`."""
        self.desk, self.has_desk, self.asks_always = desk, True, always

    def sleep_after(self, double seconds):
        """Devices are deaf so long after the last datagram they sent or heard; 0 = never."""
        self.sleep_ns = <int64_t>(seconds * NANOSECONDS)

    def wake_desk_at(self, now_ns):
        """When to call `desk.handle_timers`; None = not by time."""
        self.desk_at = INT64_MAX if now_ns is None else now_ns

    def emit(self, uint32_t device, bytes datagram not None, int64_t now_ns):
        """Send this from `device`; False, and counted, when there is no room in this turn."""
        if not self.out.put(device, <const uint8_t *><const char *>datagram, len(datagram)):
            self.counts.no_room += 1
            return False
        self.devices[device].active_at = now_ns
        return True

    def room(self):
        """How many datagrams may still leave in this turn."""
        return room(self.out)

    def take_mid(self, uint32_t device):
        """A message id of the device that was not used for long."""
        self.devices[device].mid += 1
        return self.devices[device].mid

    def number(self, uint32_t device):
        """The device's number, as in its endpoint name."""
        return self.first_number + device

    def second(self, int64_t now_ns):
        """Since the fleet's start: what a value is a function of."""
        return (now_ns - self.began_at) // NANOSECONDS

    def is_registered(self, uint32_t device):
        return self.devices[device].state == STATE_REGISTERED

    def flags(self, uint32_t device):
        """Flag bits (device.pxd)."""
        return self.devices[device].flags

    def set_flags(self, uint32_t device, int bits, bint on=True):
        """Set or clear bits of `flags`."""
        if on:
            self.devices[device].flags |= <uint8_t>bits
        else:
            self.devices[device].flags &= <uint8_t>~bits

    def count_served(self, int code, bint again=False):
        """A response of the desk counts like one of the catalogue."""
        if again:
            self.serving.duplicates += 1
        else:
            self.serving.answered[code & 255] += 1

    def note_block(self, uint32_t device, path, int content_format, uint32_t second):
        """The catalogue goes on with the blocks of an answer that the desk began."""
        cdef uint16_t ids[4]
        for level, value in enumerate(tuple(path) + (NO_ID,) * (4 - len(path))):
            ids[level] = value
        self.devices[device].block_key = path_key(ids)
        self.devices[device].block_format = <uint16_t>content_format
        self.devices[device].block_second = second

    def contact_now(self, uint32_t device, int64_t now_ns):
        """An Update of a registered device, as soon as nothing else is under way."""
        if self.devices[device].request == REQUEST_NONE:
            self.wheel.schedule(device, now_ns)
        else:
            self.devices[device].contact_at = now_ns

    def reboot(self, uint32_t device, int64_t now_ns):
        """Whatever is under way is forgotten, and the device registers anew."""
        self.rebooted += 1
        self.devices[device].flags |= FLAG_BLANK
        if self.devices[device].request != REQUEST_NONE:
            self.devices[device].request = REQUEST_NONE
            self.outstanding -= 1
        self.registers_anew(device, now_ns)
