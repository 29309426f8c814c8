# What is known of a registered device: memory and stored form. No table, no decision.
#
# The stored value, all integers big-endian:
#
#   format 1 | slot 4 | lifetime 4 | registered 8 | updated 8 | ip 16 | port 2 | local 2 | scope 4 |
#   random 6 | version 1 | queue 1 | binding 2 | attributes 4 + n | links 4 + n

from libc.stdlib cimport calloc
from libc.string cimport memcmp, memcpy

from lwm2m_fast.cursor cimport (read_u8, read_u16, read_uint, read_view, reader_init, write_bytes,
                                write_u8, write_u16, write_uint)

cdef enum:
    STORED_FORMAT = 1
    STORED_ADDRESS = 1 + 4 + 4 + 8 + 8      # where it begins
    STORED_FIXED = 1 + 4 + 4 + 8 + 8 + 16 + 2 + 2 + 4 + 6 + 1 + 1 + 2 + 4 + 4


cdef Record *record_new(const uint8_t *endpoint, size_t endpoint_size,
                        const uint8_t *attributes, size_t attributes_size) noexcept nogil:
    cdef Record *record = <Record *>calloc(
        1, sizeof(Record) + endpoint_size + attributes_size)
    if record == NULL:
        return NULL
    record.endpoint_size = <uint16_t>endpoint_size
    record.attributes_size = <uint32_t>attributes_size
    memcpy(record.data, endpoint, endpoint_size)
    if attributes_size:
        memcpy(record.data + endpoint_size, attributes, attributes_size)
    return record


cdef bint record_same(const Record *a, const Record *b) noexcept nogil:
    return (a.links == b.links and a.lifetime_s == b.lifetime_s and a.binding == b.binding
            and a.queue_mode == b.queue_mode and a.attributes_size == b.attributes_size
            and memcmp(&a.address, &b.address, sizeof(lf_addr)) == 0
            and memcmp(record_attributes(a), record_attributes(b), a.attributes_size) == 0)


cdef size_t record_stored_size(const Record *record) noexcept nogil:
    return STORED_FIXED + record.attributes_size + record.links.raw_size


cdef void record_store(const Record *record, Writer *w) noexcept nogil:
    write_u8(w, STORED_FORMAT)
    write_uint(w, record.slot, 4)
    write_uint(w, record.lifetime_s, 4)
    write_uint(w, <uint64_t>record.registered_ms, 8)
    write_uint(w, <uint64_t>record.updated_ms, 8)
    write_bytes(w, record.address.ip, 16)
    write_u16(w, record.address.port)
    write_u16(w, record.address.local)
    write_uint(w, record.address.scope, 4)
    write_bytes(w, record.random, ID_RANDOM)
    write_u8(w, record.version)
    write_u8(w, record.queue_mode)
    write_u16(w, record.binding)
    write_uint(w, record.attributes_size, 4)
    write_bytes(w, record_attributes(record), record.attributes_size)
    write_uint(w, record.links.raw_size, 4)
    write_bytes(w, record.links.data, record.links.raw_size)


cdef bint is_utf8(const uint8_t *text, size_t size) noexcept nogil:
    """Well-formed UTF-8 (RFC 3629): no overlong form, no surrogate, nothing above U+10FFFF."""
    cdef size_t i = 0
    cdef int more, k
    cdef uint8_t lead, low, high
    while i < size:
        lead = text[i]
        i += 1
        if lead < 0x80:
            continue
        low, high = 0x80, 0xBF
        if 0xC2 <= lead <= 0xDF:
            more = 1
        elif 0xE0 <= lead <= 0xEF:
            more = 2
            low = 0xA0 if lead == 0xE0 else 0x80
            high = 0x9F if lead == 0xED else 0xBF
        elif 0xF0 <= lead <= 0xF4:
            more = 3
            low = 0x90 if lead == 0xF0 else 0x80
            high = 0x8F if lead == 0xF4 else 0xBF
        else:
            return False
        for k in range(more):
            if i >= size or text[i] < low or text[i] > high:
                return False
            low, high = 0x80, 0xBF
            i += 1
    return True


cdef bint is_sound(const Record *fixed, const uint8_t *endpoint,
                   const uint8_t *attributes) noexcept nogil:
    """Whether a stored value is one that a registration can have: the disk is not trusted."""
    cdef uint32_t i
    if not is_utf8(endpoint, fixed.endpoint_size):
        return False
    if fixed.version < 0x10 or fixed.version > 0x12 or fixed.queue_mode > 1:
        return False
    if fixed.binding == 0 or fixed.binding >= 2 * BINDING_H:
        return False
    for i in range(fixed.attributes_size):      # texts that are not empty, each with its end
        if attributes[i] == 0 and (i == 0 or attributes[i - 1] == 0):
            return False
    return fixed.attributes_size == 0 or attributes[fixed.attributes_size - 1] == 0


