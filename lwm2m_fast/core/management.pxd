# What our own side asks of devices; a layer of the Engine.

from libc.stdint cimport int64_t, uint32_t, uint64_t

from lwm2m_fast.core.access cimport Access
from lwm2m_fast.core.registration cimport Registration
from lwm2m_fast.core.reporting cimport Reporting
from lwm2m_fast.core.requests cimport Requests


cdef class Management(Access):
    cdef Requests requests
    cdef Reporting reporting
    cdef Registration registration
    cdef dict ended                   # State.ended of the turn taken last

    # Private.
    cdef int check_store(self) except -1
