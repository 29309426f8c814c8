# Who we talk to, by address. Knows message ids and answers as bytes; nothing of what they mean.

from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy, memset

from lwm2m_fast.core.index cimport Index, Probe, hash_addr
from lwm2m_fast.core.records cimport NONE
from lwm2m_fast.core.slab cimport slab_at, slab_capacity, slab_free, slab_init, slab_reserve
from lwm2m_fast.datagram cimport lf_addr

cdef enum:
    PORTS = 4                     # of the server, as many as its transports; see peers.pxd


cdef class Peers:
    def __cinit__(self, seed, uint32_t exchange_lifetime_s, uint32_t non_lifetime_s,
                  uint32_t max_lingering):
        slab_init(&self.slab, sizeof(Peer))
        self.seed[0], self.seed[1] = seed
        self.index = Index()
        self.free_head = NONE
        self.exchange_lifetime_s = exchange_lifetime_s
        self.non_lifetime_s = non_lifetime_s
        self.max_lingering = max_lingering
        self.lingerers = <uint32_t *>calloc(max_lingering + 1, sizeof(uint32_t))
        if self.lingerers == NULL:
            raise MemoryError

    def __dealloc__(self):
        slab_free(&self.slab)
        free(self.lingerers)

    @property
    def bytes(self):
        return slab_capacity(&self.slab) * sizeof(Peer) + self.index.bytes

    cdef inline Peer *at(self, uint32_t number) noexcept nogil:
        return <Peer *>slab_at(&self.slab, number)

    cdef uint32_t find(self, const lf_addr *addr) noexcept nogil:
        cdef Probe probe
        cdef uint32_t number = self.index.first(<uint32_t>hash_addr(addr, self.seed), &probe)
        while number != NONE:
            if memcmp(&self.at(number).addr, addr, sizeof(lf_addr)) == 0:
                return number
            number = self.index.next(&probe)
        return NONE

    cdef void reserve(self, uint32_t expected) except *:
        self.index.reserve(expected)

    cdef void warm(self, const lf_addr *addr) noexcept nogil:
        self.index.warm(<uint32_t>hash_addr(addr, self.seed))

    cdef void note_port(self, uint16_t local) noexcept nogil:
        cdef int i
        for i in range(self.port_count):
            if self.ports[i] == local:
                return
        if self.port_count < PORTS:
            self.ports[self.port_count] = local
            self.port_count += 1

    cdef uint32_t device_by_other_port(self, const lf_addr *addr) noexcept nogil:
        cdef lf_addr other = addr[0]
        cdef uint32_t number
        cdef int i
        for i in range(self.port_count):
            other.local = self.ports[i]
            if other.local == addr.local:
                continue
            number = self.find(&other)
            if number != NONE and self.at(number).device != NONE:
                return self.at(number).device
        return NONE

    cdef uint32_t obtain(self, const lf_addr *addr) except? 0xFFFFFFFE:
        cdef uint32_t number = self.find(addr)
        cdef Peer *peer
        if number != NONE:
            return number
        number = self.free_head
        if number == NONE:
            number = self.next_new
            if slab_reserve(&self.slab, number) < 0:
                return NONE
        self.index.insert(<uint32_t>hash_addr(addr, self.seed), number)
        if number == self.next_new:
            self.next_new += 1
        else:
            self.free_head = self.at(number).device     # a free peer's link
        peer = self.at(number)
        memset(peer, 0, sizeof(Peer))
        peer.addr = addr[0]
        peer.device = NONE
        self.note_port(addr.local)
        # Two servers, or two lives of one, should not start alike (RFC 7252, section 4.4).
        peer.out_mid = <uint16_t>(hash_addr(addr, self.seed) >> 40)
        self.count += 1
        return number

    cdef void bind(self, uint32_t number, uint32_t device) noexcept nogil:
        cdef Peer *peer = self.at(number)
        peer.bound += 1
        peer.device = device

    cdef void unbind(self, uint32_t number, uint32_t device, uint32_t now_s) noexcept nogil:
        cdef Peer *peer = self.at(number)
        peer.bound -= 1
        if peer.device == device:
            peer.device = NONE
        if peer.bound:
            return
        peer.linger_until_s = now_s + self.exchange_lifetime_s
        if not peer.flags & PEER_LINGERS:
            self.push_lingering(number)
            if self.lingering > self.max_lingering:
                self.handle_timer(now_s, 2)

    cdef void push_lingering(self, uint32_t number) noexcept nogil:
        """The ring has room: above its bound the oldest one leaves at once."""
        self.at(number).flags |= PEER_LINGERS
        self.lingerers[(self.linger_first + self.lingering) % (self.max_lingering + 1)] = number
        self.lingering += 1

    cdef void handle_timer(self, uint32_t now_s, int limit) noexcept nogil:
        """Forget up to `limit` peers whose time is over, or that are too many."""
        cdef uint32_t number
        cdef Peer *peer
        cdef bint crowded
        while self.lingering and limit > 0:
            limit -= 1
            number = self.lingerers[self.linger_first]
            peer = self.at(number)
            crowded = self.lingering > self.max_lingering
            if not peer.bound and now_s < peer.linger_until_s and not crowded:
                return
            self.linger_first = (self.linger_first + 1) % (self.max_lingering + 1)
            self.lingering -= 1
            peer.flags &= ~PEER_LINGERS
            if peer.bound:
                continue
            if now_s < peer.linger_until_s:
                self.evicted += 1
            self.index.remove(<uint32_t>hash_addr(&peer.addr, self.seed), number)
            peer.device = self.free_head
            self.free_head = number
            self.count -= 1

    cdef uint32_t next_due(self) noexcept nogil:
        cdef Peer *peer
        if not self.lingering:
            return NONE
        peer = self.at(self.lingerers[self.linger_first])
        return 0 if peer.bound or self.lingering > self.max_lingering else peer.linger_until_s

    cdef uint32_t turn_of(self, const Peer *peer, int position) noexcept nogil:
        """Turns on their way to the store are far fewer than 256, so that a byte tells them."""
        return peer.newest_turn - <uint8_t>(<uint8_t>peer.newest_turn - peer.turn[position])

    cdef Seen seen(self, Peer *peer, bint confirmable, uint16_t mid, uint32_t print_,
                   uint32_t now_s, uint32_t committed, int *position) noexcept nogil:
        cdef int i
        if not confirmable:
            for i in range(RING_NON):
                if (peer.non_mid[i] == mid and peer.non_print[i] == <uint16_t>print_
                        and peer.non_heard_s[i]
                        and now_s - peer.non_heard_s[i] <= self.non_lifetime_s):
                    return SEEN_QUIET
            return SEEN_NOT
        for i in range(RING):
            if (peer.mid[i] != mid or peer.print_[i] != <uint16_t>print_ or not peer.heard_s[i]
                    or now_s - peer.heard_s[i] > self.exchange_lifetime_s):
                continue
            if peer.held >> i & 1 and <int>(self.turn_of(peer, i) - committed) > 0:
                return SEEN_QUIET
            if peer.answer_size[i] == ANSWER_LARGE:
                return SEEN_NOT
            position[0] = i
            return SEEN_REPLAY if peer.answer_size[i] else SEEN_QUIET
        return SEEN_NOT

    cdef void remember(self, Peer *peer, bint confirmable, uint16_t mid, uint32_t print_,
                       const uint8_t *answer, size_t size, uint32_t now_s,
                       uint32_t turn) noexcept nogil:
        cdef int i
        # 0 says "never": moments start at one.
        now_s = now_s if now_s else 1
        if not confirmable:
            i = peer.non_head
            peer.non_head = (i + 1) % RING_NON
            peer.non_mid[i] = mid
            peer.non_print[i] = <uint16_t>print_
            peer.non_heard_s[i] = now_s
            return
        i = peer.head
        peer.head = (i + 1) % RING
        peer.mid[i] = mid
        peer.print_[i] = <uint16_t>print_
        peer.heard_s[i] = now_s
        if size > ANSWER_BYTES:
            peer.answer_size[i] = ANSWER_LARGE
        else:
            peer.answer_size[i] = <uint8_t>size
            if size:
                memcpy(peer.answer[i], answer, 2)
                memcpy(peer.answer[i] + 2, answer + 4, size - 4)
        peer.held &= ~(1 << i)
        if turn:
            self.settle(peer, turn)
            peer.held |= 1 << i
            peer.turn[i] = <uint8_t>turn

    cdef void settle(self, Peer *peer, uint32_t turn) noexcept nogil:
        """`turn` becomes the newest; what is too old for its byte was kept long ago."""
        cdef int i
        for i in range(RING):
            if peer.held >> i & 1 and turn - self.turn_of(peer, i) > 255:
                peer.held &= ~(1 << i)
        peer.newest_turn = turn

    cdef size_t replay(self, const Peer *peer, int position, uint8_t *datagram) noexcept nogil:
        cdef size_t size = peer.answer_size[position]
        memcpy(datagram, peer.answer[position], 2)
        datagram[2] = <uint8_t>(peer.mid[position] >> 8)
        datagram[3] = <uint8_t>peer.mid[position]
        memcpy(datagram + 4, peer.answer[position] + 2, size - 4)
        return size

    cdef void forget_held(self, Peer *peer, uint32_t turn) noexcept nogil:
        cdef int i
        for i in range(RING):
            if peer.held >> i & 1 and <int>(self.turn_of(peer, i) - turn) >= 0:
                peer.heard_s[i] = 0
                peer.held &= ~(1 << i)

    cdef void forget_messages(self, const lf_addr *addr) noexcept nogil:
        cdef uint32_t number = self.find(addr)
        if number != NONE:
            memset(self.at(number).heard_s, 0, RING * sizeof(uint32_t))
            memset(self.at(number).non_heard_s, 0, RING_NON * sizeof(uint32_t))
