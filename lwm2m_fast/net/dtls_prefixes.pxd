# How many handshakes a source prefix may still begin: a token bucket for each, in a fixed table.
#
# Knows prefixes (/24 of IPv4, /56 of IPv6) and moments that are passed in; nothing of sessions.

from lwm2m_fast.datagram cimport lf_addr
from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef enum:
    PREFIX_SETS = 1024
    PREFIX_WAYS = 4

cdef struct Bucket:
    uint64_t prefix                     # its hash; 0: unused
    int64_t full_ms                     # when it will be full again


cdef class PrefixBuckets:
    cdef Bucket *buckets
    cdef uint64_t seed[2]
    cdef readonly double per_s          # tokens per second, and the size of a bucket if above 1

    # Take one token; whether there was one.
    cdef bint take(self, const lf_addr *address, int64_t now_ms) noexcept nogil
