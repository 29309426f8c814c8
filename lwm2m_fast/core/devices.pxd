# The table of registered devices: one packed slot each, found by endpoint name or by slot number.
#
# Three operations change it, and both the protocol and its undoing use just these: put a record
# in, take it out, swap it for another one.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from lwm2m_fast.core.index cimport Index
from lwm2m_fast.core.links cimport LinkTable
from lwm2m_fast.core.peers cimport Peers
from lwm2m_fast.core.records cimport Record
from lwm2m_fast.core.slab cimport Slab
from lwm2m_fast.core.timers cimport TimerWheel
from lwm2m_fast.datagram cimport lf_addr


cdef enum:
    FOREVER = 0x7FFFFFFFFFFFFFFF
    CONTACT_SLOTS = 64            # neighbours whose last contacts are stored as one row
    HEARD_MS = 10                 # reaches 497 days after an Update

# Device.touched
cdef enum Touched:
    TOUCHED_LISTED = 1            # in the list of contacts to be stored ...
    TOUCHED_NEW = 2               # ... and heard since its row was last written

# Times are milliseconds of the monotonic clock.
cdef struct Device:
    Record *record                # NULL: the slot is free
    int64_t expires_at            # the truth; the wheel may ring earlier and is then set again
    int64_t seen_at               # the last Register or Update
    uint32_t peer
    uint32_t next                 # of the free slots
    uint32_t next_touched         # of those whose contact is to be stored
    uint32_t requests             # head of the list of requests to it (core/requests), or NONE
    uint8_t random[6]             # of its registration id: an Update needs no look at the record
    uint8_t touched               # Touched bits
    uint8_t is_changing           # its newest change is on the way to the store ...
    uint32_t changed_turn         # ... with this turn
    uint8_t has_moved             # its address is not (for sure) where its id was sent
    uint8_t is_watched            # whoever waits for it wants to know when it is heard
    uint32_t observations         # head of the list of what it reports (core/observe), or NONE
    uint32_t heard                # after `seen_at`, in HEARD_MS: anything else that it sent
    # One slot, one cache line.


cdef class Devices:
    cdef Slab slab
    cdef Index by_endpoint
    cdef Peers peers
    cdef LinkTable links
    cdef TimerWheel wheel
    cdef uint64_t seed[2]
    cdef uint32_t next_new, free_head
    cdef uint32_t touched_head, touched_tail
    cdef int64_t grace_ms
    cdef bint loading
    cdef readonly uint32_t count, max_devices, touched_count

    cdef Device *at(self, uint32_t slot) noexcept nogil
    cdef uint32_t find(self, const uint8_t *endpoint, size_t size) noexcept nogil
    # The slot of a registration id, or NONE. Compares all of the secret part.
    cdef uint32_t find_id(self, uint32_t slot, const uint8_t *random) noexcept nogil

    cdef uint32_t reserve_slot(self) noexcept nogil          # NONE: full, or out of memory
    cdef void put(self, Record *record, int64_t now) except *
    cdef void take(self, uint32_t slot, int64_t now) noexcept
    cdef void swap(self, uint32_t slot, Record *record, int64_t now) except *
    cdef void free_record(self, Record *record) noexcept

    # Between these two, put() takes slots in any order. About `expected` devices will come.
    cdef void begin_load(self, uint32_t expected) except *
    # One with this name and address comes soon: what is looked at then comes into the cache.
    cdef void warm(self, const uint8_t *endpoint, size_t size,
                   const lf_addr *address) noexcept nogil
    cdef void finish_load(self) noexcept

    # The device was heard: its lifetime starts again.
    cdef void touch(self, Device *device, uint32_t slot, int64_t now) noexcept nogil
    # The device was heard; its lifetime goes on as before.
    cdef void hear(self, Device *device, uint32_t slot, int64_t now) noexcept nogil
    cdef int64_t heard_at(self, const Device *device) noexcept nogil
    # A slot touched since its row of contacts was last written, or NONE; see settle_contacts().
    cdef uint32_t next_touched(self) noexcept nogil
    # The row of contacts that `slot` is in is being written: nobody in it is new any more.
    cdef void settle_contacts(self, uint32_t slot) noexcept nogil
    cdef void note_touched(self, Device *device, uint32_t slot) noexcept nogil
    # Up to `limit` slots whose lifetime and grace are over.
    cdef int expired(self, int64_t now, uint32_t *slots, int limit) noexcept

    # Private.
    cdef uint32_t tag_of(self, const Record *record) noexcept nogil
    cdef void take_slot(self, uint32_t slot) noexcept nogil
    cdef void set_lifetime(self, Device *device, uint32_t slot, int64_t now) except *
