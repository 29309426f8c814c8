# CoAP datagrams (RFC 7252, section 3) to Message and back.
#
# Pure bytes in, pure values out: no socket, no clock, no device. Anything that remembers a
# previous datagram belongs in core/exchange.pyx.
#
#     0                   1                   2                   3
#    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
#   |Ver| T |  TKL  |      Code     |          Message ID           |
#   |   Token (if any, TKL bytes) ...   Options (if any) ...
#   |1 1 1 1 1 1 1 1|    Payload (if any) ...

from libc.string cimport memcpy

from lwm2m_fast.cursor cimport (Reader, Writer, read_u8, read_u16, read_view, reader_init,
                                reader_left, write_bytes, write_u8, write_u16, writer_init,
                                writer_size)

from lwm2m_fast.errors import FormatError

cdef enum OptionKind:
    KIND_IGNORED = 1              # understood, and without meaning to us
    KIND_UINT
    KIND_BLOCK
    KIND_ETAG
    KIND_PATH
    KIND_QUERY

# What we understand, by option number (RFC 7252, section 5.10; RFC 7641; RFC 7959). `present` is
# the bit that a second one of its kind finds set; 0 marks the repeatable ones. Everything that is
# not here is unknown: a critical one (odd number) makes the message unusable, others are skipped.
cdef struct OptionRule:
    uint8_t kind
    uint8_t least
    uint16_t most
    uint16_t present

cdef enum:
    RULES = 61

cdef OptionRule RULE[RULES]
RULE[3] = OptionRule(KIND_IGNORED, 1, 255, 0)                        # Uri-Host
RULE[4] = OptionRule(KIND_ETAG, 1, 8, HAS_ETAG)
RULE[6] = OptionRule(KIND_UINT, 0, 3, HAS_OBSERVE)
RULE[7] = OptionRule(KIND_IGNORED, 0, 2, 0)                          # Uri-Port
RULE[8] = OptionRule(KIND_PATH, 0, 255, 0)                           # Location-Path
RULE[11] = OptionRule(KIND_PATH, 0, 255, 0)                          # Uri-Path
RULE[12] = OptionRule(KIND_UINT, 0, 2, HAS_CONTENT_FORMAT)
RULE[14] = OptionRule(KIND_IGNORED, 0, 4, 0)                         # Max-Age
# Three more than RFC 7252 allows: a 255-byte endpoint name behind "ep=".
RULE[15] = OptionRule(KIND_QUERY, 0, 258, 0)
RULE[17] = OptionRule(KIND_UINT, 0, 2, HAS_ACCEPT)
RULE[20] = OptionRule(KIND_IGNORED, 0, 255, 0)                       # Location-Query
RULE[23] = OptionRule(KIND_BLOCK, 0, 3, HAS_BLOCK2)
RULE[27] = OptionRule(KIND_BLOCK, 0, 3, HAS_BLOCK1)
RULE[28] = OptionRule(KIND_UINT, 0, 4, HAS_SIZE2)
RULE[60] = OptionRule(KIND_UINT, 0, 4, HAS_SIZE1)


cdef inline int read_extended(Reader *r, int nibble) noexcept nogil:
    """The delta or length behind its nibble (RFC 7252, section 3.1); -1: out of bytes."""
    cdef int more
    if nibble < 13:
        return nibble
    if nibble == 13:
        more = read_u8(r)
        return -1 if more < 0 else 13 + more
    more = read_u16(r)
    return -1 if more < 0 else 269 + more


cdef inline uint32_t option_uint(const uint8_t *data, size_t size) noexcept nogil:
    cdef uint32_t value = 0
    cdef size_t i
    for i in range(size):
        value = value << 8 | data[i]
    return value


cdef inline void take_block(Block *block, const uint8_t *data, size_t size) noexcept nogil:
    cdef uint32_t value = option_uint(data, size)
    block.number = value >> 4
    block.more = value >> 3 & 1
    block.szx = value & 7


cdef inline void take_uint(Message *m, int number, uint32_t value) noexcept nogil:
    if number == 12:
        m.content_format = <uint16_t>value
    elif number == 17:
        m.accept = <uint16_t>value
    elif number == 6:
        m.observe = value
    elif number == 60:
        m.size1 = value
    else:
        m.size2 = value


cdef inline void refuse_option(Message *m, int number) noexcept nogil:
    """RFC 7252, section 5.4.1: elective options are skipped, critical ones remembered."""
    if number & 1 and not m.bad_option:
        m.bad_option = <uint16_t>number


