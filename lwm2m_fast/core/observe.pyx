# The table of observations. Knows tokens, numbers and rows; not why an observation comes or goes.
#
# The stored row, all integers big-endian:
#
#   key    endpoint name | index 4
#   value  format 1 | state 1 | generation 4 | token 4 | registration 6 | since 8 | context 2 + n |
#          request 4 + n
#
# A registration that is replaced rewrites no row: the row names the one that it was made for.

from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy, memset

from lwm2m_fast.core.devices cimport Device
from lwm2m_fast.core.records cimport MAX_ENDPOINT, NONE, record_endpoint
from lwm2m_fast.core.slab cimport slab_at, slab_capacity, slab_free, slab_init, slab_reserve
from lwm2m_fast.cursor cimport (read_u8, read_u16, read_uint, read_view, reader_init, reader_left,
                                write_bytes, write_u8, write_u16, write_uint)
from lwm2m_fast.wire.coap cimport (HAS_BLOCK1, HAS_BLOCK2, HAS_MORE_PATH, HAS_MORE_QUERY,
                                   HAS_OBSERVE, Message, parse_message)
from lwm2m_fast.wire.numbers cimport FETCH, GET

cdef enum:
    STORED_FORMAT = 1
    STORED_FIXED = 1 + 1 + 4 + TOKEN_RANDOM + ID_RANDOM + 8 + 2 + 4
    INDEX_BITS = 24
    INDEX_MASK = (1 << INDEX_BITS) - 1
    GENERATION_MASK = (1 << 28) - 1     # a number stays below 2^53, which JSON can carry


cdef Relation *relation_new(const uint8_t *context, size_t context_size,
                            const uint8_t *request, size_t request_size) noexcept nogil:
    cdef Relation *relation = <Relation *>calloc(
        1, sizeof(Relation) + context_size + request_size)
    if relation == NULL:
        return NULL
    relation.context_size = <uint16_t>context_size
    relation.request_size = <uint32_t>request_size
    if context_size:
        memcpy(relation.data, context, context_size)
    memcpy(relation.data + context_size, request, request_size)
    return relation


cdef size_t relation_key(uint32_t index, const Record *record, uint8_t *key) noexcept nogil:
    """Writes at most MAX_ENDPOINT + 4 bytes; how many."""
    cdef size_t size = record.endpoint_size
    cdef int i
    memcpy(key, record_endpoint(record), size)
    for i in range(4):
        key[size + i] = <uint8_t>(index >> 8 * (3 - i))
    return size + 4


cdef size_t relation_stored_size(const Relation *relation) noexcept nogil:
    return STORED_FIXED + relation.context_size + relation.request_size


cdef void relation_store(const Relation *relation, int state, Writer *w) noexcept nogil:
    write_u8(w, STORED_FORMAT)
    write_u8(w, state)
    write_uint(w, relation.generation, 4)
    write_bytes(w, relation.token, TOKEN_RANDOM)
    write_bytes(w, relation.registration, ID_RANDOM)
    write_uint(w, <uint64_t>relation.since_ms, 8)
    write_u16(w, relation.context_size)
    write_bytes(w, relation.data, relation.context_size)
    write_uint(w, relation.request_size, 4)
    write_bytes(w, relation_request(relation), relation.request_size)


cdef bint is_request_sound(const uint8_t *data, size_t size) noexcept nogil:
    """Whether this is a request that may be observed: the disk is not trusted."""
    cdef Message m
    if size > MAX_REQUEST or parse_message(data, size, &m) or m.bad_option or m.token_size:
        return False
    return (m.code == GET or m.code == FETCH) and not m.options & (
        HAS_OBSERVE | HAS_BLOCK1 | HAS_BLOCK2 | HAS_MORE_PATH | HAS_MORE_QUERY)


