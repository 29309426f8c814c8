# Connection ids (RFC 9146): made for a slot, and read back to it without a search.
#
# Shard, slot number, chance. Knows no record; a session with an id of its own may have any address.

cimport cython
from lwm2m_fast.net.dtls_table cimport SessionTable
from libc.stdint cimport uint8_t, uint32_t

@cython.final
cdef class ConnectionIds:
    cdef SessionTable table
    cdef int size                       # bytes; -1: peers are not offered any, 0: ours is empty
    cdef int number_bytes
    cdef uint8_t shard
    cdef bytes chance
    cdef size_t chance_used

    # How many slots it can tell apart.
    cdef uint32_t most(self) noexcept nogil
    # A fresh one for a slot, into `cid` (LF_DTLS_MAX_CID bytes), its chance into the slot.
    cdef void make(self, uint32_t number, uint8_t *cid) noexcept
    # The slot that a connection id leads to; SESSION_NONE: nobody's.
    cdef uint32_t of(self, const uint8_t *cid) noexcept nogil