cdef inline void take_option(Message *m, int number, const uint8_t *data, size_t size) noexcept nogil:
    cdef OptionRule *rule
    if number >= RULES or RULE[number].kind == 0:
        refuse_option(m, number)
        return
    rule = &RULE[number]
    # A wrong length or a second one where one may be: as if unknown (sections 5.4.3 and 5.4.5).
    if size < rule.least or size > rule.most or m.options & rule.present:
        refuse_option(m, number)
        return
    m.options |= rule.present
    if rule.kind == KIND_PATH:
        if (number == 11) != is_request(m.code):
            return
        if m.path_count == MAX_PATH:
            m.options |= HAS_MORE_PATH
            return
        m.path[m.path_count].data = data
        m.path[m.path_count].size = <uint32_t>size
        m.path_count += 1
    elif rule.kind == KIND_QUERY:
        if m.query_count == MAX_QUERY:
            m.options |= HAS_MORE_QUERY
            return
        m.query[m.query_count].data = data
        m.query[m.query_count].size = <uint32_t>size
        m.query_count += 1
    elif rule.kind == KIND_UINT:
        take_uint(m, number, option_uint(data, size))
    elif rule.kind == KIND_BLOCK:
        take_block(&m.block1 if number == 27 else &m.block2, data, size)
    elif rule.kind == KIND_ETAG:
        memcpy(m.etag, data, size)
        m.etag_size = <uint8_t>size


cdef inline Reject parse_options(Reader *r, Message *m) noexcept nogil:
    cdef int number = 0, head, delta, length
    cdef const uint8_t *data
    while r.pos < r.end:
        head = read_u8(r)
        if head == 0xFF:
            if r.pos == r.end:
                return REJECT_PAYLOAD_EMPTY
            m.payload = r.pos
            m.payload_size = <uint32_t>reader_left(r)
            return REJECT_NONE
        if head >> 4 == 15:
            return REJECT_OPTION_DELTA
        if head & 15 == 15:
            return REJECT_OPTION_LENGTH
        delta = read_extended(r, head >> 4)
        length = read_extended(r, head & 15)
        if delta < 0 or length < 0:
            return REJECT_OPTION_TRUNCATED
        number += delta
        if number > 0xFFFF:
            return REJECT_OPTION_DELTA
        data = read_view(r, length)
        if data == NULL:
            return REJECT_OPTION_TRUNCATED
        take_option(m, number, data, length)
    return REJECT_NONE


cdef inline Reject check_head(const Message *m, size_t left) noexcept nogil:
    """What the first four bytes already forbid; `left` bytes follow the token."""
    cdef int code_class = m.code >> 5
    if m.code == 0:
        if m.token_size or left:
            return REJECT_EMPTY_NOT_EMPTY
        return REJECT_TYPE_CODE if m.type == NON else REJECT_NONE
    if code_class == 1 or code_class > 5:
        return REJECT_CODE_CLASS
    if m.type == RST or (m.type == ACK and code_class == 0):
        return REJECT_TYPE_CODE
    return REJECT_NONE


cdef Reject parse_message(const uint8_t *data, size_t size, Message *m) noexcept nogil:
    cdef Reader r
    cdef const uint8_t *token
    cdef Reject reject
    m.type = m.code = m.mid = 0
    m.token_size = m.path_count = m.query_count = m.etag_size = 0
    m.options = m.bad_option = 0
    m.payload = NULL
    m.payload_size = 0
    if size < 4:
        return REJECT_SHORT
    if data[0] >> 6 != 1:
        return REJECT_VERSION
    m.type = data[0] >> 4 & 3
    m.code = data[1]
    m.mid = <uint16_t>(data[2] << 8 | data[3])
    if data[0] & 15 > MAX_TOKEN:
        return REJECT_TOKEN_LENGTH
    reader_init(&r, data + 4, size - 4)
    token = read_view(&r, data[0] & 15)
    if token == NULL:
        return REJECT_TOKEN_TRUNCATED
    m.token_size = data[0] & 15
    memcpy(m.token, token, m.token_size)
    reject = check_head(m, reader_left(&r))
    return reject if reject else parse_options(&r, m)


cdef void build_header(Writer *w, int type, int code, int mid,
                       const uint8_t *token, int token_size) noexcept nogil:
    write_u8(w, 1 << 6 | type << 4 | token_size)
    write_u8(w, code)
    write_u16(w, mid)
    write_bytes(w, token, token_size)


cdef inline int nibble_of(int value) noexcept nogil:
    return value if value < 13 else 13 if value < 269 else 14


cdef inline void write_extended(Writer *w, int value) noexcept nogil:
    if value >= 269:
        write_u16(w, value - 269)
    elif value >= 13:
        write_u8(w, value - 13)


cdef void build_option(Writer *w, int *last, int number,
                       const uint8_t *data, size_t size) noexcept nogil:
    cdef int delta = number - last[0]
    write_u8(w, nibble_of(delta) << 4 | nibble_of(<int>size))
    write_extended(w, delta)
    write_extended(w, <int>size)
    write_bytes(w, data, size)
    last[0] = number


