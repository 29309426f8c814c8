# The query of a Register or Update: text in, checked values out. Knows no device.

from libc.string cimport memchr, memcmp, memcpy, memmove

from lwm2m_fast.core.records cimport (BINDING_H, BINDING_M, BINDING_N, BINDING_Q, BINDING_S,
                                      BINDING_T, BINDING_U, MAX_ENDPOINT, is_utf8,
                                      record_attributes)
from lwm2m_fast.wire.coap cimport HAS_MORE_QUERY
from lwm2m_fast.wire.numbers cimport BAD_REQUEST, PRECONDITION_FAILED

ctypedef int (*Take)(Params *params, const uint8_t *value, size_t size,
                     const char **why) noexcept nogil

cdef struct Key:
    const char *name
    size_t size
    bint has_value
    Take take


cdef int take_endpoint(Params *params, const uint8_t *value, size_t size,
                       const char **why) noexcept nogil:
    if params.endpoint_size or size == 0 or size > MAX_ENDPOINT or not is_utf8(value, size):
        why[0] = b"ep must be given once, as 1 to 255 bytes of UTF-8"
        return BAD_REQUEST
    params.endpoint = value
    params.endpoint_size = <uint32_t>size
    return 0


cdef int take_lifetime(Params *params, const uint8_t *value, size_t size,
                       const char **why) noexcept nogil:
    cdef unsigned long long seconds = 0
    cdef size_t i
    why[0] = b"lt must be given once, as a number from 0 to 4294967295"
    if params.has_lifetime or size == 0 or size > 10:
        return BAD_REQUEST
    for i in range(size):
        if not c'0' <= value[i] <= c'9':
            return BAD_REQUEST
        seconds = seconds * 10 + (value[i] - c'0')
    if seconds >> 32:
        return BAD_REQUEST
    params.lifetime_s = <uint32_t>seconds
    params.has_lifetime = True
    return 0


cdef int take_version(Params *params, const uint8_t *value, size_t size,
                      const char **why) noexcept nogil:
    why[0] = b"lwm2m must be given once, as major.minor"
    if (params.version or size != 3 or value[1] != c'.'
            or not c'0' <= value[0] <= c'9' or not c'0' <= value[2] <= c'9'):
        return BAD_REQUEST
    if value[0] != c'1' or value[2] > c'2':
        why[0] = b"this server speaks LwM2M 1.0, 1.1 and 1.2"
        return PRECONDITION_FAILED
    params.version = <uint8_t>(0x10 | (value[2] - c'0'))
    return 0


cdef int take_binding(Params *params, const uint8_t *value, size_t size,
                      const char **why) noexcept nogil:
    if params.binding_size or size == 0:
        why[0] = b"b must be given once, with the letters of the binding modes"
        return BAD_REQUEST
    params.binding_text = value
    params.binding_size = <uint32_t>size
    return 0


cdef int take_queue(Params *params, const uint8_t *value, size_t size,
                    const char **why) noexcept nogil:
    params.has_queue = True
    return 0


cdef Key KEYS[5]
KEYS[0] = Key(b"ep", 2, True, take_endpoint)
KEYS[1] = Key(b"lt", 2, True, take_lifetime)
KEYS[2] = Key(b"lwm2m", 5, True, take_version)
KEYS[3] = Key(b"b", 1, True, take_binding)
KEYS[4] = Key(b"Q", 1, False, take_queue)


cdef int keep_attribute(Params *params, const uint8_t *text, size_t size,
                        const char **why) noexcept nogil:
    """What the standard does not name is kept as it came, with a zero byte behind it."""
    if size == 0 or text[0] == c'=' or memchr(text, 0, size) != NULL:
        why[0] = b"a query parameter needs a name, and no zero byte"
        return BAD_REQUEST
    if params.attributes_size + size + 1 > MAX_ATTRIBUTES:
        why[0] = b"more than 4096 bytes of query parameters"
        return BAD_REQUEST
    memcpy(params.attributes + params.attributes_size, text, size)
    params.attributes_size += <uint32_t>size + 1
    params.attributes[params.attributes_size - 1] = 0
    return 0


