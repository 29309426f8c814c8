# What the rooms of core/ share. Nothing here decides anything.

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy

from lwm2m_fast.core.describe cimport describe
from lwm2m_fast.core.devices cimport Device
from lwm2m_fast.core.names cimport NAME_LISTED, NAME_PLAIN, NAME_SECURE
from lwm2m_fast.core.observe cimport Observations
from lwm2m_fast.core.records cimport NONE, record_endpoint
from lwm2m_fast.datagram cimport addr_is_secure

from lwm2m_fast.core.ask import Contact
from lwm2m_fast.core.events import Event

cdef enum:
    POOL_BYTES = 4096             # of randomness fetched at a time
    BEHIND = 4

COUNTER_NAMES = (
    "coap_received", "coap_pings", "coap_duplicates", "coap_requests", "coap_bad_options",
    "coap_not_found", "coap_method_not_allowed", "coap_resets_sent", "coap_resets_received",
    "coap_unmatched", "coap_answers", "coap_answers_dropped", "coap_answers_shortened",
    "registrations_created", "registrations_replaced", "registrations_updated",
    "registrations_moved", "registrations_deregistered", "registrations_expired",
    "register_malformed", "register_forbidden", "register_full", "register_version",
    "update_unknown", "update_forbidden", "store_refused",
    "blocks_received", "blocks_incomplete", "blocks_too_large", "blocks_timed_out",
    "blocks_refused",
    "requests_sent", "requests_retransmitted", "requests_answered", "requests_timed_out",
    "requests_cancelled", "requests_refused", "requests_unanswered", "requests_late",
    "requests_restarted", "request_blocks_sent",
    "observations_begun", "observations_ended", "observations_refused",
    "notifications_received", "notifications_stale", "notifications_unknown",
    "notifications_astray", "notifications_malformed", "notifications_errors",
    "notifications_fetched", "notifications_incomplete",
    "sends_received", "sends_unknown", "sends_refused",
)
assert len(COUNTER_NAMES) == COUNT_TOTAL == 55


cdef class State:
    def __cinit__(self, seed, random_source, coap, registration, reporting, uint32_t shard,
                  uint32_t max_principals):
        self.links = LinkTable(seed, registration.max_link_bytes)
        self.peers = Peers(seed, <uint32_t>coap.exchange_lifetime_s, <uint32_t>coap.non_lifetime_s,
                           65536)
        self.devices = Devices(seed, self.peers, self.links, registration.max_devices,
                               registration.grace_s)
        self.observations = Observations(self.devices, shard, reporting)
        self.names = Names(seed)
        self.is_open = registration.policy == "open"
        self.principals = Principals(seed, max_principals)
        self.random_source = random_source
        self.pool = b""
        self.shard = shard
        self.store_works = True
        self.events = []
        self.reports = []
        self.ended = {}
        self.contacts = []
        self.unix_of = -1
        self.turn = 1

    cdef bint is_behind(self) noexcept nogil:
        return self.turn - 1 - self.committed > BEHIND

    cdef bint may_register(self, const lf_addr *source, const uint8_t *endpoint,
                           size_t size) noexcept nogil:
        cdef int marks = self.names.marks_of(endpoint, size)
        cdef uint32_t slot
        if addr_is_secure(source):
            return (not marks & NAME_PLAIN
                    and self.principals.may_speak(source, endpoint, size)
                    and (marks & (NAME_LISTED | NAME_SECURE) or self.is_open))
        if marks & (NAME_PLAIN | NAME_SECURE):
            return marks & NAME_PLAIN != 0
        if not (marks & NAME_LISTED or self.is_open):
            return False
        # Who is here as a secure peer is not replaced by somebody who only knows its name.
        slot = self.devices.find(endpoint, size)
        return slot == NONE or not addr_is_secure(&self.devices.at(slot).record.address)

    cdef bint may_speak(self, const lf_addr *source, const Record *record) noexcept nogil:
        if addr_is_secure(source):
            return self.principals.may_speak(
                source, record_endpoint(record), record.endpoint_size)
        return not addr_is_secure(&record.address)

    cdef void random(self, uint8_t *data, size_t size) except *:
        if self.pool_used + size > len(self.pool):
            self.pool = self.random_source(POOL_BYTES)
            self.pool_used = 0
        memcpy(data, <const uint8_t *><const char *>self.pool + self.pool_used, size)
        self.pool_used += size

    cdef object unix_now(self):
        if self.unix_of != self.now or self.unix_s is None:
            self.unix_of = self.now
            self.unix_s = (self.now + self.wall_offset) / 1000.0
        return self.unix_s

    cdef int hear(self, uint32_t slot) except -1:
        cdef Device *device = self.devices.at(slot)
        self.devices.hear(device, slot, self.now)
        if device.is_watched:
            self.note_contact(device.record, "uplink")
        return 0

    cdef int note_contact(self, const Record *record, str kind) except -1:
        endpoint = (<const char *>record_endpoint(record))[:record.endpoint_size].decode()
        self.contacts.append(Contact(endpoint, kind))
        return 0

    cdef void tell(self, int count, str kind, const Record *record, object more=None) except *:
        """Count what happened and, if anybody wants to hear it, say it."""
        self.counts[count] += 1
        if not self.tells:
            return
        endpoint = (<const char *>record_endpoint(record))[:record.endpoint_size].decode()
        data = describe(record, self.devices.at(record.slot), self.wall_offset, self.shard,
                        self.where)
        if more is not None:
            data.update(more)
        self.events.append(Event(kind, endpoint, (self.now + self.wall_offset) / 1000.0, data))
