# The whole of core/ as one object; see engine.pyx.

from libc.stdint cimport int64_t, uint32_t

from lwm2m_fast.core.block cimport Blocks
from lwm2m_fast.core.changes cimport Changes
from lwm2m_fast.core.exchange cimport Exchange
from lwm2m_fast.core.loader cimport Loader
from lwm2m_fast.core.management cimport Management
from lwm2m_fast.core.receiver cimport Receiver
from lwm2m_fast.datagram cimport Outbox


cdef class Output:
    cdef readonly uint32_t turn       # 0: nothing for the store
    cdef readonly bytes changes
    cdef readonly Outbox held
    cdef readonly list events
    cdef readonly list answers
    cdef readonly list reports
    cdef readonly list contacts


cdef class Engine(Management):
    cdef Receiver receiver
    cdef Changes changes
    cdef Exchange exchange
    cdef Blocks blocks
    cdef Loader loader
    cdef int64_t flush_interval, flush_at
    cdef uint32_t flush_left

    # Private.
    cdef void flush_contacts(self) except *
