# What crosses the seam between net/ and core/: addresses, a batch in, a batch out.
#
# The memory belongs to these objects. A slot's bytes are valid until the next receive into the
# same Inbox; an Outbox's bytes until it is cleared.

from libc.stdint cimport uint8_t, uint16_t, uint32_t

cdef extern from "lf_batch.h" nogil:
    enum:
        LF_BATCH_SLOTS
        LF_DATAGRAM_BYTES

    ctypedef struct lf_addr:
        uint8_t ip[16]
        uint16_t port
        uint16_t local
        uint32_t scope

    ctypedef struct lf_slot:
        lf_addr from_ "from"
        uint32_t size
        uint8_t *data

    ctypedef struct lf_out:
        lf_addr to
        uint32_t offset
        uint32_t size


# A secure peer has one address that never changes, its principal: 16 bytes that stand for its
# identity in place of an address, port 0, and the number of the secure listener. Which real address
# it has at the moment is known to the listener alone (net/dtls).
cdef enum:
    LOCAL_SECURE = 1

cdef inline bint addr_is_secure(const lf_addr *addr) noexcept nogil:
    """Both are looked at: a datagram can come from port 0, but never by the secure listener."""
    return addr.port == 0 and addr.local == LOCAL_SECURE


cdef class Inbox:
    """Up to LF_BATCH_SLOTS received datagrams; `count` of them are filled."""

    cdef lf_slot slots[64]
    cdef uint8_t *memory
    cdef public int count


cdef class Outbox:
    """Datagrams that wait to leave, packed behind each other in one arena."""

    cdef uint8_t *arena
    cdef size_t arena_size
    cdef size_t arena_used
    cdef lf_out *entries
    cdef int entries_size
    cdef readonly int count
    cdef readonly int first                # entries before it have left already

    # Room for a datagram of at most `size` bytes to `to`; NULL when out of memory. The pointer
    # is valid until the next reserve(); the datagram exists only after commit().
    cdef uint8_t *reserve(self, size_t size) noexcept nogil
    cdef void commit(self, const lf_addr *to, size_t size) noexcept nogil
    cdef void take_from(self, Outbox other) noexcept nogil
    # Copies of `count` datagrams in `arena`, in order. What finds no memory is dropped.
    cdef void append_entries(self, const uint8_t *arena, const lf_out *entries,
                             int count) noexcept nogil
    cdef void reset(self) noexcept nogil


# "192.0.2.1:5683", "[2001:db8::1]:5683"; of a principal "[...]:0", and with port 0 it is one.
cdef object addr_text(const lf_addr *addr)
cdef int addr_parse(str text, lf_addr *addr) except -1
