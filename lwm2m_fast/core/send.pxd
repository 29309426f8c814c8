# What devices send because they want to: Send (LwM2M TS 1.2 Core, section 6.4.6).

from lwm2m_fast.core.exchange cimport Reply, Request
from lwm2m_fast.core.resource cimport Resource
from lwm2m_fast.core.state cimport State


cdef class Send(Resource):
    cdef State state

    # Private.
    cdef int sender(self, Request *request, Reply *reply) except -1
    cdef int judge(self, int slot, Request *request, bytes payload, Reply *reply) except -1
