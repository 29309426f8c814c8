# The link sets of all devices, each kept once.

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from lwm2m_fast.core.pointers cimport Pointers
from lwm2m_fast.core.records cimport Links
from lwm2m_fast.wire.link cimport LinkError


cdef enum Interned:
    INTERNED = 0                  # the caller holds one reference more
    INTERNED_MALFORMED            # `error` says why
    INTERNED_FULL                 # the bound on all link sets together, or out of memory


cdef class LinkTable(Pointers):   # to Links
    cdef uint64_t seed[2]
    cdef readonly size_t bytes
    cdef readonly uint32_t count
    cdef size_t max_bytes

    cdef Interned intern(self, const uint8_t *raw, size_t size, Links **links,
                         LinkError *error) noexcept
    cdef void release(self, Links *links) noexcept

    # Private.
    cdef Interned add(self, const uint8_t *raw, size_t size, uint32_t tag, Links **links,
        LinkError *error) noexcept
