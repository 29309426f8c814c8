# What is known of a registered device, as one immutable block of memory, and its stored form.
#
# A change never edits a Record: it makes a new one and swaps the pointer, so that a change that
# the store refuses is undone by swapping back (core/changes).

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from lwm2m_fast.cursor cimport Reader, Writer
from lwm2m_fast.datagram cimport lf_addr


cdef enum:
    NONE = 0xFFFFFFFF             # no slot, no peer, no number
    MAX_ENDPOINT = 255            # bytes of UTF-8
    ID_SIZE = 14                  # characters of a registration id
    ID_RANDOM = 6                 # bytes of it that nobody can guess
    MAX_ATTRIBUTES = 4096         # bytes of further query parameters

# The binding modes a device may announce (LwM2M TS 1.2 Core, section 6.2.1.2), as bits.
cdef enum Binding:
    BINDING_U = 1
    BINDING_Q = 2
    BINDING_S = 4
    BINDING_T = 8
    BINDING_N = 16
    BINDING_M = 32
    BINDING_H = 64

# Links are shared: a fleet of one firmware sends the same few hundred bytes a million times.
cdef struct Links:
    uint32_t references
    uint32_t tag                  # hash of the raw bytes
    uint32_t raw_size             # `data` starts with the payload as received ...
    uint32_t packed_size          # ... and goes on with its parsed form (wire/link)
    uint32_t number               # in the LinkTable
    uint8_t data[1]

cdef struct Record:
    Links *links
    uint32_t slot
    uint32_t lifetime_s           # 0: forever
    int64_t registered_ms         # unix time
    int64_t updated_ms            # unix time of the last change that was stored
    lf_addr address
    uint8_t random[ID_RANDOM]
    uint8_t version               # 0x10, 0x11, 0x12
    uint8_t queue_mode
    uint16_t binding
    uint16_t endpoint_size
    uint32_t attributes_size      # "name=value" or "name", each ended by a zero byte
    uint8_t data[1]               # endpoint, then attributes


cdef inline const uint8_t *record_endpoint(const Record *record) noexcept nogil:
    return record.data

cdef inline const uint8_t *record_attributes(const Record *record) noexcept nogil:
    return record.data + record.endpoint_size

cdef inline const uint8_t *links_packed(const Links *links) noexcept nogil:
    return links.data + links.raw_size


# A new block with room for both texts; the caller fills it and owns it. NULL: out of memory.
cdef Record *record_new(const uint8_t *endpoint, size_t endpoint_size,
                        const uint8_t *attributes, size_t attributes_size) noexcept nogil
cdef bint is_utf8(const uint8_t *text, size_t size) noexcept nogil      # RFC 3629
cdef bint record_same(const Record *a, const Record *b) noexcept nogil    # but for the times

# The stored value; the key is the endpoint name.
cdef size_t record_stored_size(const Record *record) noexcept nogil
cdef void record_store(const Record *record, Writer *w) noexcept nogil
# Fills all of a new Record but `links`, which is left to the caller: `raw` is where its bytes are.
cdef Record *record_load(const uint8_t *endpoint, size_t endpoint_size, Reader *r,
                         const uint8_t **raw, uint32_t *raw_size) noexcept nogil

# The address in a stored value, before anything is known of it. False: it is too short for one.
cdef bint record_peek(const uint8_t *value, size_t size, lf_addr *address) noexcept nogil

# shard (6 bits), slot (30 bits), random (48 bits) as 14 characters of base64url.
cdef void id_write(uint8_t *text, uint32_t shard, uint32_t slot, const uint8_t *random) noexcept nogil
# -1: not such an id.
cdef int id_read(const uint8_t *text, size_t size, uint32_t *shard, uint32_t *slot,
                 uint8_t *random) noexcept nogil
