# Who is registered as what, for whoever asks by endpoint name, registration id or slot.
#
# Changes nothing, and answers from memory. How a registration is shown is core/describe.

from lwm2m_fast.core.describe cimport attributes_of, describe
from lwm2m_fast.core.devices cimport Device
from lwm2m_fast.core.records cimport ID_RANDOM, NONE, Record, id_read, record_endpoint

from lwm2m_fast.errors import UnknownDevice

cdef enum:
    SCAN_MOST = 4096              # slots that one page of the device list looks at


cdef class Lookup(Hooks):
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

    def device(self, str endpoint):
        """The registration as a dict, or None."""
        try:
            return self.describe_slot(self.find(endpoint))
        except UnknownDevice:
            return None

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

    def device_count(self):
        return self.state.devices.count

    def endpoint_of(self, uint32_t slot):
        """The name of the device in a slot of the table; UnknownDevice when it is free."""
        cdef Record *record = NULL
        if slot < self.state.devices.next_new:
            record = self.state.devices.at(slot).record
        if record == NULL:
            raise UnknownDevice(f"slot {slot}")
        return (<const char *>record_endpoint(record))[:record.endpoint_size].decode()

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
