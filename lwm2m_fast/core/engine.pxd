# The whole of core/ as one object; see engine.pyx.

from libc.stdint cimport int64_t, uint32_t, uint64_t

from lwm2m_fast.core.block cimport Blocks
from lwm2m_fast.core.changes cimport Changes
from lwm2m_fast.core.exchange cimport Exchange, Reply, Request
from lwm2m_fast.core.loader cimport Loader
from lwm2m_fast.core.registration cimport Registration
from lwm2m_fast.core.reporting cimport Reporting
from lwm2m_fast.core.requests cimport Requests
from lwm2m_fast.core.resource cimport Resource
from lwm2m_fast.core.state cimport State
from lwm2m_fast.datagram cimport Outbox, lf_slot
from lwm2m_fast.wire.coap cimport Message


cdef class Output:
    cdef readonly uint32_t turn       # 0: nothing for the store
    cdef readonly bytes changes
    cdef readonly Outbox held
    cdef readonly list events
    cdef readonly list answers
    cdef readonly list reports
    cdef readonly list contacts


cdef class Engine:
    cdef State state
    cdef Changes changes
    cdef Exchange exchange
    cdef Requests requests
    cdef Blocks blocks
    cdef Registration registration
    cdef Reporting reporting
    cdef Loader loader
    cdef list resources
    cdef dict ended                   # State.ended of the turn taken last
    cdef unsigned long long rejects[12]
    cdef int64_t flush_interval, flush_at
    cdef uint32_t flush_left
    cdef public object fault          # the last exception that became a 5.00, or None

    cdef void receive_one(self, const lf_slot *slot) except *
    cdef void reject(self, const lf_slot *slot, const Message *m, int reason) noexcept
    cdef void receive_request(self, Request *request) except *
    cdef void flush_contacts(self) except *

    cpdef uint64_t shape_at(self, uint32_t slot)

    # Private.
    cdef void set_time(self, double now) noexcept
    cdef Resource find_resource(self, const Message *m)
    cdef void serve(self, Resource resource, Request *request, Reply *reply) except *
    cdef uint32_t find(self, str endpoint) except? 0xFFFFFFFE
    cdef dict describe_slot(self, uint32_t slot)
    cdef int check_store(self) except -1