cdef void build_option_uint(Writer *w, int *last, int number, uint32_t value) noexcept nogil:
    """Without leading zero bytes; zero is no byte at all (RFC 7252, section 3.2)."""
    cdef uint8_t data[4]
    cdef int size = 4 if value >> 24 else 3 if value >> 16 else 2 if value >> 8 else 1 if value else 0
    cdef int i
    for i in range(size):
        data[i] = <uint8_t>(value >> 8 * (size - 1 - i))
    build_option(w, last, number, data, size)


cdef void build_payload(Writer *w, const uint8_t *data, size_t size) noexcept nogil:
    """Nothing for an empty payload: a marker without bytes is a format error."""
    if size:
        write_u8(w, 0xFF)
        write_bytes(w, data, size)


# The Python edge: for tests, tools and whoever is not in a hurry.

REASONS = {
    REJECT_SHORT: "short",
    REJECT_VERSION: "version",
    REJECT_TOKEN_LENGTH: "token_length",
    REJECT_TOKEN_TRUNCATED: "token_truncated",
    REJECT_EMPTY_NOT_EMPTY: "empty_not_empty",
    REJECT_CODE_CLASS: "code_class",
    REJECT_TYPE_CODE: "type_code",
    REJECT_OPTION_DELTA: "option_delta",
    REJECT_OPTION_LENGTH: "option_length",
    REJECT_OPTION_TRUNCATED: "option_truncated",
    REJECT_PAYLOAD_EMPTY: "payload_empty",
}

# Present bit -> (name of the value, how to read it); see `parse`.
cdef tuple VALUES = (
    (HAS_OBSERVE, "observe"), (HAS_CONTENT_FORMAT, "content_format"), (HAS_ACCEPT, "accept"),
    (HAS_SIZE1, "size1"), (HAS_SIZE2, "size2"), (HAS_BLOCK1, "block1"), (HAS_BLOCK2, "block2"),
    (HAS_ETAG, "etag"), (HAS_MORE_PATH, "more_path"), (HAS_MORE_QUERY, "more_query"),
)


cdef dict values_of(const Message *m):
    values = {
        "observe": m.observe, "content_format": m.content_format, "accept": m.accept,
        "size1": m.size1, "size2": m.size2,
        "block1": (m.block1.number, bool(m.block1.more), m.block1.szx),
        "block2": (m.block2.number, bool(m.block2.more), m.block2.szx),
        "etag": (<const char *>m.etag)[:m.etag_size], "more_path": True, "more_query": True,
    }
    return {name: values[name] for bit, name in VALUES if m.options & bit}


def parse(bytes datagram):
    """A datagram as a dict; FormatError names the reason.

    Keys: type, code, mid, token, path, query, payload, bad_option (0 or the first critical option
    that cannot be honoured), and the options that were present under their own names.
    """
    cdef Message m
    cdef Reject reject = parse_message(<const uint8_t *><const char *>datagram, len(datagram), &m)
    if reject:
        raise FormatError(f"not a CoAP message: {REASONS[reject]} ({len(datagram)} bytes)")
    message = {
        "type": m.type, "code": m.code, "mid": m.mid,
        "token": (<const char *>m.token)[:m.token_size],
        "path": [(<const char *>m.path[i].data)[:m.path[i].size] for i in range(m.path_count)],
        "query": [(<const char *>m.query[i].data)[:m.query[i].size] for i in range(m.query_count)],
        "payload": (<const char *>m.payload)[:m.payload_size] if m.payload_size else b"",
        "bad_option": m.bad_option,
    }
    message.update(values_of(&m))
    return message


def build(int type, int code, int mid, bytes token=b"", options=(), bytes payload=b""):
    """A datagram from its parts; `options` are (number, bytes or int), in any order."""
    cdef int last = 0
    cdef Writer w
    cdef bytes value
    if len(token) > MAX_TOKEN or not 0 <= mid <= 0xFFFF or not 0 <= code <= 255 or not 0 <= type <= 3:
        raise ValueError("a token has at most 8 bytes; type, code and mid have 2, 8 and 16 bits")
    size = 4 + len(token) + 1 + len(payload)
    size += sum(5 + (4 if isinstance(v, int) else len(v)) for _, v in options)
    cdef bytearray data = bytearray(size)
    writer_init(&w, <uint8_t *><char *>data, size)
    build_header(&w, type, code, mid, <const uint8_t *><const char *>token, len(token))
    for number, option in sorted(options, key=lambda pair: pair[0]):
        if isinstance(option, int):
            build_option_uint(&w, &last, number, option)
        else:
            value = option
            build_option(&w, &last, number, <const uint8_t *><const char *>value, len(value))
    build_payload(&w, <const uint8_t *><const char *>payload, len(payload))
    return bytes(data[:writer_size(&w)])
