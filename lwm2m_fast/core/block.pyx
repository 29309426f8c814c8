# Requests that come in blocks (RFC 7959, section 2.5). Knows bytes and sources, no meaning.
#
# Blocks must come in order; the newest one may come again (its answer was lost). A first block
# starts anew. At the bound of all transfers together, those under way win over a new one.

from libc.stdlib cimport free, realloc
from libc.string cimport memcmp, memcpy, memset

from lwm2m_fast.core.index cimport Index, Probe, hash_addr, hash_bytes
from lwm2m_fast.core.records cimport NONE
from lwm2m_fast.core.resource cimport refuse
from lwm2m_fast.core.slab cimport slab_at, slab_free, slab_init, slab_reserve
from lwm2m_fast.core.state cimport (COUNT_BLOCKS_INCOMPLETE, COUNT_BLOCKS_RECEIVED,
                                    COUNT_BLOCKS_REFUSED, COUNT_BLOCKS_TIMED_OUT,
                                    COUNT_BLOCKS_TOO_LARGE)
from lwm2m_fast.wire.coap cimport HAS_SIZE1, Message, block_bytes
from lwm2m_fast.wire.numbers cimport (BAD_REQUEST, CONTINUE, REQUEST_ENTITY_INCOMPLETE,
                                      REQUEST_ENTITY_TOO_LARGE, SERVICE_UNAVAILABLE)

cdef enum:
    WHEEL_TICK_MS = 1000
    TIMER_BATCH = 64
    RETRY_AFTER_S = 30


