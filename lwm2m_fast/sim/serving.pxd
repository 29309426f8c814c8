# What a simulated device does with a request of its server: the contract.

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from lwm2m_fast.cursor cimport Writer
from lwm2m_fast.sim.catalogue cimport Answer, Asked, Catalogue, Entry, MAX_ANSWER_BYTES
from lwm2m_fast.sim.departures cimport Departures
from lwm2m_fast.sim.device cimport Device
from lwm2m_fast.wire.coap cimport Message

cdef enum:
    EXCHANGE_LIFETIME_S = 247     # RFC 7252, section 4.8.2
    NON_LIFETIME_S = 145

# A response on its way to becoming bytes.
cdef struct Response:
    uint8_t code
    bint has_content_format
    bint has_block
    bint more
    uint16_t content_format
    uint8_t szx
    uint32_t block_number
    uint32_t whole_size
    uint32_t second               # of the values; the ETag of a block-wise answer
    const uint8_t *payload
    uint32_t payload_size


cdef class Serving:
    cdef readonly Catalogue catalogue
    cdef uint64_t answered[256]   # by code of the response
    cdef uint64_t duplicates
    cdef uint8_t body[MAX_ANSWER_BYTES]

    # `m` is a valid request; `number` is the device's, `key` its place in `out`.
    cdef void answer(self, Device *device, uint32_t key, uint32_t number, const Message *m,
                     uint32_t second, Departures out) noexcept nogil
    cdef void respond(self, Device *device, uint32_t key, const Message *m,
                      const Response *response, Departures out) noexcept nogil
    cdef void decide(self, Device *device, uint32_t number, const Message *m, uint32_t second,
                     Response *response) noexcept nogil
    cdef void read(self, Device *device, const Entry *entry, uint32_t number, const Message *m,
                   uint32_t second, Response *response) noexcept nogil
    cdef void cut(self, const Message *m, Response *response) noexcept nogil
