# What devices report because they were asked to (RFC 7641; LwM2M TS 1.2 Core, section 6.4).

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from lwm2m_fast.core.changes cimport Changes
from lwm2m_fast.core.exchange cimport Exchange, Request
from lwm2m_fast.core.observe cimport Observation, Observations, Relation
from lwm2m_fast.core.outgoing cimport Outgoing
from lwm2m_fast.core.requests cimport Requests
from lwm2m_fast.core.state cimport State
from lwm2m_fast.core.transmission cimport RequestOwner
from lwm2m_fast.wire.coap cimport Message


cdef class Reporting(RequestOwner):
    cdef State state
    cdef Exchange exchange
    cdef Requests requests
    cdef Changes changes
    cdef Observations observations
    cdef int64_t fetch_timeout_ms

    # Ask for notifications; the call. Nothing has changed when it raises.
    cdef uint64_t observe(self, uint32_t slot, object request, bytes context,
                          int64_t timeout_ms) except 0
    # Forget an observation at once (0), or ask the device to end it (the call).
    cdef uint64_t unobserve(self, uint32_t index, bint active, int64_t timeout_ms) except? 0
    # A response, as long as it is no answer to a request of ours (False).
    cdef bint receive(self, Request *request) except -1
    cdef list lapsed(self)
    cdef list describe(self, uint32_t slot)

    # Private.
    cdef int check(self, object request, bytes context) except -1
    cdef uint32_t index_for(self, uint32_t slot, bytes context) except? 0xFFFFFFFE
    cdef bytes stored_request(self, uint64_t call, object request)
    cdef Relation *new_relation(self, uint32_t slot, uint32_t index, bytes request,
        bytes context) except NULL
    cdef void end_requests(self, uint32_t index) except *
    cdef void forget(self, uint32_t index, bint is_final) except *
    cdef int64_t observe_ended(self, uint32_t index, const Outgoing *out, str outcome,
        const Message *m) except? -2
    cdef void fetch_ended(self, uint32_t index, const Outgoing *out, str outcome,
        const Message *m) except *
    cdef void reject(self, Request *request, uint32_t hint) except *
    cdef void accept(self, Request *request, uint32_t index) except *
    cdef bint is_fresh(self, const Observation *observation, const Message *m) noexcept
    cdef void note_sequence(self, Observation *observation, int64_t sequence) noexcept
    cdef void take(self, uint32_t index, const Message *m) except *
    cdef void fetch(self, uint32_t index, const Message *m) except *
    cdef int note_ended(self, uint32_t index) except -1
    cdef int tell(self, uint32_t index, int code, int content_format, const uint8_t *payload,
        size_t size) except -1
    cdef dict describe_one(self, uint32_t index)
