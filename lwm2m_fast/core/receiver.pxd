# A datagram's way through core/: parsed, or rejected; known as a duplicate; then to the resource it
# asks for, to the request it answers, or to the observation it is of (RFC 7252, section 4).
#
# Knows the message layer and where the parts are; what a message means is theirs.

cimport cython

from lwm2m_fast.core.block cimport Blocks
from lwm2m_fast.core.exchange cimport Exchange, Reply, Request
from lwm2m_fast.core.reporting cimport Reporting
from lwm2m_fast.core.requests cimport Requests
from lwm2m_fast.core.resource cimport Resource
from lwm2m_fast.core.state cimport State
from lwm2m_fast.datagram cimport Inbox, lf_slot
from lwm2m_fast.wire.coap cimport Message


@cython.final
cdef class Receiver:
    cdef State state
    cdef Exchange exchange
    cdef Requests requests
    cdef Reporting reporting
    cdef Blocks blocks
    cdef list resources               # by the first path segment
    cdef unsigned long long rejects[12]
    cdef object fault                 # the last exception that became a 5.00, or None

    cdef void receive(self, Inbox inbox) except *
    # What was rejected, by the reason, for the counters.
    cdef dict rejected(self)

    # Private.
    cdef void receive_one(self, const lf_slot *slot) except *
    cdef void reject(self, const lf_slot *slot, const Message *m, int reason) noexcept
    cdef void receive_request(self, Request *request) except *
    cdef Resource find_resource(self, const Message *m)
    cdef void serve(self, Resource resource, Request *request, Reply *reply) except *
