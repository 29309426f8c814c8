# The link sets of all devices, each kept once. Most fleets have a handful for a million devices:
# a payload that is known already is recognised by its bytes and not parsed again.

from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy

from lwm2m_fast.core.index cimport Probe, hash_bytes
from lwm2m_fast.core.pointers cimport pointer_at
from lwm2m_fast.core.records cimport NONE
from lwm2m_fast.cursor cimport Writer, writer_init, writer_size
from lwm2m_fast.wire.link cimport LINK_SET_BYTES, parse_links


cdef class LinkTable:
    def __cinit__(self, seed, size_t max_bytes):
        self.seed[0], self.seed[1] = seed
        self.max_bytes = max_bytes

    cdef Interned intern(self, const uint8_t *raw, size_t size, Links **links,
                         LinkError *error) noexcept:
        cdef Probe probe
        cdef uint32_t tag = <uint32_t>hash_bytes(raw, size, self.seed)
        cdef uint32_t number = self.index.first(tag, &probe)
        cdef Links *known
        while number != NONE:
            known = <Links *>pointer_at(self, number)[0]
            if known.raw_size == size and memcmp(known.data, raw, size) == 0:
                known.references += 1
                links[0] = known
                return INTERNED
            number = self.index.next(&probe)
        return self.add(raw, size, tag, links, error)

    cdef Interned add(self, const uint8_t *raw, size_t size, uint32_t tag, Links **links,
                      LinkError *error) noexcept:
        cdef uint8_t packed[LINK_SET_BYTES]
        cdef Writer w
        cdef Links *fresh
        cdef size_t bytes
        writer_init(&w, packed, LINK_SET_BYTES)
        if parse_links(raw, size, &w, error):
            return INTERNED_MALFORMED
        bytes = sizeof(Links) + size + writer_size(&w)
        if self.bytes + bytes > self.max_bytes:
            return INTERNED_FULL
        fresh = <Links *>calloc(1, bytes)
        if fresh == NULL:
            return INTERNED_FULL
        try:
            fresh.number = self.keep(fresh, tag)
        except MemoryError:
            free(fresh)
            return INTERNED_FULL
        fresh.references = 1
        fresh.tag = tag
        fresh.raw_size = <uint32_t>size
        fresh.packed_size = <uint32_t>writer_size(&w)
        memcpy(fresh.data, raw, size)
        memcpy(fresh.data + size, packed, fresh.packed_size)
        self.bytes += bytes
        self.count += 1
        links[0] = fresh
        return INTERNED

    cdef void release(self, Links *links) noexcept:
        links.references -= 1
        if links.references:
            return
        self.bytes -= sizeof(Links) + links.raw_size + links.packed_size
        self.count -= 1
        self.forget(links.number, links.tag)
