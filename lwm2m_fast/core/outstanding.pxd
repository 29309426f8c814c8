# The table of requests of ours that have not ended (RFC 7252, section 4.7: outstanding interactions).
#
# By number, by message id, by token, and per device in the order they came. Knows no time, sends
# nothing, and not what ends a request.

cimport cython
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from lwm2m_fast.core.devices cimport Device
from lwm2m_fast.core.index cimport Index
from lwm2m_fast.core.outgoing cimport Outgoing
from lwm2m_fast.core.slab cimport Slab, slab_at
from lwm2m_fast.core.state cimport State
from lwm2m_fast.datagram cimport lf_addr
from lwm2m_fast.wire.coap cimport Message


cdef class Outstanding:
    cdef State state
    cdef Slab slab
    cdef Index by_mid             # of those in flight, by peer and message id
    cdef Index by_token           # of those with a token of their owner's
    cdef uint32_t next_new, free_head, generation

    @cython.final
    cdef inline Outgoing *at(self, uint32_t number) noexcept nogil:
        return <Outgoing *>slab_at(&self.slab, number)

    # A request without a datagram yet, in no list; and give it back.
    cdef uint32_t take_number(self, uint32_t slot, int64_t timeout_ms) except? 0xFFFFFFFE
    cdef void release(self, uint32_t number) noexcept
    # NONE: it has ended.
    cdef uint32_t find_call(self, uint64_t call) noexcept nogil

    # At the end of its device's list, and off it.
    cdef void append(self, Device *device, uint32_t number) noexcept
    cdef void remove(self, Device *device, uint32_t number) noexcept

    # A token of our own; it leads to the number without a search.
    cdef int write_token(self, uint8_t *token, uint32_t number) except -1
    # One of its owner's is found by the index.
    cdef int index_token(self, uint32_t number) except -1
    cdef void drop_token(self, uint32_t number) noexcept
    cdef uint32_t mid_tag(self, const Outgoing *out) noexcept nogil
    cdef uint32_t token_tag(self, const uint8_t *token) noexcept nogil
    # The request in flight that a message from `source`, or a response from `peer`, is about.
    cdef uint32_t find_mid(self, const lf_addr *source, uint16_t mid) noexcept
    cdef uint32_t find_token(self, const Message *m, uint32_t peer) noexcept
    cdef uint32_t find_owned(self, const Message *m) noexcept
    cdef bint is_from(self, uint32_t number, const lf_addr *source) noexcept
