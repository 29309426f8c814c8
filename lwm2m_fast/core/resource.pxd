# One resource of the server, by the first segment of its path.

from lwm2m_fast.core.exchange cimport Reply, Request


cdef class Resource:
    cdef readonly bytes name
    # Decide what `request` gets. What raises is answered 5.00 and changes nothing.
    cdef void handle(self, Request *request, Reply *reply) except *


# An error, with the diagnostic payload (RFC 7252, section 5.5.2) that says what was wrong.
cdef void refuse(Reply *reply, int code, const char *why) noexcept nogil
