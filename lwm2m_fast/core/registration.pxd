# Register, Update and De-register (LwM2M TS 1.2 Core, section 6.2).

from libc.stdint cimport uint8_t, uint32_t

from lwm2m_fast.core.changes cimport Changes
from lwm2m_fast.core.exchange cimport Reply, Request
from lwm2m_fast.core.params cimport Params
from lwm2m_fast.core.records cimport Links, Record
from lwm2m_fast.core.resource cimport Resource
from lwm2m_fast.core.state cimport State
from lwm2m_fast.wire.coap cimport Message


cdef class Registration(Resource):
    cdef State state
    cdef Changes changes
    cdef uint32_t default_lifetime_s

    # Remove what has expired, at most `limit` devices; how many.
    cdef int expire(self, int limit) except -1
    # By its own wish, or by the operator's; `more` goes into the event.
    cdef void remove(self, uint32_t slot, object more=*) except *

    # Private.
    cdef void register(self, Request *request, Reply *reply) except *
    cdef void check_register(self, Request *request, Reply *reply, Params *params) except *
    cdef void intern_links(self, Request *request, Reply *reply, Links **links) except *
    cdef Record *new_record(self, Request *request, Params *params, Links *links,
        uint32_t slot) except? NULL
    cdef void install(self, Record *record, uint32_t slot) except *
    cdef void accept(self, Request *request, Reply *reply, Record *record) noexcept
    cdef uint32_t find(self, Request *request, Reply *reply) except? 0xFFFFFFFE
    cdef void update(self, Request *request, Reply *reply) except *
    cdef Record *updated_record(self, Request *request, Reply *reply, Record *before) except? NULL
    cdef void copy_fixed(self, Record *record, const Record *before) noexcept
    cdef bint change(self, Request *request, Reply *reply, uint32_t slot, Record *record) except? -1
    cdef void deregister(self, Request *request, Reply *reply) except *
    cdef void drop(self, uint32_t slot, int count, str kind, object more=*) except *
