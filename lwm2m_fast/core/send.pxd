# What devices send because they want to: Send (LwM2M TS 1.2 Core, section 6.4.6).

from libc.stdint cimport uint32_t

from lwm2m_fast.core.exchange cimport Reply, Request
from lwm2m_fast.core.resource cimport Resource
from lwm2m_fast.core.state cimport State


cdef enum:
    SEND_KEYS = 0x4000000000000000      # a judge's number of a Send is -SEND_KEYS or less


cdef class SendJudge:
    # The code to refuse a Send with (0x80 to 0xBF); else 0 or less: what Report.observation says.
    cdef object judge(self, uint32_t slot, int content_format, bytes payload)


cdef class Send(Resource):
    cdef State state

    # Private.
    cdef int sender(self, Request *request, Reply *reply) except -1
    cdef object judge(self, int slot, Request *request, bytes payload, Reply *reply)
    cdef object verdict(self, object said, Reply *reply)
