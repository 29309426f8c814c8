# How long things took, in buckets that grow with the value: the contract.
#
# Log-linear: 32 buckets for every doubling, so a quantile is at most 1/32 (3.2 %) above the truth.
# Values are whole numbers, 0 to 2^63 - 1; what they count (here nanoseconds) is the caller's.

from libc.stdint cimport int64_t, uint64_t

cdef enum:
    STEP_BITS = 5
    STEPS = 32                    # 1 << STEP_BITS
    BUCKETS = 1888                # (63 - STEP_BITS) doublings and the first 32 exact values


cdef class Histogram:
    cdef uint64_t counts[BUCKETS]
    cdef readonly uint64_t count
    cdef readonly int64_t most    # exact; 0 while empty

    cdef void record(self, int64_t value) noexcept nogil
