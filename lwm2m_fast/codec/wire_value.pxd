# A value as a self-describing format wrote it, and how it becomes the kind its resource has.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from lwm2m_fast.codec.node cimport Number, Record


cdef enum WireType:
    WIRE_NONE = 0                   # nothing was written
    WIRE_NULL
    WIRE_INTEGER                    # number.i; is_fraction when it was written as 2.0 or 2e3
    WIRE_UNSIGNED                   # number.u, beyond 2^63 - 1; is_fraction likewise
    WIRE_FLOAT                      # number.f; is_fraction when it is known not to be whole
    WIRE_BOOLEAN                    # number.i
    WIRE_TEXT
    WIRE_DATA
    WIRE_LINK                       # text that has to be "object:instance"


cdef struct WireValue:
    int type
    bint is_fraction
    bint is_time                    # tagged as seconds since 1970 (RFC 8949, section 3.4)
    bint is_plain                   # the characters of a text lie at `text`, unescaped and whole
    Number number
    const uint8_t *text
    uint32_t offset                 # of the content in the payload
    uint32_t size
    uint8_t form


# Fill kind, number and content of the record, `wanted` being a ValueKind or KIND_UNKNOWN.
# 0, or -1 when the value cannot be of that kind.
cdef int take_value(const WireValue *value, int wanted, Record *record) noexcept nogil

# The value plus a SenML base value: 0, or -1 when there is no such number.
cdef int add_base(WireValue *value, const WireValue *base) noexcept nogil

# "object:instance" as object << 16 | instance, or -1.
cdef int64_t read_link(const uint8_t *text, size_t size) noexcept nogil

# Seconds in a double as nanoseconds: the decimal that the double stands for when that has at most
# nine places, else the nearest nanosecond. 0, or -1 when out of range.
cdef int double_to_ns(double seconds, int64_t *ns) noexcept nogil
