# JSON tokens (RFC 8259): checked in one pass, resolved only when somebody wants the text.
#
# Knows no SenML and makes no Python object.

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport uint32_t
from libc.string cimport memcpy

from lwm2m_fast.codec.characters cimport utf8_problem
from lwm2m_fast.codec.decimal cimport Decimal, read_decimal
from lwm2m_fast.cursor cimport reader_init, reader_left

PROBLEMS = (
    "", "the text ends early", "an unescaped control character in a string",
    "an escape that JSON does not have", "not UTF-8", "not a JSON number of at most 128 characters",
    "nested too deeply", "not JSON",
)

cdef enum:
    PLAIN = 0
    QUOTE
    BACKSLASH
    CONTROL
    HIGH

cdef uint8_t[256] CLASS
cdef uint8_t[256] ESCAPED           # the character that stands behind a backslash -> its value


cdef void fill_tables() noexcept:
    cdef int i
    for i in range(256):
        CLASS[i] = CONTROL if i < 0x20 else HIGH if i >= 0x80 else PLAIN
        ESCAPED[i] = 0
    CLASS[c'"'] = QUOTE
    CLASS[c"\\"] = BACKSLASH
    ESCAPED[c'"'] = c'"'
    ESCAPED[c"\\"] = c"\\"
    ESCAPED[c"/"] = c"/"
    ESCAPED[c"b"] = 8
    ESCAPED[c"f"] = 12
    ESCAPED[c"n"] = 10
    ESCAPED[c"r"] = 13
    ESCAPED[c"t"] = 9


fill_tables()


cdef int read_hex4(const uint8_t *text) noexcept nogil:
    """The value of four hexadecimal digits, -1 when they are not."""
    cdef int value = 0
    cdef int i
    cdef uint8_t c
    for i in range(4):
        c = text[i]
        value <<= 4
        if c"0" <= c <= c"9":
            value |= c - c"0"
        elif c"a" <= (c | 0x20) <= c"f":
            value |= (c | 0x20) - c"a" + 10
        else:
            return -1
    return value


cdef int skip_escape(Reader *r) noexcept nogil:
    """Pass over an escape, checking it; the reader is at the backslash."""
    cdef int unit
    if reader_left(r) < 2:
        return JSON_SHORT
    if ESCAPED[r.pos[1]]:
        r.pos += 2
        return JSON_FINE
    if r.pos[1] != c"u":
        return JSON_ESCAPE
    if reader_left(r) < 6:
        return JSON_SHORT
    unit = read_hex4(r.pos + 2)
    if unit < 0 or 0xDC00 <= unit <= 0xDFFF:
        return JSON_ESCAPE
    if 0xD800 <= unit <= 0xDBFF:
        if reader_left(r) < 12:
            return JSON_SHORT
        if r.pos[6] != c"\\" or r.pos[7] != c"u" or not 0xDC00 <= read_hex4(r.pos + 8) <= 0xDFFF:
            return JSON_ESCAPE
        r.pos += 6
    r.pos += 6
    return JSON_FINE


cdef int json_string(Reader *r, Text *text) noexcept nogil:
    cdef bint high = False
    cdef int problem
    cdef uint8_t kind
    cdef Py_ssize_t wrong
    r.pos += 1
    text.start = r.pos
    text.escaped = False
    while r.pos < r.end:
        kind = CLASS[r.pos[0]]
        if kind == PLAIN:
            r.pos += 1
        elif kind == QUOTE:
            text.size = <size_t>(r.pos - text.start)
            if high:
                wrong = utf8_problem(text.start, text.size)
                if wrong >= 0:
                    r.pos = text.start + wrong
                    return JSON_UTF8
            r.pos += 1
            return JSON_FINE
        elif kind == BACKSLASH:
            text.escaped = True
            problem = skip_escape(r)
            if problem:
                return problem
        elif kind == HIGH:
            high = True
            r.pos += 1
        else:
            return JSON_CONTROL
    return JSON_SHORT


cdef inline uint8_t *put_utf8(uint8_t *out, uint32_t point) noexcept nogil:
    if point < 0x80:
        out[0] = <uint8_t>point
        return out + 1
    if point < 0x800:
        out[0] = <uint8_t>(0xC0 | point >> 6)
        out[1] = <uint8_t>(0x80 | (point & 0x3F))
        return out + 2
    if point < 0x10000:
        out[0] = <uint8_t>(0xE0 | point >> 12)
        out[1] = <uint8_t>(0x80 | (point >> 6 & 0x3F))
        out[2] = <uint8_t>(0x80 | (point & 0x3F))
        return out + 3
    out[0] = <uint8_t>(0xF0 | point >> 18)
    out[1] = <uint8_t>(0x80 | (point >> 12 & 0x3F))
    out[2] = <uint8_t>(0x80 | (point >> 6 & 0x3F))
    out[3] = <uint8_t>(0x80 | (point & 0x3F))
    return out + 4


