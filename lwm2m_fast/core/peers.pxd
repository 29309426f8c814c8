# Who we talk to, by address: duplicate detection with the answer given (RFC 7252, section 4.5).
#
# A peer exists only once it changed something here (it registered, or moved a registration), so
# that a stranger costs no memory: whatever else a stranger asks is answered afresh each time.
# Memory is a small ring per peer, never one table of all messages.

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from lwm2m_fast.core.index cimport Index
from lwm2m_fast.core.slab cimport Slab
from lwm2m_fast.datagram cimport lf_addr


cdef enum:
    RING = 4                      # confirmable messages remembered, with their answers
    RING_NON = 4                  # non-confirmable ones
    ANSWER_BYTES = 36             # a 2.01 with an 8-byte token, a Location and a Block1
    ANSWER_KEPT = ANSWER_BYTES - 2      # but for the message id, which is known
    ANSWER_LARGE = 255            # was longer: asked again, it is worked out again

cdef enum Seen:
    SEEN_NOT = 0
    SEEN_REPLAY                   # send the answer at `position` again
    SEEN_QUIET                    # a duplicate without an answer (yet)

cdef enum PeerFlag:
    PEER_LINGERS = 1              # is in the list of those about to be forgotten
    PEER_VERIFIED = 2             # has shown that it receives what we send to this address

# 256 bytes. The first cache line holds what every datagram needs.
cdef struct Peer:
    lf_addr addr
    uint32_t device               # the newest registration at this address, or NONE
    uint32_t bound                # how many devices have this address
    uint16_t mid[RING]
    uint16_t print_[RING]         # of the whole datagram: a rebooted device may reuse a mid at once
    uint8_t answer_size[RING]     # 0: none
    uint8_t turn[RING]            # of a held answer: the low byte of its turn
    uint8_t head
    uint8_t non_head
    uint16_t out_mid              # the next message id of our own
    uint8_t held                  # bit i: answer i waits for its commit, or did when last looked at
    uint8_t flags
    uint8_t padding[2]
    uint32_t newest_turn          # of the held answers
    uint32_t linger_until_s
    uint32_t heard_s[RING]        # 0: never
    uint32_t non_heard_s[RING_NON]
    uint16_t non_mid[RING_NON]
    uint16_t non_print[RING_NON]
    uint8_t answer[RING][ANSWER_KEPT]


cdef class Peers:
    cdef Slab slab
    cdef Index index
    cdef uint64_t seed[2]
    cdef uint32_t next_new, free_head
    cdef uint32_t *lingerers      # a ring of max_lingering + 1 peers, the oldest at linger_first
    cdef uint32_t linger_first
    cdef readonly uint32_t count, lingering
    cdef readonly uint64_t evicted
    cdef uint32_t max_lingering, exchange_lifetime_s, non_lifetime_s
    cdef uint16_t ports[4]        # of the server, that peers have come in by
    cdef int port_count

    cdef Peer *at(self, uint32_t number) noexcept nogil
    cdef uint32_t find(self, const lf_addr *addr) noexcept nogil
    # While it is empty: take the memory to find `expected` peers by. MemoryError: it has not.
    cdef void reserve(self, uint32_t expected) except *
    # It is looked for soon.
    cdef void warm(self, const lf_addr *addr) noexcept nogil
    # A device of this address that came in by another port of the server, or NONE.
    cdef uint32_t device_by_other_port(self, const lf_addr *addr) noexcept nogil
    cdef uint32_t obtain(self, const lf_addr *addr) except? 0xFFFFFFFE    # NONE: out of memory
    # A device has (or no longer has) this address; the newest one to bind owns it.
    cdef void bind(self, uint32_t number, uint32_t device) noexcept nogil
    cdef void unbind(self, uint32_t number, uint32_t device, uint32_t now_s) noexcept nogil
    cdef void handle_timer(self, uint32_t now_s, int limit) noexcept nogil
    cdef uint32_t next_due(self) noexcept nogil      # seconds; NONE: nobody lingers

    # Was this message here before? Turns up to `committed` are in the store.
    cdef Seen seen(self, Peer *peer, bint confirmable, uint16_t mid, uint32_t print_,
                   uint32_t now_s, uint32_t committed, int *position) noexcept nogil
    # `turn` 0: the answer may be repeated at once; else only when that turn is in the store.
    cdef void remember(self, Peer *peer, bint confirmable, uint16_t mid, uint32_t print_,
                       const uint8_t *answer, size_t size, uint32_t now_s,
                       uint32_t turn) noexcept nogil
    # Copy the answer at `position`; returns its size, at most ANSWER_BYTES.
    cdef size_t replay(self, const Peer *peer, int position, uint8_t *datagram) noexcept nogil
    # What it sends from now on is nothing that was here before.
    cdef void forget_messages(self, const lf_addr *addr) noexcept nogil
    # The store has refused `turn` and later ones: what was answered then may be asked again.
    cdef void forget_held(self, Peer *peer, uint32_t turn) noexcept nogil

    # Private.
    cdef void push_lingering(self, uint32_t number) noexcept nogil
    cdef void note_port(self, uint16_t local) noexcept nogil
    cdef uint32_t turn_of(self, const Peer *peer, int position) noexcept nogil

    # Private.
    cdef void settle(self, Peer *peer, uint32_t turn) noexcept nogil
