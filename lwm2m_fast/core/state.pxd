# What the rooms of core/ share: the tables, the present moment, chance, counters, what happened.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from lwm2m_fast.core.devices cimport Devices
from lwm2m_fast.core.links cimport LinkTable
from lwm2m_fast.core.names cimport Names
from lwm2m_fast.core.observe cimport Observations
from lwm2m_fast.core.peers cimport Peers
from lwm2m_fast.core.principals cimport Principals
from lwm2m_fast.core.records cimport Record
from lwm2m_fast.datagram cimport lf_addr


# What is counted, in the order of COUNTER_NAMES in state.pyx.
cdef enum:
    COUNT_RECEIVED
    COUNT_PINGS
    COUNT_DUPLICATES
    COUNT_REQUESTS
    COUNT_BAD_OPTIONS
    COUNT_NOT_FOUND
    COUNT_NOT_ALLOWED
    COUNT_RESETS_SENT
    COUNT_RESETS_RECEIVED
    COUNT_UNMATCHED
    COUNT_ANSWERS_SENT
    COUNT_ANSWERS_DROPPED
    COUNT_ANSWERS_SHORTENED
    COUNT_REGISTERED
    COUNT_REREGISTERED
    COUNT_UPDATED
    COUNT_MOVED
    COUNT_DEREGISTERED
    COUNT_EXPIRED
    COUNT_REGISTER_MALFORMED
    COUNT_REGISTER_FORBIDDEN
    COUNT_REGISTER_FULL
    COUNT_REGISTER_VERSION
    COUNT_UPDATE_UNKNOWN
    COUNT_UPDATE_FORBIDDEN
    COUNT_STORE_REFUSED
    COUNT_BLOCKS_RECEIVED
    COUNT_BLOCKS_INCOMPLETE
    COUNT_BLOCKS_TOO_LARGE
    COUNT_BLOCKS_TIMED_OUT
    COUNT_BLOCKS_REFUSED
    COUNT_REQUESTS_SENT
    COUNT_RETRANSMITTED
    COUNT_REQUESTS_ANSWERED
    COUNT_REQUESTS_TIMED_OUT
    COUNT_REQUESTS_CANCELLED
    COUNT_REQUESTS_REFUSED
    COUNT_REQUESTS_UNANSWERED
    COUNT_REQUESTS_LATE
    COUNT_REQUESTS_RESTARTED
    COUNT_REQUEST_BLOCKS_SENT
    COUNT_OBSERVATIONS_BEGUN
    COUNT_OBSERVATIONS_ENDED
    COUNT_OBSERVATIONS_REFUSED
    COUNT_NOTIFICATIONS
    COUNT_NOTIFICATIONS_STALE
    COUNT_NOTIFICATIONS_UNKNOWN
    COUNT_NOTIFICATIONS_ASTRAY
    COUNT_NOTIFICATIONS_MALFORMED
    COUNT_NOTIFICATIONS_ERRORS
    COUNT_NOTIFICATIONS_FETCHED
    COUNT_NOTIFICATIONS_INCOMPLETE
    COUNT_SENDS
    COUNT_SENDS_UNKNOWN
    COUNT_SENDS_REFUSED
    COUNT_TOTAL


cdef class State:
    cdef Devices devices
    cdef Peers peers
    cdef LinkTable links
    cdef Observations observations
    cdef uint64_t counts[55]      # COUNT_TOTAL
    cdef int64_t now              # ms, monotonic: the moment of the call into core/
    cdef int64_t wall_offset      # unix ms = now + wall_offset
    cdef uint64_t entered         # how often somebody outside has called into core/
    cdef readonly uint32_t shard
    cdef public bint store_works  # False: nothing that needs the store is accepted
    cdef public bint tells        # whether anybody wants to hear events
    cdef list events
    cdef public bint wants_reports      # whether anybody wants what devices send by themselves
    cdef public bint hears_registers    # every Register is a contact, watched or not
    cdef public object judge_send # (slot, content format, payload) -> 0 or a code; None: all is well
    # A bootstrap server's: (endpoint, is secure) -> 0 or a code; (endpoint, accept) -> code, format,
    # payload. None: nobody decides, there is none.
    cdef public object judge_bootstrap, make_pack
    cdef dict ended               # number -> (endpoint, context), of those that a report ended
    cdef list reports, contacts   # of this turn, in the order of core/ask.py
    cdef int64_t unix_of          # the moment that `unix_s` says
    cdef object unix_s
    cdef Names names              # what is said of endpoint names: core/names
    cdef bint is_open             # a name that nothing is said of may register
    cdef Principals principals
    cdef public object where      # (principal) -> dict or None: what net/ knows of a secure peer
    cdef uint32_t turn            # the number of the turn being worked at; from 1
    cdef uint32_t committed       # the last turn that is in the store
    cdef bytes pool
    cdef size_t pool_used
    cdef object random_source

    # So many turns are on their way to the store that what can wait should.
    cdef bint is_behind(self) noexcept nogil
    # Whether a Register of this endpoint may come from `source`.
    cdef bint may_register(self, const lf_addr *source, const uint8_t *endpoint,
                           size_t size) noexcept nogil
    # Whether what `source` says can be said by the device of this registration.
    cdef bint may_speak(self, const lf_addr *source, const Record *record) noexcept nogil
    cdef void random(self, uint8_t *data, size_t size) except *
    # The present moment as unix seconds: one object however often it is asked for.
    cdef object unix_now(self)
    # A device has sent something that is no Register or Update.
    cdef int hear(self, uint32_t slot) except -1
    cdef int note_contact(self, const Record *record, str kind) except -1
    cdef void tell(self, int count, str kind, const Record *record, object more=*) except *
