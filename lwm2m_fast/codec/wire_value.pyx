# From the wire's own types to the kinds of resources, lenient where devices differ and nothing is
# lost: whole numbers for floats and the reverse, 0 and 1 for booleans, links as plain text.
#
# Knows no format and no path.

from libc.math cimport fabs, floor, isfinite, llround, trunc
from libc.stdint cimport INT64_MAX, INT64_MIN

from lwm2m_fast.codec.node cimport (
    KIND_BOOLEAN, KIND_CORELNK, KIND_FLOAT, KIND_INTEGER, KIND_NONE, KIND_NULL, KIND_OBJLNK,
    KIND_OPAQUE, KIND_STRING, KIND_TIME, KIND_UNKNOWN, KIND_UNSIGNED,
)

cdef double TWO_63 = 9223372036854775808.0
cdef double TWO_64 = 18446744073709551616.0
cdef uint8_t[9] OWN_KIND            # of a wire type, when the resource is unknown
OWN_KIND[:] = [
    KIND_NONE, KIND_NULL, KIND_INTEGER, KIND_UNSIGNED, KIND_FLOAT, KIND_BOOLEAN, KIND_STRING,
    KIND_OPAQUE, KIND_OBJLNK,
]


cdef int take_own(const WireValue *value, Record *record) noexcept nogil:
    if value.type == WIRE_LINK:
        return take_link(value, record)
    record.kind = OWN_KIND[value.type]
    if value.type == WIRE_INTEGER and value.is_fraction:
        record.kind = KIND_FLOAT
        record.number.f = <double>value.number.i
    elif value.type == WIRE_UNSIGNED and value.is_fraction:
        record.kind = KIND_FLOAT
        record.number.f = <double>value.number.u
    elif value.type == WIRE_INTEGER and value.is_time:
        record.kind = KIND_TIME
        record.number = value.number
    elif value.type == WIRE_TEXT or value.type == WIRE_DATA:
        take_content(value, record)
    else:
        record.number = value.number
    return 0


cdef inline int take_content(const WireValue *value, Record *record) noexcept nogil:
    record.offset = value.offset
    record.size = value.size
    record.form = value.form
    return 0


cdef int take_integer(const WireValue *value, Record *record) noexcept nogil:
    cdef double f = value.number.f
    if value.type == WIRE_INTEGER:
        record.number.i = value.number.i
        return 0
    if (value.type != WIRE_FLOAT or value.is_fraction or trunc(f) != f
            or not -TWO_63 <= f < TWO_63):
        return -1
    record.number.i = <int64_t>f
    return 0


cdef int take_unsigned(const WireValue *value, Record *record) noexcept nogil:
    cdef double f = value.number.f
    if value.type == WIRE_UNSIGNED or (value.type == WIRE_INTEGER and value.number.i >= 0):
        record.number.u = value.number.u
        return 0
    if value.type != WIRE_FLOAT or value.is_fraction or trunc(f) != f or not 0 <= f < TWO_64:
        return -1
    record.number.u = <uint64_t>f
    return 0


cdef int take_float(const WireValue *value, Record *record) noexcept nogil:
    if value.type == WIRE_FLOAT:
        record.number.f = value.number.f
    elif value.type == WIRE_INTEGER:
        record.number.f = <double>value.number.i
    elif value.type == WIRE_UNSIGNED:
        record.number.f = <double>value.number.u
    else:
        return -1
    return 0


cdef int take_boolean(const WireValue *value, Record *record) noexcept nogil:
    if value.type != WIRE_BOOLEAN and value.type != WIRE_INTEGER:
        return -1
    record.number.i = value.number.i
    return 0 if 0 <= value.number.i <= 1 else -1


cdef int take_link(const WireValue *value, Record *record) noexcept nogil:
    cdef int64_t link
    if (value.type != WIRE_LINK and value.type != WIRE_TEXT) or not value.is_plain:
        return -1
    link = read_link(value.text, value.size)
    if link < 0:
        return -1
    record.kind = KIND_OBJLNK
    record.number.u = <uint64_t>link
    return 0


cdef int take_text(const WireValue *value, Record *record) noexcept nogil:
    return take_content(value, record) if value.type == WIRE_TEXT else -1


cdef int take_data(const WireValue *value, Record *record) noexcept nogil:
    return take_content(value, record) if value.type == WIRE_DATA else -1


ctypedef int (*Take)(const WireValue *, Record *) noexcept nogil
cdef Take[11] TAKE                  # by the kind that is wanted
TAKE[:] = [
    take_own,                       # a resource without a value: whatever was sent is kept
    take_text, take_integer, take_unsigned, take_float, take_boolean, take_data, take_integer,
    take_link, take_text,
    take_own,
]


cdef int take_value(const WireValue *value, int wanted, Record *record) noexcept nogil:
    if wanted == KIND_UNKNOWN or value.type <= WIRE_NULL:
        return take_own(value, record)
    record.kind = <uint8_t>wanted
    return TAKE[wanted](value, record)


cdef double as_double(const WireValue *value) noexcept nogil:
    if value.type == WIRE_FLOAT:
        return value.number.f
    return <double>value.number.u if value.type == WIRE_UNSIGNED else <double>value.number.i


cdef int add_base(WireValue *value, const WireValue *base) noexcept nogil:
    cdef int64_t a = value.number.i
    cdef int64_t b = base.number.i
    if not WIRE_INTEGER <= value.type <= WIRE_FLOAT:
        return -1
    if value.type == WIRE_INTEGER and base.type == WIRE_INTEGER:
        if (b > 0 and a > INT64_MAX - b) or (b < 0 and a < INT64_MIN - b):
            return -1
        value.number.i = a + b
        value.is_fraction = value.is_fraction or base.is_fraction
        return 0
    value.number.f = as_double(value) + as_double(base)
    value.type = WIRE_FLOAT
    value.is_fraction = False
    return 0


cdef int64_t read_id(const uint8_t *text, size_t size) noexcept nogil:
    cdef int64_t value = 0
    cdef size_t i
    if not 1 <= size <= 5:
        return -1
    for i in range(size):
        if not c"0" <= text[i] <= c"9":
            return -1
        value = value * 10 + (text[i] - c"0")
    return value if value <= 65535 else -1


cdef int64_t read_link(const uint8_t *text, size_t size) noexcept nogil:
    cdef size_t colon = 0
    cdef int64_t object_id, instance_id
    while colon < size and colon <= 5 and text[colon] != c":":
        colon += 1
    if colon >= size or text[colon] != c":":
        return -1
    object_id = read_id(text, colon)
    instance_id = read_id(text + colon + 1, size - colon - 1)
    return -1 if object_id < 0 or instance_id < 0 else object_id << 16 | instance_id


cdef int double_to_ns(double seconds, int64_t *ns) noexcept nogil:
    cdef double magnitude = fabs(seconds)
    cdef double unit = 1
    cdef double scaled
    cdef int64_t ns_per_unit = 1_000_000_000
    if not isfinite(seconds) or magnitude >= 9223372036.0:
        return -1
    while ns_per_unit:
        scaled = floor(magnitude * unit + 0.5)
        if scaled > 9007199254740992.0:
            break
        if scaled / unit == magnitude:
            ns[0] = <int64_t>scaled * ns_per_unit
            break
        unit *= 10
        ns_per_unit //= 10
    if not ns_per_unit or scaled > 9007199254740992.0:
        scaled = floor(magnitude)
        ns[0] = <int64_t>scaled * 1_000_000_000 + llround((magnitude - scaled) * 1e9)
    if seconds < 0:
        ns[0] = -ns[0]
    return 0
