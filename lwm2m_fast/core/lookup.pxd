# Who is registered as what, for whoever asks; a layer of the Engine.

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from lwm2m_fast.core.hooks cimport Hooks


cdef class Lookup(Hooks):
    cpdef uint64_t shape_at(self, uint32_t slot)

    # The slot of a registered device. UnknownDevice.
    cdef uint32_t find(self, str endpoint) except? 0xFFFFFFFE

    # Private.
    cdef dict describe_slot(self, uint32_t slot)
