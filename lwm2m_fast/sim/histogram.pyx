# How long things took, in buckets that grow with the value.
#
# Fixed memory, one increment per value, no clock. Knows nothing of CoAP or of devices.

from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memset

cdef extern from *:
    int __builtin_clzll(unsigned long long value) nogil


cdef inline int bucket_of(int64_t value) noexcept nogil:
    cdef int shift
    if value < STEPS:
        return <int>value if value > 0 else 0
    shift = 63 - STEP_BITS - __builtin_clzll(<uint64_t>value)
    return (shift + 1) * STEPS + <int>(value >> shift & (STEPS - 1))


cdef inline int64_t last_value_of(int bucket) noexcept nogil:
    cdef int shift = bucket // STEPS - 1
    if shift < 0:
        return bucket
    return <int64_t>((<uint64_t>(STEPS + bucket % STEPS + 1) << shift) - 1)


cdef class Histogram:
    """Counts of whole numbers; quantiles are at most 3.2 % above the true value."""

    def __cinit__(self):
        self.clear()

    cdef void record(self, int64_t value) noexcept nogil:
        self.counts[bucket_of(value)] += 1
        self.count += 1
        if value > self.most:
            self.most = value

    def add(self, int64_t value):
        """Count `value`; below 0 is counted as 0."""
        self.record(value)

    def clear(self):
        """Forget everything."""
        memset(self.counts, 0, sizeof(self.counts))
        self.count = 0
        self.most = 0

    def quantile(self, double fraction):
        """The value that `fraction` (0 to 1) of the counted values do not exceed; 0 while empty."""
        cdef uint64_t wanted, seen = 0
        cdef int bucket
        if not 0.0 <= fraction <= 1.0:
            raise ValueError(f"a quantile lies between 0 and 1, not at {fraction}")
        wanted = <uint64_t>(fraction * self.count)
        if wanted < fraction * self.count or wanted == 0:
            wanted += 1
        for bucket in range(BUCKETS):
            seen += self.counts[bucket]
            if seen >= wanted:
                return min(last_value_of(bucket), self.most)
        return self.most
