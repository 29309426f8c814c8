# The table of observations: what devices were asked to report by themselves (RFC 7641), by token.
#
# A Relation is what the store has of one, and like a Record it never changes: another one takes
# its place, so that what the store refuses is undone by putting the former back (core/changes).
# Beside it, in one slot, is what a notification moves.

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from lwm2m_fast.core.devices cimport Devices
from lwm2m_fast.core.records cimport ID_RANDOM, Record
from lwm2m_fast.core.slab cimport Slab
from lwm2m_fast.cursor cimport Reader, Writer


cdef enum:
    MAX_CONTEXT = 1024            # bytes that the caller may keep with an observation
    MAX_PAYLOAD = 16384           # bytes of the payload of what is observed: a list of paths
    MAX_REQUEST = MAX_PAYLOAD + 1152    # and of the whole request as it is stored
    TOKEN_RANDOM = 4
    OBSERVATION_TOKEN = 8         # kind and shard 1, index 3, random 4
    # The two high bits of a token's first byte say whose it is: a request's has zeros there.
    TOKEN_KIND = 0xC0
    TOKEN_OF_OBSERVATION = 0x80

cdef enum RelationState:
    RELATION_NEW = 1              # asked for, and no answer yet
    RELATION_AGAIN = 2            # asked for anew; it stood before. Without a request: lapsed
    RELATION_ACTIVE = 3           # the device said yes
    RELATION_LAPSED = 4           # it stood, and its token is dead

cdef struct Relation:
    uint32_t slot
    uint32_t generation           # with the index: the number of the observation
    int64_t since_ms              # unix time
    uint8_t token[TOKEN_RANDOM]
    uint8_t registration[ID_RANDOM]     # another one has come: the relation has lapsed
    uint16_t context_size
    uint32_t request_size
    uint8_t data[1]               # context, then the request as a CoAP message without Observe

cdef struct Observation:
    Relation *relation            # NULL: free
    int64_t heard_at              # ms: the freshest answer or notification
    uint64_t request              # the call that asks for it or cancels it; 0: none
    uint64_t fetch                # the call that fetches the rest of a notification; 0: none
    uint32_t next                 # of the same device; or of the free ones
    uint32_t sequence             # of what was heard at `heard_at`; NONE: unknown
    uint32_t notified
    uint32_t changed_turn         # its relation came, or went, with this turn
    uint8_t state
    uint8_t is_over               # the device ended it, and the store does not know yet
    uint8_t is_unsaved            # its row is to be written
    uint8_t cancels               # `request` is the one that cancels it


cdef class Observations:
    cdef Devices devices
    cdef Slab slab
    cdef uint32_t next_new, free_head
    cdef readonly uint32_t generation, count
    cdef uint32_t max_count, max_per_device, shard
    cdef bint loading

    cdef Observation *at(self, uint32_t index) noexcept nogil
    cdef uint64_t number_of(self, uint32_t index) noexcept nogil
    cdef uint32_t find_number(self, uint64_t number) noexcept nogil
    # The observation whose present token this is, or NONE. `hint` is the slot it points to.
    cdef uint32_t find_token(self, const uint8_t *token, int size, uint32_t *hint) noexcept nogil
    cdef uint32_t find_context(self, uint32_t slot, const uint8_t *context,
                               size_t size) noexcept nogil
    cdef uint32_t count_of(self, uint32_t slot) noexcept nogil
    # Whether the registration is the one that it was made for.
    cdef bint is_current(self, const Relation *relation) noexcept nogil
    cdef void write_token(self, uint32_t index, const Relation *relation, uint8_t *token) noexcept nogil

    cdef uint32_t reserve(self) noexcept nogil      # a free index; NONE: full, or out of memory
    cdef uint32_t next_generation(self) noexcept nogil
    cdef void put(self, uint32_t index, Relation *relation) noexcept nogil
    cdef Relation *take(self, uint32_t index) noexcept nogil
    cdef Relation *swap(self, uint32_t index, Relation *relation) noexcept nogil

    # Whether the row of this key belongs to one that is here.
    cdef bint has_row(self, const uint8_t *key, size_t key_size) noexcept nogil

    # Between these two, put() takes indices in any order.
    cdef void begin_load(self) noexcept
    cdef void finish_load(self) noexcept
    # 1: taken; 0: not usable; -1: of no registration, or never answered, and to be deleted.
    # `keeps_lapsed`: whether those of a former registration of the device count.
    cdef int load(self, const uint8_t *key, size_t key_size, Reader *r,
                  bint keeps_lapsed) except -2


# A new block with room for both texts; the caller fills it and owns it. NULL: out of memory.
cdef Relation *relation_new(const uint8_t *context, size_t context_size,
                            const uint8_t *request, size_t request_size) noexcept nogil
cdef inline const uint8_t *relation_request(const Relation *relation) noexcept nogil:
    return relation.data + relation.context_size

# The stored row: the key is the endpoint name and the index, the value see observe.pyx.
cdef size_t relation_key(uint32_t index, const Record *record, uint8_t *key) noexcept nogil
cdef size_t relation_stored_size(const Relation *relation) noexcept nogil
cdef void relation_store(const Relation *relation, int state, Writer *w) noexcept nogil
