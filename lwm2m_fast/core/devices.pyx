# The table of registered devices. Knows slots, names and deadlines; not why a device comes or goes.

from libc.stdlib cimport free
from libc.string cimport memcmp, memcpy

from lwm2m_fast.core.index cimport Index, Probe, hash_bytes
from lwm2m_fast.core.records cimport ID_RANDOM, NONE, record_endpoint
from lwm2m_fast.core.slab cimport slab_at, slab_capacity, slab_free, slab_init, slab_reserve

cdef enum:
    WHEEL_TICK_MS = 128


cdef class Devices:
    def __cinit__(self, seed, Peers peers, LinkTable links, uint32_t max_devices, double grace_s):
        slab_init(&self.slab, sizeof(Device))
        self.seed[0], self.seed[1] = seed
        self.by_endpoint = Index()
        self.peers = peers
        self.links = links
        self.wheel = TimerWheel(WHEEL_TICK_MS)
        self.free_head = self.touched_head = self.touched_tail = NONE
        self.max_devices = max_devices
        self.grace_ms = <int64_t>(grace_s * 1000)

    def __dealloc__(self):
        cdef uint32_t slot
        for slot in range(self.next_new):
            free(self.at(slot).record)
        slab_free(&self.slab)

    @property
    def bytes(self):
        return slab_capacity(&self.slab) * sizeof(Device) + self.by_endpoint.bytes

    cdef inline Device *at(self, uint32_t slot) noexcept nogil:
        return <Device *>slab_at(&self.slab, slot)

    cdef inline uint32_t tag_of(self, const Record *record) noexcept nogil:
        return <uint32_t>hash_bytes(record_endpoint(record), record.endpoint_size, self.seed)

    cdef uint32_t find(self, const uint8_t *endpoint, size_t size) noexcept nogil:
        cdef Probe probe
        cdef uint32_t slot = self.by_endpoint.first(
            <uint32_t>hash_bytes(endpoint, size, self.seed), &probe)
        cdef Record *record
        while slot != NONE:
            record = self.at(slot).record
            if (record.endpoint_size == size
                    and memcmp(record_endpoint(record), endpoint, size) == 0):
                return slot
            slot = self.by_endpoint.next(&probe)
        return NONE

    cdef uint32_t find_id(self, uint32_t slot, const uint8_t *random) noexcept nogil:
        cdef Device *device
        cdef uint8_t differ = 0
        cdef int i
        if slot >= self.next_new:
            return NONE
        device = self.at(slot)
        if device.record == NULL:
            return NONE
        for i in range(ID_RANDOM):      # in constant time: the id is all that a NoSec device has
            differ |= device.random[i] ^ random[i]
        return NONE if differ else slot

    cdef uint32_t reserve_slot(self) noexcept nogil:
        """A free slot for the next put(); it stays free until then."""
        if self.count >= self.max_devices:
            return NONE
        if self.free_head != NONE:
            return self.free_head
        if slab_reserve(&self.slab, self.next_new) < 0:
            return NONE
        return self.next_new

    cdef void take_slot(self, uint32_t slot) noexcept nogil:
        """reserve_slot() gave it; what is undone is undone in reverse, so it is at the head too."""
        if slot >= self.next_new:
            self.next_new = slot + 1
        elif self.free_head == slot:
            self.free_head = self.at(slot).next

    cdef void begin_load(self, uint32_t expected) except *:
        self.loading = True
        expected = min(expected, self.max_devices)
        self.by_endpoint.reserve(expected)
        self.peers.reserve(expected)

    cdef void warm(self, const uint8_t *endpoint, size_t size,
                   const lf_addr *address) noexcept nogil:
        self.by_endpoint.warm(<uint32_t>hash_bytes(endpoint, size, self.seed))
        self.peers.warm(address)

    cdef void finish_load(self) noexcept:
        cdef uint32_t slot = self.next_new
        self.loading = False
        self.free_head = NONE
        if self.count == self.next_new:     # no gap
            return
        while slot > 0:
            slot -= 1
            if self.at(slot).record == NULL:
                self.at(slot).next = self.free_head
                self.free_head = slot

    cdef void put(self, Record *record, int64_t now) except *:
        """The record's slot must be free; MemoryError leaves the table as it was."""
        cdef Device *device
        cdef uint32_t peer
        if slab_reserve(&self.slab, record.slot) < 0:
            raise MemoryError
        peer = self.peers.obtain(&record.address)
        if peer == NONE:
            raise MemoryError
        self.by_endpoint.insert(self.tag_of(record), record.slot)
        if self.loading:
            self.next_new = max(self.next_new, record.slot + 1)
        else:
            self.take_slot(record.slot)
        device = self.at(record.slot)
        device.record = record
        device.requests = device.observations = NONE
        device.heard = 0
        device.has_moved = self.loading
        memcpy(device.random, record.random, ID_RANDOM)
        device.peer = peer
        self.peers.bind(peer, record.slot)
        self.count += 1
        device.seen_at = now
        self.set_lifetime(device, record.slot, now)

    cdef void set_lifetime(self, Device *device, uint32_t slot, int64_t now) except *:
        if device.record.lifetime_s == 0:
            device.expires_at = FOREVER
            self.wheel.cancel(slot)
            return
        device.expires_at = now + <int64_t>device.record.lifetime_s * 1000 + self.grace_ms
        self.wheel.schedule(slot, device.expires_at)

    cdef void take(self, uint32_t slot, int64_t now) noexcept:
        """The record leaves the table and belongs to the caller again."""
        cdef Device *device = self.at(slot)
        self.by_endpoint.remove(self.tag_of(device.record), slot)
        self.wheel.cancel(slot)
        self.peers.unbind(device.peer, slot, <uint32_t>(now // 1000))
        device.record = NULL
        self.count -= 1
        device.next = self.free_head
        self.free_head = slot

    cdef void swap(self, uint32_t slot, Record *record, int64_t now) except *:
        """Another record for the same device; the old one belongs to the caller."""
        cdef Device *device = self.at(slot)
        cdef Record *before = device.record
        cdef uint32_t peer = device.peer
        if memcmp(&before.address, &record.address, sizeof(record.address)):
            peer = self.peers.obtain(&record.address)
            if peer == NONE:
                raise MemoryError
            self.peers.unbind(device.peer, slot, <uint32_t>(now // 1000))
            self.peers.bind(peer, slot)
            device.peer = peer
            device.has_moved = True
        if memcmp(before.random, record.random, ID_RANDOM):
            device.has_moved = False    # a new id, sent to where the record says
        device.record = record
        memcpy(device.random, record.random, ID_RANDOM)
        device.seen_at = now
        device.heard = 0
        self.set_lifetime(device, slot, now)

    cdef void free_record(self, Record *record) noexcept:
        if record != NULL:
            if record.links != NULL:
                self.links.release(record.links)
            free(record)

    cdef void touch(self, Device *device, uint32_t slot, int64_t now) noexcept nogil:
        device.seen_at = now
        device.heard = 0
        if device.record.lifetime_s:
            device.expires_at = now + <int64_t>device.record.lifetime_s * 1000 + self.grace_ms
        self.note_touched(device, slot)

    cdef void hear(self, Device *device, uint32_t slot, int64_t now) noexcept nogil:
        device.heard = <uint32_t>min(max((now - device.seen_at) // HEARD_MS, 0),
                                     <int64_t>0xFFFFFFFF)
        self.note_touched(device, slot)

    cdef int64_t heard_at(self, const Device *device) noexcept nogil:
        return device.seen_at + <int64_t>device.heard * HEARD_MS

    cdef void note_touched(self, Device *device, uint32_t slot) noexcept nogil:
        cdef bint is_listed = device.touched & TOUCHED_LISTED != 0
        device.touched = TOUCHED_LISTED | TOUCHED_NEW
        if is_listed:
            return
        device.next_touched = NONE
        if self.touched_tail == NONE:
            self.touched_head = slot
        else:
            self.at(self.touched_tail).next_touched = slot
        self.touched_tail = slot
        self.touched_count += 1

    cdef uint32_t next_touched(self) noexcept nogil:
        cdef Device *device
        cdef uint32_t slot
        cdef bint is_new
        while self.touched_head != NONE:
            slot = self.touched_head
            device = self.at(slot)
            self.touched_head = device.next_touched
            if self.touched_head == NONE:
                self.touched_tail = NONE
            is_new = device.touched & TOUCHED_NEW != 0
            device.touched = 0
            self.touched_count -= 1
            if is_new and device.record != NULL:
                return slot
        return NONE

    cdef void settle_contacts(self, uint32_t slot) noexcept nogil:
        cdef uint32_t first = slot - slot % CONTACT_SLOTS, each
        for each in range(first, min(first + CONTACT_SLOTS, self.next_new)):
            self.at(each).touched &= TOUCHED_LISTED

    cdef int expired(self, int64_t now, uint32_t *slots, int limit) noexcept:
        cdef int rung = <int>self.wheel.advance(now, slots, <uint32_t>limit)
        cdef int count = 0, i
        cdef Device *device
        for i in range(rung):
            device = self.at(slots[i])
            if device.expires_at <= now:
                slots[count] = slots[i]
                count += 1
                continue
            try:
                self.wheel.schedule(slots[i], device.expires_at)
            except MemoryError:         # cannot be: it had its place a moment ago
                device.expires_at = now
        return count
