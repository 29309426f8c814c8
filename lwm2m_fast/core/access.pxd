# Who may register, and as whom; a layer of the Engine.

from libc.stdint cimport uint8_t, uint32_t

from lwm2m_fast.core.lookup cimport Lookup


cdef class Access(Lookup):
    pass
