# Connection ids; see dtls_cid.pxd for their form.

import os

cimport cython
from lwm2m_fast.net.dtls_table cimport CID_RANDOM, SESSION_FREE, SESSION_NONE, Session
from libc.string cimport memcmp, memcpy, memset

cdef enum:
    CHANCE_BYTES = 1024                 # of randomness fetched at a time


@cython.final
cdef class ConnectionIds:
    def __cinit__(self, int size, uint8_t shard):
        self.size = size
        self.shard = shard
        # The shard, the number, and what is left by chance; a number alone where there is no room.
        self.number_bytes = max(1, min(3, size - 1))
        self.chance = b""

    cdef uint32_t most(self) noexcept nogil:
        return <uint32_t>1 << (8 * self.number_bytes) if self.size > 0 else <uint32_t>0xFFFFFFFF

    cdef void make(self, uint32_t number, uint8_t *cid) noexcept:
        cdef Session *slot = self.table.at(number)
        cdef int at = 0, i
        if self.chance_used + CID_RANDOM > <size_t>len(self.chance):
            self.chance, self.chance_used = os.urandom(CHANCE_BYTES), 0
        memcpy(slot.cid_random, <const char *>self.chance + self.chance_used, CID_RANDOM)
        self.chance_used += CID_RANDOM
        if self.size <= 0:
            return
        memset(cid, 0, self.size)       # beyond what is kept of the chance, zeros
        if self.size > 1:
            cid[0] = self.shard
            at = 1
        for i in range(self.number_bytes):
            cid[at + i] = <uint8_t>(number >> (8 * (self.number_bytes - 1 - i)))
        at += self.number_bytes
        memcpy(cid + at, slot.cid_random, min(CID_RANDOM, self.size - at))

    cdef uint32_t of(self, const uint8_t *cid) noexcept nogil:
        cdef int at = 1 if self.size > 1 else 0
        cdef int i
        cdef uint32_t number = 0
        for i in range(self.number_bytes):
            number = number << 8 | cid[at + i]
        at += self.number_bytes
        if (number >= self.table.high or self.table.at(number).state == SESSION_FREE
                or (at == 1 + self.number_bytes and cid[0] != self.shard)
                or memcmp(cid + at, self.table.at(number).cid_random,
                          min(CID_RANDOM, self.size - at)) != 0):
            return <uint32_t>SESSION_NONE
        return number
