# CBOR data items (RFC 8949): checked and read where they lie.
#
# Numbers are taken in every form that senders choose: integers, half, single and double floats,
# big numbers that fit (tags 2, 3), decimal fractions (tag 4), epoch times (tag 1).

from libc.math cimport INFINITY, NAN, ldexp
from libc.stdint cimport INT64_MAX, uint32_t
from libc.string cimport memcpy

from lwm2m_fast.codec.cbor_head cimport (
    CBOR_ARRAY, CBOR_BREAK, CBOR_BYTES, CBOR_INDEFINITE, CBOR_MAP, CBOR_NEGATIVE, CBOR_SIMPLE,
    CBOR_TAG, CBOR_TEXT, CBOR_UNSIGNED, read_head,
)
from lwm2m_fast.codec.characters cimport utf8_problem
from lwm2m_fast.codec.decimal cimport Decimal, decimal_to_i64, decimal_to_ns, decimal_value
from lwm2m_fast.codec.wire_value cimport (
    WIRE_FLOAT, WIRE_INTEGER, WIRE_UNSIGNED, double_to_ns,
)
from lwm2m_fast.cursor cimport reader_left, write_u8, write_uint

PROBLEMS = (
    "", "the payload ends early", "a head that is reserved (RFC 8949, section 3)",
    "not the type of item that belongs here", "nested too deeply", "not UTF-8",
    "a number that no value can hold", "a break with nothing to end",
)

cdef enum:
    TAG_TIME = 1
    TAG_BIG = 2
    TAG_BIG_NEGATIVE = 3
    TAG_DECIMAL = 4
    INFO_HALF = 25
    INFO_SINGLE = 26
    INFO_DOUBLE = 27
    EXPONENT_LIMIT = 400

cdef int64_t SECONDS_LIMIT = 9_223_372_036          # what 64 bits of nanoseconds hold


cdef int check_chunk(const String *chunk, int major) noexcept nogil:
    if major == CBOR_TEXT and utf8_problem(chunk.start, chunk.size) >= 0:
        return ITEM_UTF8
    return ITEM_FINE


cdef int item_string(Reader *r, int major, String *string) noexcept nogil:
    cdef Head head
    cdef String chunk
    cdef int problem = read_head(r, &head)
    if problem:
        return problem
    if head.major != major:
        return ITEM_TYPE
    string.start = r.pos
    string.is_chunked = head.info == CBOR_INDEFINITE
    if not string.is_chunked:
        if head.argument > reader_left(r):
            return ITEM_SHORT
        string.size = <size_t>head.argument
        r.pos += string.size
        return check_chunk(string, major)
    while r.pos < r.end and r.pos[0] != CBOR_BREAK:
        problem = read_head(r, &head)
        if problem:
            return problem
        if head.major != major or head.info == CBOR_INDEFINITE:
            return ITEM_TYPE            # chunks are plain strings of the same type (section 3.2.3)
        if head.argument > reader_left(r):
            return ITEM_SHORT
        chunk.start = r.pos
        chunk.size = <size_t>head.argument
        r.pos += chunk.size
        problem = check_chunk(&chunk, major)
        if problem:
            return problem
    if r.pos >= r.end:
        return ITEM_SHORT
    string.size = <size_t>(r.pos - string.start)
    r.pos += 1
    return ITEM_FINE


cdef double half_to_double(uint64_t bits) noexcept nogil:
    """A half-precision float (RFC 8949, appendix D)."""
    cdef int exponent = <int>(bits >> 10 & 31)
    cdef int mantissa = <int>(bits & 0x3FF)
    cdef double value
    if exponent == 31:
        value = NAN if mantissa else INFINITY
    elif exponent:
        value = ldexp(<double>(mantissa + 1024), exponent - 25)
    else:
        value = ldexp(<double>mantissa, -24)
    return -value if bits & 0x8000 else value