cdef size_t json_unescape(const uint8_t *text, size_t size, uint8_t *out) noexcept nogil:
    cdef const uint8_t *end = text + size
    cdef uint8_t *start = out
    cdef uint32_t unit
    while text < end:
        if text[0] != c"\\":
            out[0] = text[0]
            text += 1
            out += 1
        elif text[1] != c"u":
            out[0] = ESCAPED[text[1]]
            text += 2
            out += 1
        else:
            unit = <uint32_t>read_hex4(text + 2)
            text += 6
            if 0xD800 <= unit <= 0xDBFF:
                unit = 0x10000 + ((unit - 0xD800) << 10) + (<uint32_t>read_hex4(text + 2) - 0xDC00)
                text += 6
            out = put_utf8(out, unit)
    return <size_t>(out - start)


cdef size_t json_escaped_size(const uint8_t *text, size_t size) noexcept nogil:
    cdef size_t total = size
    cdef size_t i
    cdef uint8_t kind
    for i in range(size):
        kind = CLASS[text[i]]
        if kind == CONTROL:
            total += 5
        elif kind == QUOTE or kind == BACKSLASH:
            total += 1
    return total


cdef size_t json_escape(const uint8_t *text, size_t size, uint8_t *out) noexcept nogil:
    cdef const char *digits = b"0123456789abcdef"
    cdef uint8_t *start = out
    cdef size_t i
    cdef uint8_t kind
    for i in range(size):
        kind = CLASS[text[i]]
        if kind == CONTROL:
            memcpy(out, b"\\u00", 4)
            out[4] = digits[text[i] >> 4]
            out[5] = digits[text[i] & 15]
            out += 6
            continue
        if kind == QUOTE or kind == BACKSLASH:
            out[0] = c"\\"
            out += 1
        out[0] = text[i]
        out += 1
    return <size_t>(out - start)


cdef bint skip_word(Reader *r, const char *word, size_t size) noexcept nogil:
    cdef size_t i
    if reader_left(r) < size:
        return False
    for i in range(size):
        if r.pos[i] != <uint8_t>word[i]:
            return False
    r.pos += size
    return True


cdef int skip_container(Reader *r, int depth) noexcept nogil:
    """Pass over an array or object; the reader is behind its opening bracket."""
    cdef uint8_t close = c"]" if (r.pos - 1)[0] == c"[" else c"}"
    cdef bint is_object = close == c"}"
    cdef Text text
    cdef int problem
    if depth <= 0:
        return JSON_DEPTH
    skip_space(r)
    if r.pos < r.end and r.pos[0] == close:
        r.pos += 1
        return JSON_FINE
    while True:
        if is_object:
            skip_space(r)
            if r.pos >= r.end or r.pos[0] != c'"':
                return JSON_SYNTAX if r.pos < r.end else JSON_SHORT
            problem = json_string(r, &text)
            if problem:
                return problem
            skip_space(r)
            if r.pos >= r.end or r.pos[0] != c":":
                return JSON_SYNTAX if r.pos < r.end else JSON_SHORT
            r.pos += 1
        problem = json_skip(r, depth - 1)
        if problem:
            return problem
        skip_space(r)
        if r.pos >= r.end:
            return JSON_SHORT
        r.pos += 1
        if (r.pos - 1)[0] == close:
            return JSON_FINE
        if (r.pos - 1)[0] != c",":
            r.pos -= 1
            return JSON_SYNTAX


cdef int json_skip(Reader *r, int depth) noexcept nogil:
    cdef Text text
    cdef Decimal number
    cdef uint8_t c
    skip_space(r)
    if r.pos >= r.end:
        return JSON_SHORT
    c = r.pos[0]
    if c == c'"':
        return json_string(r, &text)
    if c == c"[" or c == c"{":
        r.pos += 1
        return skip_container(r, depth)
    if c == c"-" or c"0" <= c <= c"9":
        return JSON_NUMBER if read_decimal(r, &number) else JSON_FINE
    if skip_word(r, b"true", 4) or skip_word(r, b"false", 5) or skip_word(r, b"null", 4):
        return JSON_FINE
    return JSON_SYNTAX


def check_json(bytes text not None, int depth):
    """(0, "") when `text` is one JSON value nested at most `depth` deep, else offset and reason."""
    cdef Reader r
    cdef const uint8_t *start = <const uint8_t *>PyBytes_AS_STRING(text)
    cdef int problem
    reader_init(&r, start, <size_t>PyBytes_GET_SIZE(text))
    problem = json_skip(&r, depth)
    skip_space(&r)
    if not problem and r.pos < r.end:
        problem = JSON_SYNTAX
    return r.pos - start if problem else 0, PROBLEMS[problem]