cdef inline int64_t read_time(Reader *r) noexcept nogil:
    cdef int64_t high = read_uint(r, 4)
    return high << 32 | read_uint(r, 4)


cdef void read_address(Reader *r, lf_addr *address) noexcept nogil:
    memcpy(address.ip, read_view(r, 16), 16)
    address.port = <uint16_t>read_u16(r)
    address.local = <uint16_t>read_u16(r)
    address.scope = <uint32_t>read_uint(r, 4)


cdef bint record_peek(const uint8_t *value, size_t size, lf_addr *address) noexcept nogil:
    cdef Reader r
    if size < STORED_FIXED:
        return False
    reader_init(&r, value + STORED_ADDRESS, size - STORED_ADDRESS)
    read_address(&r, address)
    return True


cdef Record *record_load(const uint8_t *endpoint, size_t endpoint_size, Reader *r,
                         const uint8_t **raw, uint32_t *raw_size) noexcept nogil:
    """NULL for bytes that are no such value (another format, damage) and when out of memory."""
    cdef Record fixed
    cdef Record *record
    cdef const uint8_t *attributes
    cdef const uint8_t *bytes16
    cdef int64_t size
    if (endpoint_size == 0 or endpoint_size > MAX_ENDPOINT
            or <size_t>(r.end - r.pos) < STORED_FIXED or read_u8(r) != STORED_FORMAT):
        return NULL
    fixed.slot = <uint32_t>read_uint(r, 4)
    fixed.lifetime_s = <uint32_t>read_uint(r, 4)
    fixed.registered_ms = read_time(r)
    fixed.updated_ms = read_time(r)
    read_address(r, &fixed.address)
    memcpy(fixed.random, read_view(r, ID_RANDOM), ID_RANDOM)
    fixed.version = <uint8_t>read_u8(r)
    fixed.queue_mode = <uint8_t>read_u8(r)
    fixed.binding = <uint16_t>read_u16(r)
    size = read_uint(r, 4)
    if size > MAX_ATTRIBUTES:
        return NULL
    attributes = read_view(r, <size_t>size)
    if attributes == NULL:
        return NULL
    fixed.endpoint_size = <uint16_t>endpoint_size
    fixed.attributes_size = <uint32_t>size
    size = read_uint(r, 4)
    if size < 0 or <size_t>(r.end - r.pos) != <size_t>size:
        return NULL
    raw_size[0] = <uint32_t>size
    raw[0] = r.pos
    if not is_sound(&fixed, endpoint, attributes):
        return NULL
    record = record_new(endpoint, endpoint_size, attributes, fixed.attributes_size)
    if record != NULL:
        fixed.links = NULL
        memcpy(record, &fixed, <size_t>(fixed.data - <uint8_t *>&fixed))
    return record


cdef const char *ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
cdef signed char VALUE[256]
for _i in range(256):
    VALUE[_i] = -1
for _i in range(64):
    VALUE[<uint8_t>ALPHABET[_i]] = _i


cdef void id_write(uint8_t *text, uint32_t shard, uint32_t slot, const uint8_t *random) noexcept nogil:
    cdef uint64_t bits = 0
    cdef int i
    text[0] = ALPHABET[shard & 63]
    for i in range(5):
        text[1 + i] = ALPHABET[slot >> (6 * (4 - i)) & 63]
    for i in range(ID_RANDOM):
        bits = bits << 8 | random[i]
    for i in range(8):
        text[6 + i] = ALPHABET[bits >> (6 * (7 - i)) & 63]


cdef int id_read(const uint8_t *text, size_t size, uint32_t *shard, uint32_t *slot,
                 uint8_t *random) noexcept nogil:
    cdef uint64_t bits = 0
    cdef int i
    if size != ID_SIZE:
        return -1
    for i in range(ID_SIZE):
        if VALUE[text[i]] < 0:
            return -1
    shard[0] = <uint32_t>VALUE[text[0]]
    slot[0] = 0
    for i in range(1, 6):
        slot[0] = slot[0] << 6 | <uint32_t>VALUE[text[i]]
    for i in range(6, ID_SIZE):
        bits = bits << 6 | <uint64_t>VALUE[text[i]]
    for i in range(ID_RANDOM):
        random[i] = <uint8_t>(bits >> (8 * (ID_RANDOM - 1 - i)))
    return 0
