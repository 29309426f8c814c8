# CoAP datagrams (RFC 7252, section 3) to Message and back: the contract.
#
# Pure bytes in, pure values out: no socket, no clock, no device. Parsing takes no GIL, raises
# nothing and allocates nothing; a refusal is one of the Reject numbers. Numbers and the token are
# copied; path, query and payload are views that live as long as the datagram's bytes.

from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcmp

from lwm2m_fast.cursor cimport Writer


cdef enum:
    MAX_TOKEN = 8                 # RFC 7252, section 3
    MAX_PATH = 8                  # segments; LwM2M needs five with an alternate root
    MAX_QUERY = 32                # more than any registration carries
    MAX_ETAG = 8

cdef enum Type:
    CON = 0
    NON = 1
    ACK = 2
    RST = 3

cdef enum Reject:
    REJECT_NONE = 0
    REJECT_SHORT                  # fewer than four bytes
    REJECT_VERSION                # RFC 7252, section 3: silently ignored
    REJECT_TOKEN_LENGTH           # 9 to 15 are reserved
    REJECT_TOKEN_TRUNCATED
    REJECT_EMPTY_NOT_EMPTY        # code 0.00 with anything behind the message id
    REJECT_CODE_CLASS             # classes 1, 6 and 7 are reserved
    REJECT_TYPE_CODE              # an empty NON, a request in an ACK, anything but empty in a RST
    REJECT_OPTION_DELTA           # 15 without being the payload marker, or a number over 65535
    REJECT_OPTION_LENGTH          # 15 is reserved
    REJECT_OPTION_TRUNCATED
    REJECT_PAYLOAD_EMPTY          # a marker with nothing behind it
    REJECT_COUNT

# What was present, in Message.options.
cdef enum Present:
    HAS_OBSERVE = 1
    HAS_BLOCK1 = 2
    HAS_BLOCK2 = 4
    HAS_CONTENT_FORMAT = 8
    HAS_ACCEPT = 16
    HAS_SIZE1 = 32
    HAS_SIZE2 = 64
    HAS_ETAG = 128
    HAS_MORE_PATH = 256           # more Uri-Path (or Location-Path) segments than MAX_PATH
    HAS_MORE_QUERY = 512

cdef struct Span:
    const uint8_t *data
    uint32_t size

# Block1 and Block2 values (RFC 7959, section 2.2).
cdef struct Block:
    uint32_t number
    uint8_t szx                   # size is 1 << (szx + 4); 7 is reserved
    bint more

cdef struct Message:
    uint8_t type
    uint8_t code
    uint16_t mid
    uint8_t token_size
    uint8_t path_count            # Uri-Path in a request, Location-Path in a response
    uint8_t query_count
    uint8_t etag_size
    uint8_t token[MAX_TOKEN]
    uint32_t options              # Present bits
    uint16_t bad_option           # the first critical option that is unknown or unusable; 0 = none
    uint16_t content_format
    uint16_t accept
    uint32_t observe
    uint32_t size1
    uint32_t size2
    Block block1
    Block block2
    uint8_t etag[MAX_ETAG]
    const uint8_t *payload
    uint32_t payload_size
    Span path[MAX_PATH]
    Span query[MAX_QUERY]


# Fills `m`. On a refusal, type, code and mid are set whenever four bytes were there.
cdef Reject parse_message(const uint8_t *data, size_t size, Message *m) noexcept nogil

# Building, in this order: header, options in ascending number (`last` starts at 0), payload.
cdef void build_header(Writer *w, int type, int code, int mid,
                       const uint8_t *token, int token_size) noexcept nogil
cdef void build_option(Writer *w, int *last, int number,
                       const uint8_t *data, size_t size) noexcept nogil
cdef void build_option_uint(Writer *w, int *last, int number, uint32_t value) noexcept nogil
cdef void build_payload(Writer *w, const uint8_t *data, size_t size) noexcept nogil

cdef inline uint32_t block_value(const Block *block) noexcept nogil:
    return block.number << 4 | (8 if block.more else 0) | block.szx

cdef inline size_t block_bytes(int szx) noexcept nogil:
    return <size_t>1 << (szx + 4)

cdef inline bint is_request(int code) noexcept nogil:
    return 0 < code < 32

cdef inline bint is_response(int code) noexcept nogil:
    return code >= 64

cdef inline bint path_is(const Message *m, int position, const char *text,
                         size_t size) noexcept nogil:
    return m.path[position].size == size and memcmp(m.path[position].data, text, size) == 0
