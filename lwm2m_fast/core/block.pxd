# Requests that come in blocks (Block1, RFC 7959, section 2.5): put together, bounded, timed.

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from lwm2m_fast.core.exchange cimport Reply, Request
from lwm2m_fast.core.index cimport Index
from lwm2m_fast.core.slab cimport Slab
from lwm2m_fast.core.state cimport State
from lwm2m_fast.core.timers cimport TimerWheel
from lwm2m_fast.datagram cimport lf_addr
from lwm2m_fast.wire.coap cimport Message


cdef struct Transfer:
    lf_addr source
    uint32_t next                 # free list
    uint32_t size
    uint32_t room
    uint32_t last_offset          # where the newest block began, to know it again
    uint16_t first_mid            # of the first block: it may come twice, and late
    uint64_t key                  # of code, path and query: one transfer per request and peer
    uint8_t *body


cdef class Blocks:
    cdef State state
    cdef Slab slab
    cdef Index index
    cdef TimerWheel wheel
    cdef uint32_t next_new, free_head
    cdef readonly uint32_t count
    cdef uint32_t max_count, max_body
    cdef int64_t timeout_ms
    cdef uint8_t max_szx
    cdef uint8_t *finished        # the body handed out last, kept until the next call

    # True: `request` is whole now, and `reply` carries the Block1 option of its answer.
    # False: `reply` is the answer to this block.
    cdef bint receive(self, Request *request, Reply *reply) except -1
    cdef void handle_timer(self, int limit) noexcept

    # Private.
    cdef Transfer *at(self, uint32_t number) noexcept nogil
    cdef uint64_t key_of(self, const Message *m) noexcept nogil
    cdef uint32_t tag_of(self, const lf_addr *source, uint64_t key) noexcept nogil
    cdef uint32_t find(self, const lf_addr *source, uint64_t key) noexcept nogil
    cdef bint refuse_large(self, uint32_t number, Reply *reply) noexcept
    cdef uint32_t begin(self, uint32_t number, const lf_addr *source, uint64_t key,
        Reply *reply) except? 0xFFFFFFFE
    cdef bint take(self, uint32_t number, size_t offset, Request *request, Reply *reply) except -1
    cdef void forget(self, uint32_t number) noexcept

    # Private.
    cdef void accept(self, uint32_t number, const Message *m, Reply *reply) except *