cdef int take_query(Params *params, const uint8_t *text, size_t size,
                    const char **why) noexcept nogil:
    cdef const uint8_t *equals = <const uint8_t *>memchr(text, c'=', size) if size else NULL
    cdef size_t name = <size_t>(equals - text) if equals != NULL else size
    cdef int i
    for i in range(5):
        if KEYS[i].size != name or memcmp(KEYS[i].name, text, name):
            continue
        if KEYS[i].has_value != (equals != NULL):
            why[0] = b"ep, lt, lwm2m and b need a value; Q has none"
            return BAD_REQUEST
        return KEYS[i].take(params, text + name + 1, size - name - 1 if equals != NULL else 0, why)
    return keep_attribute(params, text, size, why)


cdef int params_parse(const Message *m, Params *params, const char **why) noexcept nogil:
    cdef int i, code
    params.endpoint_size = params.binding_size = params.binding = params.attributes_size = 0
    params.lifetime_s = 0
    params.has_lifetime = params.has_queue = False
    params.version = 0
    if m.options & HAS_MORE_QUERY:
        why[0] = b"more than 32 query parameters"
        return BAD_REQUEST
    for i in range(m.query_count):
        code = take_query(params, m.query[i].data, m.query[i].size, why)
        if code:
            return code
    return 0


# Which letters a version knows (TS 1.0 5.3.1.1; TS 1.1 and 1.2 Core 6.2.1.2). In 1.0 the queue
# mode is a letter; later it is the parameter Q.
cdef struct Letter:
    char letter
    uint8_t first, last           # versions
    uint32_t bit

cdef Letter LETTERS[7]
LETTERS[0] = Letter(c'U', 0x10, 0x12, BINDING_U)
LETTERS[1] = Letter(c'Q', 0x10, 0x10, BINDING_Q)
LETTERS[2] = Letter(c'S', 0x10, 0x12, BINDING_S)
LETTERS[3] = Letter(c'T', 0x11, 0x12, BINDING_T)
LETTERS[4] = Letter(c'N', 0x11, 0x12, BINDING_N)
LETTERS[5] = Letter(c'M', 0x12, 0x12, BINDING_M)
LETTERS[6] = Letter(c'H', 0x12, 0x12, BINDING_H)


cdef uint32_t binding_bit(char letter, int version) noexcept nogil:
    cdef int i
    for i in range(7):
        if LETTERS[i].letter == letter and LETTERS[i].first <= version <= LETTERS[i].last:
            return LETTERS[i].bit
    return 0


cdef int params_check_binding(Params *params, int version, const char **why) noexcept nogil:
    cdef uint32_t i, bit
    if params.has_queue and version == 0x10:
        why[0] = b"in LwM2M 1.0 the queue mode is a letter of b, not Q"
        return BAD_REQUEST
    for i in range(params.binding_size):
        bit = binding_bit(<char>params.binding_text[i], version)
        if not bit:
            why[0] = b"b has a letter that this LwM2M version does not know"
            return BAD_REQUEST
        params.binding |= bit
    return 0


cdef inline size_t name_size(const uint8_t *text, size_t size) noexcept nogil:
    cdef const uint8_t *equals = <const uint8_t *>memchr(text, c'=', size)
    return <size_t>(equals - text) if equals != NULL else size


cdef bint has_name(const Params *params, const uint8_t *text, size_t name) noexcept nogil:
    cdef const uint8_t *at = &params.attributes[0]
    cdef const uint8_t *end = at + params.attributes_size
    cdef const uint8_t *stop
    while at < end:
        stop = <const uint8_t *>memchr(at, 0, <size_t>(end - at))
        if name_size(at, <size_t>(stop - at)) == name and memcmp(at, text, name) == 0:
            return True
        at = stop + 1
    return False


cdef int params_merge(Params *params, const Record *before, const char **why) noexcept nogil:
    cdef const uint8_t *at = record_attributes(before)
    cdef const uint8_t *end = at + before.attributes_size
    cdef const uint8_t *stop
    cdef uint8_t kept[MAX_ATTRIBUTES]
    cdef size_t kept_size = 0
    while at < end:
        stop = <const uint8_t *>memchr(at, 0, <size_t>(end - at)) + 1
        if not has_name(params, at, name_size(at, <size_t>(stop - at - 1))):
            memcpy(kept + kept_size, at, <size_t>(stop - at))
            kept_size += <size_t>(stop - at)
        at = stop
    if kept_size + params.attributes_size > MAX_ATTRIBUTES:
        why[0] = b"more than 4096 bytes of query parameters, with those given before"
        return BAD_REQUEST
    memmove(params.attributes + kept_size, params.attributes, params.attributes_size)
    memcpy(params.attributes, kept, kept_size)
    params.attributes_size += <uint32_t>kept_size
    return 0