cdef class Blocks:
    def __cinit__(self, State state, coap):
        self.state = state
        slab_init(&self.slab, sizeof(Transfer))
        self.index = Index()
        self.wheel = TimerWheel(WHEEL_TICK_MS)
        self.free_head = NONE
        self.max_count = coap.max_block_transfers
        self.max_body = coap.max_body_bytes
        self.timeout_ms = <int64_t>(coap.block_timeout_s * 1000)
        self.max_szx = (<int>coap.block_size).bit_length() - 5

    def __dealloc__(self):
        cdef uint32_t i
        for i in range(self.next_new):
            free(self.at(i).body)
        slab_free(&self.slab)
        free(self.finished)

    cdef inline Transfer *at(self, uint32_t number) noexcept nogil:
        return <Transfer *>slab_at(&self.slab, number)

    cdef uint64_t key_of(self, const Message *m) noexcept nogil:
        """What makes two blocks parts of one request: everything but the Block options."""
        cdef uint64_t key = m.code
        cdef int i
        for i in range(m.path_count):
            key = key * 31 + hash_bytes(m.path[i].data, m.path[i].size, self.state.peers.seed)
        for i in range(m.query_count):
            key = key * 37 + hash_bytes(m.query[i].data, m.query[i].size, self.state.peers.seed)
        return key

    cdef inline uint32_t tag_of(self, const lf_addr *source, uint64_t key) noexcept nogil:
        return <uint32_t>(hash_addr(source, self.state.peers.seed) ^ key)

    cdef uint32_t find(self, const lf_addr *source, uint64_t key) noexcept nogil:
        cdef Probe probe
        cdef uint32_t number = self.index.first(self.tag_of(source, key), &probe)
        while number != NONE:
            if (self.at(number).key == key
                    and memcmp(&self.at(number).source, source, sizeof(lf_addr)) == 0):
                return number
            number = self.index.next(&probe)
        return NONE

    cdef bint receive(self, Request *request, Reply *reply) except -1:
        cdef const Message *m = request.message
        cdef uint64_t key = self.key_of(m)
        cdef size_t offset = <size_t>m.block1.number << (m.block1.szx + 4)
        cdef uint32_t number
        self.state.counts[COUNT_BLOCKS_RECEIVED] += 1
        if m.block1.szx == 7 or (m.block1.more and m.payload_size != block_bytes(m.block1.szx)):
            refuse(reply, BAD_REQUEST, b"a block has the size that its option says")
            return False
        number = self.find(request.source, key)
        if offset + m.payload_size > self.max_body or (
                m.options & HAS_SIZE1 and m.size1 > self.max_body):
            return self.refuse_large(number, reply)
        if offset == 0 and number != NONE and self.at(number).size and (
                m.block1.more and m.mid == self.at(number).first_mid):
            self.accept(number, m, reply)
            return False
        if offset == 0:
            number = self.begin(number, request.source, key, reply)
            if number == NONE:
                return False
            self.at(number).first_mid = m.mid
        elif number == NONE or (offset != self.at(number).size
                                and offset != self.at(number).last_offset):
            self.state.counts[COUNT_BLOCKS_INCOMPLETE] += 1
            refuse(reply, REQUEST_ENTITY_INCOMPLETE, b"a block before this one is missing")
            return False
        return self.take(number, offset, request, reply)

    cdef bint refuse_large(self, uint32_t number, Reply *reply) noexcept:
        self.state.counts[COUNT_BLOCKS_TOO_LARGE] += 1
        if number != NONE:
            self.forget(number)
        refuse(reply, REQUEST_ENTITY_TOO_LARGE, b"")
        reply.size1 = self.max_body
        return False

    cdef uint32_t begin(self, uint32_t number, const lf_addr *source, uint64_t key,
                        Reply *reply) except? 0xFFFFFFFE:
        """An empty transfer; NONE with a refusal in `reply`."""
        cdef Transfer *transfer
        if number != NONE:
            self.at(number).size = 0
            return number
        if self.count >= self.max_count:
            self.state.counts[COUNT_BLOCKS_REFUSED] += 1
            refuse(reply, SERVICE_UNAVAILABLE, b"too many block-wise transfers are under way")
            reply.max_age_s = RETRY_AFTER_S
            return NONE
        number = self.free_head
        if number == NONE:
            number = self.next_new
            if slab_reserve(&self.slab, number) < 0:
                raise MemoryError
        self.index.insert(self.tag_of(source, key), number)
        if number == self.next_new:
            self.next_new += 1
        else:
            self.free_head = self.at(number).next
        transfer = self.at(number)
        memset(transfer, 0, sizeof(Transfer))
        transfer.source = source[0]
        transfer.key = key
        self.count += 1
        self.wheel.schedule(number, self.state.now + self.timeout_ms)
        return number

    cdef bint take(self, uint32_t number, size_t offset, Request *request, Reply *reply) except -1:
        cdef const Message *m = request.message
        cdef Transfer *transfer = self.at(number)
        cdef uint32_t size = <uint32_t>(offset + m.payload_size)
        cdef void *grown
        if size > transfer.room:
            grown = realloc(transfer.body, max(2 * transfer.room, size))
            if grown == NULL:
                raise MemoryError
            transfer.body = <uint8_t *>grown
            transfer.room = max(2 * transfer.room, size)
        if m.payload_size:
            memcpy(transfer.body + offset, m.payload, m.payload_size)
        transfer.size = size
        transfer.last_offset = <uint32_t>offset
        if m.block1.more:
            self.accept(number, m, reply)
            return False
        reply.has_block1 = True
        reply.block1 = m.block1
        free(self.finished)
        self.finished = transfer.body
        transfer.body = NULL
        request.body = self.finished
        request.body_size = size
        self.forget(number)
        return True

    cdef void accept(self, uint32_t number, const Message *m, Reply *reply) except *:
        self.wheel.schedule(number, self.state.now + self.timeout_ms)
        reply.code = CONTINUE
        reply.has_block1 = True
        reply.block1 = m.block1
        # The client goes on with the smaller size if ours is smaller (section 2.3).
        reply.block1.szx = min(m.block1.szx, self.max_szx)

    cdef void forget(self, uint32_t number) noexcept:
        cdef Transfer *transfer = self.at(number)
        self.wheel.cancel(number)
        self.index.remove(self.tag_of(&transfer.source, transfer.key), number)
        free(transfer.body)
        transfer.body = NULL
        transfer.next = self.free_head
        self.free_head = number
        self.count -= 1

    cdef void handle_timer(self, int limit) noexcept:
        cdef uint32_t numbers[TIMER_BATCH]
        cdef uint32_t count = self.wheel.advance(self.state.now, numbers,
                                                 <uint32_t>min(limit, <int>TIMER_BATCH))
        cdef uint32_t i
        for i in range(count):
            self.state.counts[COUNT_BLOCKS_TIMED_OUT] += 1
            self.forget(numbers[i])