cdef Relation *relation_load(Reader *r, int *state) noexcept nogil:
    """All but the slot; NULL for bytes that are no such value, and when out of memory."""
    cdef Relation fixed
    cdef Relation *relation
    cdef const uint8_t *context
    cdef int64_t size, high
    if reader_left(r) < STORED_FIXED or read_u8(r) != STORED_FORMAT:
        return NULL
    state[0] = read_u8(r)
    fixed.generation = <uint32_t>read_uint(r, 4)
    memcpy(fixed.token, read_view(r, TOKEN_RANDOM), TOKEN_RANDOM)
    memcpy(fixed.registration, read_view(r, ID_RANDOM), ID_RANDOM)
    high = read_uint(r, 4)
    fixed.since_ms = high << 32 | read_uint(r, 4)
    fixed.context_size = <uint16_t>read_u16(r)
    context = read_view(r, fixed.context_size)
    if context == NULL or fixed.context_size > MAX_CONTEXT:
        return NULL
    size = read_uint(r, 4)
    if (size < 0 or <size_t>size != reader_left(r) or not is_request_sound(r.pos, <size_t>size)
            or not RELATION_NEW <= state[0] <= RELATION_LAPSED
            or not 0 < fixed.generation <= GENERATION_MASK):
        return NULL
    relation = relation_new(context, fixed.context_size, r.pos, <size_t>size)
    if relation != NULL:
        fixed.request_size = <uint32_t>size
        fixed.slot = NONE
        memcpy(relation, &fixed, <size_t>(fixed.data - <uint8_t *>&fixed))
    return relation


