# What a Send is worth (LwM2M TS 1.2 Core, section 6.4.6).

from libc.stdint cimport int64_t, uint32_t

from lwm2m_fast.codec.pack cimport Pack
from lwm2m_fast.codec.senml cimport Resolver
from lwm2m_fast.core.forms cimport Form, Forms
from lwm2m_fast.core.send cimport SendJudge


cdef enum:
    WALKED_MOST = 4096            # records that a walker may have room for between two Sends


cdef class Judge(SendJudge):
    cdef Forms forms
    cdef Resolver cbor, json
    cdef readonly int64_t malformed, unregistered
    cdef dict known               # numbers that `first` need not be told
    cdef object first

    # Private.
    cdef Pack read(self, Form form, int content_format, bytes payload)
    cdef Pack walk(self, Form form, int content_format, bytes payload)
    cdef int64_t number_of(self, uint32_t slot, Pack pack) except? 0
