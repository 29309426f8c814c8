# DTLS sessions one at a time, over csrc/lf_dtls.

from lwm2m_fast.net.lf_dtls cimport lf_dtls_context, lf_dtls_session


cdef class DtlsContext:
    cdef lf_dtls_context *context
    cdef object psk, verify, resume
    cdef object error             # what a callable raised, until the call that led to it returns
    cdef readonly int cid_size

    cdef int check(self) except -1


cdef class DtlsSession:
    cdef lf_dtls_session *session # NULL: saved
    cdef DtlsContext owner
    cdef public list sent
    cdef readonly bint was_newest

    cdef int alive(self) except -1
