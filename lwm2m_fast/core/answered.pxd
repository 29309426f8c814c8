# The end of a request as core/ask.py: Answered has it.

from libc.stdint cimport int64_t, uint64_t

from lwm2m_fast.core.outgoing cimport Outgoing
from lwm2m_fast.wire.coap cimport Message


# In fields, for whoever asks in compiled code: given to Requests.attach(), it stands itself
# among the answers when the request has ended.
cdef class Answer:
    cdef uint64_t call
    cdef str outcome
    cdef int code
    cdef int content_format       # -1: none
    cdef bytes payload
    cdef bytes etag
    cdef str location

    cdef int take(self, const Outgoing *out, str outcome, int code, const Message *m) except -1
    cdef object format_or_none(self)
    # As `kind`, which is Answered. Of a request without an owner: it began no observation.
    cdef object named(self, object kind)


# `m`: the (last) answer, NULL without one.
cdef tuple answered(const Outgoing *out, str outcome, int code, const Message *m,
                    int64_t observation)
