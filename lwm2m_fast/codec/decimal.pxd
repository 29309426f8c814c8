# Numbers written in decimal: text <-> integers, doubles and nanoseconds, exactly or not at all.

from libc.stdint cimport int64_t, uint8_t, uint64_t

from lwm2m_fast.cursor cimport Reader


cdef enum:
    DECIMAL_MAX_CHARACTERS = 128    # kinds.MAX_NUMBER_CHARACTERS
    DECIMAL_TEXT_MAX = 32           # the longest text that a write_ function makes


# (-1)^negative * digits * 10^exponent. `digits` holds the first 19 significant digits, or 20 where
# they fit; `dropped` says that there were more, not all of them zero.
cdef struct Decimal:
    const uint8_t *text
    size_t size
    uint64_t digits
    int exponent
    bint negative
    bint dropped


# Read a JSON number (RFC 8259, section 6): no plus sign, no leading zero. 0, or -1 with the
# reader left where it was.
cdef int read_decimal(Reader *r, Decimal *number) noexcept nogil

# The exact value: 0, or -1 when it has a fraction or does not fit.
cdef int decimal_to_i64(const Decimal *number, int64_t *value) noexcept nogil
cdef int decimal_to_u64(const Decimal *number, uint64_t *value) noexcept nogil
cdef int decimal_to_ns(const Decimal *number, int64_t *ns) noexcept nogil

# The nearest double; -1 when there is none (the number is beyond the largest).
cdef int decimal_to_double(const Decimal *number, double *value) noexcept

# The nearest double of a number that has no text, within an ulp or so; infinite when beyond.
cdef double decimal_value(const Decimal *number) noexcept nogil

# Each writes at most DECIMAL_TEXT_MAX characters and returns how many.
cdef size_t write_u64(uint64_t value, uint8_t *out) noexcept nogil
cdef size_t write_i64(int64_t value, uint8_t *out) noexcept nogil
# The shortest text that reads back as the same finite double.
cdef size_t write_double(double value, uint8_t *out) except 0
# Nanoseconds as decimal seconds.
cdef size_t write_seconds(int64_t ns, uint8_t *out) noexcept nogil
