# Token buckets by source prefix; see dtls_prefixes.pxd.
#
# A bucket is one number, the moment at which it will be full again: it is that much below full. A
# prefix that has no bucket has a full one; so the table forgets the fullest of a set first, and a
# flood from many prefixes can make it forget what others have spent but never lock anybody out.

from lwm2m_fast.core.index cimport hash_bytes
from lwm2m_fast.datagram cimport lf_addr
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp

cdef uint8_t MAPPED[12]
MAPPED[:] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]


cdef class PrefixBuckets:
    """`per_s` handshakes a second and prefix, 0: no limit; after a pause as many at once."""

    def __cinit__(self, double per_s, tuple seed):
        self.per_s = per_s
        self.seed = seed
        self.buckets = <Bucket *>calloc(PREFIX_SETS * PREFIX_WAYS, sizeof(Bucket))
        if self.buckets == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.buckets)

    cdef bint take(self, const lf_addr *address, int64_t now_ms) noexcept nogil:
        cdef bint is_v4 = memcmp(address.ip, MAPPED, 12) == 0
        cdef uint64_t prefix = hash_bytes(address.ip, 15 if is_v4 else 7, self.seed) | 1
        cdef Bucket *bucket = self.buckets + (prefix >> 32) % PREFIX_SETS * PREFIX_WAYS
        cdef Bucket *found = bucket
        cdef int64_t token_ms
        cdef int i
        if self.per_s <= 0:
            return True
        token_ms = <int64_t>(1000 / self.per_s)
        for i in range(PREFIX_WAYS):
            if bucket[i].prefix == prefix:
                found = bucket + i
                break
            if bucket[i].full_ms < found.full_ms:
                found = bucket + i
        if found.prefix != prefix or found.full_ms < now_ms:
            found.prefix = prefix
            found.full_ms = now_ms
        if found.full_ms + token_ms - now_ms > max(1000, token_ms):
            return False
        found.full_ms += token_ms
        return True