cdef int float_of(const Head *head, double *value) noexcept nogil:
    cdef float single
    cdef uint32_t bits
    if head.info == INFO_DOUBLE:
        memcpy(value, &head.argument, 8)
    elif head.info == INFO_SINGLE:
        bits = <uint32_t>head.argument
        memcpy(&single, &bits, 4)
        value[0] = single
    elif head.info == INFO_HALF:
        value[0] = half_to_double(head.argument)
    else:
        return ITEM_TYPE
    return ITEM_FINE


cdef int set_integer(WireValue *value, bint negative, uint64_t magnitude) noexcept nogil:
    """magnitude, or -1 - magnitude when negative."""
    value.type = WIRE_INTEGER
    if magnitude <= <uint64_t>INT64_MAX:
        value.number.i = -1 - <int64_t>magnitude if negative else <int64_t>magnitude
    elif not negative:
        value.type = WIRE_UNSIGNED
        value.number.u = magnitude
    else:
        value.type = WIRE_FLOAT
        value.number.f = -1.0 - <double>magnitude
        value.is_fraction = True        # no integer kind may take what was rounded
    return ITEM_FINE


cdef int big_number(Reader *r, bint negative, WireValue *value) noexcept nogil:
    cdef String string
    cdef uint64_t magnitude = 0
    cdef size_t i
    cdef int problem = item_string(r, CBOR_BYTES, &string)
    if problem:
        return problem
    if string.is_chunked:
        return ITEM_TYPE
    for i in range(string.size):
        if magnitude >> 56:
            return ITEM_RANGE
        magnitude = magnitude << 8 | string.start[i]
    return set_integer(value, negative, magnitude)


cdef int decimal_parts(Reader *r, Decimal *number) noexcept nogil:
    """[exponent, mantissa] of a decimal fraction (section 3.4.4)."""
    cdef WireValue exponent, mantissa
    cdef Head head
    cdef int problem = read_head(r, &head)
    if problem:
        return problem
    if head.major != CBOR_ARRAY or head.argument != 2 or head.info == CBOR_INDEFINITE:
        return ITEM_TYPE
    problem = plain_number(r, &exponent)
    if not problem:
        problem = plain_number(r, &mantissa)
    if problem:
        return problem
    if exponent.type != WIRE_INTEGER or mantissa.type != WIRE_INTEGER:
        return ITEM_TYPE
    if not -EXPONENT_LIMIT <= exponent.number.i <= EXPONENT_LIMIT:
        return ITEM_RANGE
    number.negative = mantissa.number.i < 0
    number.digits = (0 - <uint64_t>mantissa.number.i if number.negative
                     else <uint64_t>mantissa.number.i)
    number.exponent = <int>exponent.number.i
    number.dropped = False
    number.size = 0
    return ITEM_FINE


cdef int plain_number(Reader *r, WireValue *value) noexcept nogil:
    """A number without tags."""
    cdef Head head
    cdef int problem = read_head(r, &head)
    value.is_fraction = False
    value.is_time = False
    if problem:
        return problem
    if head.major <= CBOR_NEGATIVE:
        return set_integer(value, head.major == CBOR_NEGATIVE, head.argument)
    if head.major != CBOR_SIMPLE:
        return ITEM_TYPE
    value.type = WIRE_FLOAT
    return float_of(&head, &value.number.f)


cdef int tagged_number(Reader *r, uint64_t tag, WireValue *value) noexcept nogil:
    cdef Decimal number
    cdef int problem
    value.is_fraction = False
    value.is_time = False
    if tag == TAG_TIME:
        problem = plain_number(r, value)
        value.is_time = True
        return problem
    if tag == TAG_BIG or tag == TAG_BIG_NEGATIVE:
        return big_number(r, tag == TAG_BIG_NEGATIVE, value)
    if tag != TAG_DECIMAL:
        return ITEM_TYPE
    problem = decimal_parts(r, &number)
    if problem:
        return problem
    if decimal_to_i64(&number, &value.number.i) == 0:
        value.type = WIRE_INTEGER
        value.is_fraction = number.exponent != 0
    else:
        value.type = WIRE_FLOAT
        value.number.f = decimal_value(&number)
        value.is_fraction = True
    return ITEM_FINE


