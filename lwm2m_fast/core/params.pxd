# The query of a Register or Update (LwM2M TS 1.2 Core, tables 6.2.1.2-1 and 6.2.2-1).

from libc.stdint cimport uint8_t, uint32_t

from lwm2m_fast.core.records cimport MAX_ATTRIBUTES, Record
from lwm2m_fast.wire.coap cimport Message


cdef struct Params:
    const uint8_t *endpoint
    uint32_t endpoint_size        # 0: not given
    uint32_t lifetime_s
    bint has_lifetime
    bint has_queue
    uint8_t version               # 0: not given; 0x10, 0x11, 0x12
    const uint8_t *binding_text
    uint32_t binding_size         # 0: not given
    uint32_t binding
    uint32_t attributes_size
    uint8_t attributes[MAX_ATTRIBUTES]


# 0, or the response code, with `why` set to a diagnostic text.
cdef int params_parse(const Message *m, Params *params, const char **why) noexcept nogil
# The binding against the version it must fit: 0 or the response code.
cdef int params_check_binding(Params *params, int version, const char **why) noexcept nogil
# Put attributes of `before` that were not given anew in front of the new ones.
cdef int params_merge(Params *params, const Record *before, const char **why) noexcept nogil
