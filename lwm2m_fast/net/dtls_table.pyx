# The table of DTLS sessions; see dtls_table.pxd for what it promises.
#
# Slots never move (core/slab), so a pointer to one is good until its session is released. Free
# slots form a list, last freed first, so that the memory in use stays dense.

cimport cython
from lwm2m_fast.core.index cimport INDEX_NONE, Index, Probe, hash_addr, hash_bytes
from lwm2m_fast.core.slab cimport slab_at, slab_capacity, slab_free, slab_init, slab_reserve
from lwm2m_fast.datagram cimport lf_addr
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset


cdef inline bint is_same(const lf_addr *a, const lf_addr *b) noexcept nogil:
    return memcmp(a, b, sizeof(lf_addr)) == 0


@cython.final
cdef class SessionTable:
    def __cinit__(self, uint32_t most, tuple seed):
        slab_init(&self.slots, sizeof(Session))
        self.addresses, self.principals = Index(), Index()
        self.seed = seed
        self.next_free = <uint32_t>SESSION_NONE
        self.most = most

    def __dealloc__(self):
        slab_free(&self.slots)

    @property
    def bytes(self):
        """Memory taken for slots and indexes."""
        return (slab_capacity(&self.slots) * <size_t>sizeof(Session)
                + self.addresses.bytes + self.principals.bytes)

    cdef Session *at(self, uint32_t number) noexcept nogil:
        return <Session *>slab_at(&self.slots, number)

    cdef uint32_t take(self, const lf_addr *address) noexcept:
        cdef uint32_t number = self.next_free
        cdef Session *slot
        if number == <uint32_t>SESSION_NONE:
            number = self.high
            if number >= self.most or slab_reserve(&self.slots, number) < 0:
                return <uint32_t>SESSION_NONE
        slot = self.at(number)
        slot.address = address[0]
        if not self._index_address(number):
            return <uint32_t>SESSION_NONE
        if number == self.high:
            self.high += 1
        else:
            self.next_free = slot.since
        slot.since = 0
        slot.state = SESSION_HALF_OPEN
        self.half_open += 1
        return number

    cdef bint take_number(self, uint32_t number) noexcept:
        if number >= self.most or slab_reserve(&self.slots, number) < 0:
            return False
        if number >= self.high:
            self.high = number + 1
        elif self.at(number).state != SESSION_FREE:
            return False
        self.at(number).state = SESSION_HALF_OPEN
        self.half_open += 1
        return True

    cdef void settle(self) noexcept:
        """Make the list of free slots anew: take_number() took from the middle of it."""
        cdef uint32_t number = self.high
        self.next_free = <uint32_t>SESSION_NONE
        while number:
            number -= 1
            if self.at(number).state == SESSION_FREE:
                self.at(number).since = self.next_free
                self.next_free = number

    cdef bint promote(self, uint32_t number, const uint8_t *principal, bint uses_cid) noexcept:
        cdef Session *slot = self.at(number)
        if not uses_cid and not slot.flags & SESSION_BY_ADDRESS and not self._index_address(number):
            return False
        try:
            self.principals.insert(tag_of_principal(principal, self.seed), number)
        except MemoryError:
            return False
        if uses_cid:
            self._forget_address(number)
            slot.flags |= SESSION_USES_CID
        memcpy(slot.principal, principal, 16)
        slot.state = SESSION_READY
        self.half_open -= 1
        self.ready += 1
        return True

    cdef void release(self, uint32_t number) noexcept:
        cdef Session *slot = self.at(number)
        self._forget_address(number)
        if slot.state == SESSION_READY:
            self.principals.remove(tag_of_principal(slot.principal, self.seed), number)
            self.ready -= 1
        else:
            self.half_open -= 1
        memset(slot, 0, sizeof(Session))
        slot.since = self.next_free
        self.next_free = number

    cdef uint32_t half_open_at(self, const lf_addr *address) noexcept nogil:
        return self._at(address, SESSION_HALF_OPEN)

    cdef uint32_t ready_at(self, const lf_addr *address) noexcept nogil:
        return self._at(address, SESSION_READY)

    cdef uint32_t of_principal(self, const uint8_t *principal) noexcept nogil:
        cdef Probe p
        cdef uint32_t number = self.principals.first(tag_of_principal(principal, self.seed), &p)
        while number != <uint32_t>INDEX_NONE:
            if memcmp(self.at(number).principal, principal, 16) == 0:
                return number
            number = self.principals.next(&p)
        return <uint32_t>SESSION_NONE

    cdef uint32_t _at(self, const lf_addr *address, int state) noexcept nogil:
        cdef Probe p
        cdef uint32_t number = self.addresses.first(<uint32_t>hash_addr(address, self.seed), &p)
        while number != <uint32_t>INDEX_NONE:
            if self.at(number).state == state and is_same(&self.at(number).address, address):
                return number
            number = self.addresses.next(&p)
        return <uint32_t>SESSION_NONE

    cdef bint _index_address(self, uint32_t number) noexcept:
        cdef Session *slot = self.at(number)
        try:
            self.addresses.insert(<uint32_t>hash_addr(&slot.address, self.seed), number)
        except MemoryError:
            return False
        slot.flags |= SESSION_BY_ADDRESS
        return True

    cdef void _forget_address(self, uint32_t number) noexcept:
        cdef Session *slot = self.at(number)
        if slot.flags & SESSION_BY_ADDRESS:
            self.addresses.remove(<uint32_t>hash_addr(&slot.address, self.seed), number)
            slot.flags &= <uint8_t>~SESSION_BY_ADDRESS


cdef inline uint32_t tag_of_principal(const uint8_t *principal, const uint64_t *seed) noexcept nogil:
    return <uint32_t>hash_bytes(principal, 16, seed)