cdef int item_number(Reader *r, WireValue *value) noexcept nogil:
    cdef Head head
    cdef int problem
    if r.pos < r.end and r.pos[0] >> 5 == CBOR_TAG:
        problem = read_head(r, &head)
        return problem if problem else tagged_number(r, head.argument, value)
    return plain_number(r, value)


cdef int item_seconds(Reader *r, int64_t *ns) noexcept nogil:
    cdef WireValue value
    cdef Decimal number
    cdef Head head
    cdef int problem
    if r.pos < r.end and r.pos[0] == (CBOR_TAG << 5 | TAG_DECIMAL):
        r.pos += 1
        problem = decimal_parts(r, &number)
        if problem:
            return problem
        return ITEM_FINE if decimal_to_ns(&number, ns) == 0 else ITEM_RANGE
    problem = item_number(r, &value)
    if problem:
        return problem
    if value.type == WIRE_FLOAT:
        return ITEM_FINE if double_to_ns(value.number.f, ns) == 0 else ITEM_RANGE
    if value.type != WIRE_INTEGER or not -SECONDS_LIMIT <= value.number.i <= SECONDS_LIMIT:
        return ITEM_RANGE
    ns[0] = value.number.i * 1_000_000_000
    return ITEM_FINE


cdef int skip_content(Reader *r, const Head *head, int depth) noexcept nogil:
    """Pass over the items inside an array, a map or a tag."""
    cdef uint64_t left = head.argument
    cdef uint64_t i = 0
    cdef int problem
    if depth <= 0:
        return ITEM_DEPTH
    if head.major == CBOR_TAG:
        return item_skip(r, depth - 1)
    if head.info == CBOR_INDEFINITE:
        while r.pos < r.end and r.pos[0] != CBOR_BREAK:
            problem = item_skip(r, depth - 1)
            if problem:
                return problem
            i += 1
        if r.pos >= r.end:
            return ITEM_SHORT
        r.pos += 1
        return ITEM_TYPE if head.major == CBOR_MAP and i & 1 else ITEM_FINE
    if left > reader_left(r):           # an item is at least a byte
        return ITEM_SHORT
    if head.major == CBOR_MAP:
        left *= 2
    while i < left:
        problem = item_skip(r, depth - 1)
        if problem:
            return problem
        i += 1
    return ITEM_FINE


cdef int item_skip(Reader *r, int depth) noexcept nogil:
    cdef const uint8_t *start = r.pos
    cdef String string
    cdef Head head
    cdef int problem = read_head(r, &head)
    if problem:
        return problem
    if head.major == CBOR_BYTES or head.major == CBOR_TEXT:
        r.pos = start
        return item_string(r, head.major, &string)
    if head.major == CBOR_SIMPLE:
        if head.info == CBOR_INDEFINITE:
            return ITEM_BREAK
        # Two-byte simple values start at 32 (section 3.3).
        return ITEM_RESERVED if head.info == 24 and head.argument < 32 else ITEM_FINE
    if head.major <= CBOR_NEGATIVE:
        return ITEM_FINE
    return skip_content(r, &head, depth)


cdef void write_double_item(Writer *w, double value) noexcept nogil:
    """A float in four bytes when they hold it unchanged, else in eight."""
    cdef uint64_t bits
    cdef uint32_t single_bits
    cdef float single
    if -3.4028234663852886e38 <= value <= 3.4028234663852886e38 and <double><float>value == value:
        single = <float>value
        memcpy(&single_bits, &single, 4)
        write_u8(w, CBOR_SIMPLE << 5 | INFO_SINGLE)
        write_uint(w, single_bits, 4)
        return
    memcpy(&bits, &value, 8)
    write_u8(w, CBOR_SIMPLE << 5 | INFO_DOUBLE)
    write_uint(w, bits, 8)