cdef class Observations:
    def __cinit__(self, Devices devices, uint32_t shard, reporting):
        self.devices = devices
        self.shard = shard
        slab_init(&self.slab, sizeof(Observation))
        self.free_head = NONE
        self.max_count = reporting.max_observations
        self.max_per_device = reporting.max_observations_per_device

    def __dealloc__(self):
        cdef uint32_t index
        for index in range(self.next_new):
            free(self.at(index).relation)
        slab_free(&self.slab)

    @property
    def bytes(self):
        """Memory of the slots, without the relations."""
        return slab_capacity(&self.slab) * sizeof(Observation)

    cdef inline Observation *at(self, uint32_t index) noexcept nogil:
        return <Observation *>slab_at(&self.slab, index)

    # Finding

    cdef uint64_t number_of(self, uint32_t index) noexcept nogil:
        return <uint64_t>self.at(index).relation.generation << INDEX_BITS | index

    cdef uint32_t find_number(self, uint64_t number) noexcept nogil:
        cdef uint32_t index = <uint32_t>(number & INDEX_MASK)
        cdef Relation *relation
        if index >= self.next_new:
            return NONE
        relation = self.at(index).relation
        if (relation == NULL or relation.generation != number >> INDEX_BITS
                or self.at(index).is_over):
            return NONE
        return index

    cdef uint32_t find_token(self, const uint8_t *token, int size, uint32_t *hint) noexcept nogil:
        cdef uint32_t index
        cdef Observation *found
        hint[0] = NONE
        if size != OBSERVATION_TOKEN or token[0] != (TOKEN_OF_OBSERVATION | self.shard):
            return NONE
        index = <uint32_t>token[1] << 16 | <uint32_t>token[2] << 8 | token[3]
        if index >= self.next_new:
            return NONE
        hint[0] = index
        found = self.at(index)
        if (found.relation == NULL or found.is_over or found.state == RELATION_LAPSED
                or memcmp(found.relation.token, token + 4, TOKEN_RANDOM)
                or not self.is_current(found.relation)):
            return NONE
        return index

    cdef uint32_t find_context(self, uint32_t slot, const uint8_t *context,
                               size_t size) noexcept nogil:
        cdef uint32_t index = self.devices.at(slot).observations
        cdef Relation *relation
        while index != NONE:
            relation = self.at(index).relation
            if relation.context_size == size and memcmp(relation.data, context, size) == 0:
                break
            index = self.at(index).next
        return index

    cdef uint32_t count_of(self, uint32_t slot) noexcept nogil:
        cdef uint32_t index = self.devices.at(slot).observations
        cdef uint32_t count = 0
        while index != NONE:
            count += 1
            index = self.at(index).next
        return count

    cdef bint is_current(self, const Relation *relation) noexcept nogil:
        return memcmp(relation.registration, self.devices.at(relation.slot).random, ID_RANDOM) == 0

    cdef void write_token(self, uint32_t index, const Relation *relation,
                          uint8_t *token) noexcept nogil:
        token[0] = <uint8_t>(TOKEN_OF_OBSERVATION | self.shard)
        token[1], token[2], token[3] = (
            <uint8_t>(index >> 16), <uint8_t>(index >> 8), <uint8_t>index)
        memcpy(token + 4, relation.token, TOKEN_RANDOM)

    # Changing

    cdef uint32_t reserve(self) noexcept nogil:
        """It stays free until put()."""
        if self.count >= self.max_count:
            return NONE
        if self.free_head != NONE:
            return self.free_head
        if slab_reserve(&self.slab, self.next_new) < 0:
            return NONE
        return self.next_new

    cdef uint32_t next_generation(self) noexcept nogil:
        self.generation = self.generation + 1 & GENERATION_MASK
        if self.generation == 0:
            self.generation = 1
        return self.generation

    cdef void put(self, uint32_t index, Relation *relation) noexcept nogil:
        """reserve() gave the index; what is undone is undone in reverse, so it is free too."""
        cdef Observation *observation = self.at(index)
        cdef Device *device = self.devices.at(relation.slot)
        if index >= self.next_new:
            self.next_new = index + 1
        elif not self.loading:
            self.free_head = observation.next
        memset(observation, 0, sizeof(Observation))
        observation.relation = relation
        observation.state = RELATION_NEW
        observation.sequence = NONE
        observation.next = device.observations
        device.observations = index
        self.count += 1

    cdef Relation *take(self, uint32_t index) noexcept nogil:
        """The relation leaves the table and belongs to the caller again."""
        cdef Observation *observation = self.at(index)
        cdef Relation *relation = observation.relation
        cdef uint32_t *link = &self.devices.at(relation.slot).observations
        while link[0] != index:
            link = &self.at(link[0]).next
        link[0] = observation.next
        observation.relation = NULL
        observation.next = self.free_head
        self.free_head = index
        self.count -= 1
        return relation

    cdef Relation *swap(self, uint32_t index, Relation *relation) noexcept nogil:
        """Another relation for the same observation; the old one belongs to the caller."""
        cdef Observation *observation = self.at(index)
        cdef Relation *before = observation.relation
        observation.relation = relation
        observation.sequence = NONE
        return before

    cdef bint has_row(self, const uint8_t *key, size_t key_size) noexcept nogil:
        cdef Reader k
        cdef uint32_t index
        reader_init(&k, key + key_size - 4, 4)
        index = <uint32_t>read_uint(&k, 4)
        return (index < self.next_new and self.at(index).relation != NULL
                and self.at(index).relation.slot == self.devices.find(key, key_size - 4))

    # Start-up

    cdef void begin_load(self) noexcept:
        self.loading = True

    cdef void finish_load(self) noexcept:
        cdef uint32_t index = self.next_new
        self.loading = False
        self.free_head = NONE
        while index > 0:
            index -= 1
            if self.at(index).relation == NULL:
                self.at(index).next = self.free_head
                self.free_head = index

    cdef int load(self, const uint8_t *key, size_t key_size, Reader *r,
                  bint keeps_lapsed) except -2:
        cdef Reader k
        cdef Relation *relation
        cdef uint32_t index, slot
        cdef int state
        if key_size < 5 or key_size > MAX_ENDPOINT + 4:
            return 0
        reader_init(&k, key + key_size - 4, 4)
        index = <uint32_t>read_uint(&k, 4)
        slot = self.devices.find(key, key_size - 4)
        if slot == NONE:
            return -1
        if index >= self.max_count or slab_reserve(&self.slab, index) < 0:
            return 0
        relation = relation_load(r, &state)
        if relation == NULL:
            return 0
        relation.slot = slot
        if state == RELATION_NEW or not (keeps_lapsed or self.is_current(relation)):
            free(relation)
            return -1
        if (index < self.next_new and self.at(index).relation != NULL
                or self.count_of(slot) >= self.max_per_device
                or self.find_context(slot, relation.data, relation.context_size) != NONE):
            free(relation)
            return 0
        self.put(index, relation)
        self.at(index).state = <uint8_t>state
        self.generation = max(self.generation, relation.generation)
        return 1
