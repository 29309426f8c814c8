# Stored rows back into the tables, at start-up. Trusts no row: a disk may give back anything.

from libc.stdint cimport uint8_t

from lwm2m_fast.core.changes cimport TABLE_CONTACT, TABLE_OBSERVATION, TABLE_REGISTRATION
from lwm2m_fast.core.devices cimport CONTACT_SLOTS, FOREVER, Device
from lwm2m_fast.core.links cimport INTERNED
from lwm2m_fast.core.records cimport Links, Record, record_load, record_peek
from lwm2m_fast.cursor cimport read_uint, reader_init, reader_left
from lwm2m_fast.datagram cimport lf_addr
from lwm2m_fast.wire.link cimport LinkError


cdef enum:
    MAX_SLOT = 0x3FFFFFFF         # a registration id has 30 bits for it
    AHEAD = 12                    # rows between the look at what one needs and its turn


cdef class Loader:
    def __cinit__(self, State state, Changes changes, int64_t slack_ms):
        self.state = state
        self.changes = changes
        self.slack_ms = slack_ms

    cdef bint load(self, int table, bytes key, bytes value) except -1:
        cdef Reader r
        reader_init(&r, <const uint8_t *><const char *>value, len(value))
        if table == TABLE_REGISTRATION:
            return self.load_registration(key, &r)
        if table == TABLE_OBSERVATION:
            return self.load_observation(key, &r)
        return table == TABLE_CONTACT and self.load_contacts(key, &r)

    cdef int load_page(self, int table, list rows) except -1:
        cdef Py_ssize_t at, count = len(rows)
        cdef int unusable = 0
        cdef tuple row
        for at in range(count):
            if table == TABLE_REGISTRATION and at + AHEAD < count:
                self.warm(rows[at + AHEAD])
            row = rows[at]
            unusable += not self.load(table, row[0], row[1])
        return unusable

    cdef void warm(self, tuple row) except *:
        cdef bytes key = row[0], value = row[1]
        cdef lf_addr address
        if record_peek(<const uint8_t *><const char *>value, len(value), &address):
            self.state.devices.warm(<const uint8_t *><const char *>key, len(key), &address)

    cdef bint load_registration(self, bytes key, Reader *r) except -1:
        cdef const uint8_t *raw = NULL
        cdef uint32_t raw_size = 0
        cdef LinkError error
        cdef Links *links = NULL
        cdef Record *record = record_load(<const uint8_t *><const char *>key, len(key), r,
                                          &raw, &raw_size)
        if record == NULL:
            return False
        if (record.slot >= self.state.devices.max_devices
                or self.is_taken(record.slot)
                or self.state.links.intern(raw, raw_size, &links, &error) != INTERNED):
            self.state.devices.free_record(record)
            return False
        record.links = links
        self.state.devices.put(record, self.state.now)
        self.set_seen(record.slot, record.updated_ms - self.state.wall_offset)
        return True

    cdef bint is_taken(self, uint32_t slot) noexcept:
        return (slot < self.state.devices.next_new
                and self.state.devices.at(slot).record != NULL)

    cdef bint load_contacts(self, bytes key, Reader *r) except -1:
        cdef Reader k
        cdef int64_t seen, heard
        cdef uint32_t row, slot
        cdef Device *device
        if len(key) != 4 or reader_left(r) != 16 * CONTACT_SLOTS:
            return False
        reader_init(&k, <const uint8_t *><const char *>key, 4)
        row = <uint32_t>read_uint(&k, 4)
        if row > MAX_SLOT // CONTACT_SLOTS:
            return False
        for slot in range(row * CONTACT_SLOTS, (row + 1) * CONTACT_SLOTS):
            seen, heard = self.read_moment(r), self.read_moment(r)
            if not self.is_taken(slot):
                continue
            device = self.state.devices.at(slot)
            if seen > device.seen_at:
                self.set_seen(slot, seen)
            if heard > self.state.devices.heard_at(device):
                self.state.devices.hear(device, slot, min(heard, self.state.now))
        return True

    cdef int64_t read_moment(self, Reader *r) noexcept:
        cdef int64_t high = read_uint(r, 4)
        return (high << 32 | read_uint(r, 4)) - self.state.wall_offset

    cdef bint load_observation(self, bytes key, Reader *r) except -1:
        cdef int taken = self.state.observations.load(
            <const uint8_t *><const char *>key, len(key), r, self.changes.reestablishes)
        if taken < 0:
            self.changes.note_stale(key)
        return taken > 0

    cdef void set_seen(self, uint32_t slot, int64_t seen) except *:
        """The deadline as before the restart, and later by what may not have been stored yet.

        Time in which nobody listened does not count against a device: whose deadline passed
        meanwhile has its whole lifetime again.
        """
        cdef Device *device = self.state.devices.at(slot)
        cdef int64_t deadline
        seen = min(seen, self.state.now)
        device.seen_at = seen
        if device.expires_at == FOREVER:
            return
        deadline = (seen + <int64_t>device.record.lifetime_s * 1000 + self.state.devices.grace_ms
                    + self.slack_ms)
        if deadline <= self.state.now:
            return
        if deadline < device.expires_at:    # a later one is found when the wheel rings
            self.state.devices.wheel.schedule(slot, deadline)
        device.expires_at = deadline
