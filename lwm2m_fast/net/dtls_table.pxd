# The DTLS sessions of one endpoint, by slot number, by the peer's address and by principal.
#
# Knows where a session is, not what happens in it: no records, no handshakes, no clock. A stranger
# cannot choose where its entries fall: the hashes are seeded.
#
# Memory: 96 bytes a slot, and 12 to 24 for each index that an entry is in. A session whose peer
# sends our connection id is not in the index by address: the id leads to its slot by itself.

cimport cython
from lwm2m_fast.core.index cimport Index
from lwm2m_fast.core.slab cimport Slab, slab_at
from lwm2m_fast.datagram cimport lf_addr
from lwm2m_fast.net.lf_dtls cimport lf_dtls_session
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    SESSION_NONE = 0xFFFFFFFF
    CID_RANDOM = 8                      # random bytes of a connection id, at most

cdef enum SessionState:
    SESSION_FREE = 0
    SESSION_HALF_OPEN = 1               # a handshake is under way; nobody has shown who it is
    SESSION_READY = 2                   # authenticated: live (`session`) or saved (`blob`)

cdef enum:
    SESSION_USES_CID = 1                # the peer sends our connection id
    SESSION_BY_ADDRESS = 2              # it is in the index by address
    SESSION_LOADED = 4                  # the blob is of an earlier run: see least_sequence()

cdef struct Session:                    # 96 bytes
    lf_addr address                     # the peer's, real, as last shown by an authentic record
    uint8_t principal[16]               # once READY
    lf_dtls_session *session
    uint8_t *blob                       # of lf_dtls_save()
    uint8_t *who                        # once READY: size (2 bytes), then as dtls_row.pack_who()
    uint8_t cid_random[8]
    uint32_t heard                      # tenths of seconds, on the endpoint's clock; HALF_OPEN: its beginning
    uint32_t since                      # when it became READY, Unix seconds; HALF_OPEN: `changes` then
    uint32_t hello                      # a part of its ClientHello's random, to know a repeated one
    uint16_t blob_size
    uint8_t state                       # SessionState
    uint8_t kind                        # LF_DTLS_KIND_*
    uint8_t flags
    uint8_t suite                       # index into the suites' names


@cython.final
cdef class SessionTable:
    cdef Slab slots
    cdef Index addresses, principals
    cdef uint64_t seed[2]
    cdef uint32_t next_free             # the list goes through `since` of free slots
    cdef readonly uint32_t high         # slots from here on were never used
    cdef readonly uint32_t most         # slots at most
    cdef readonly uint32_t half_open, ready, live

    cdef Session *at(self, uint32_t number) noexcept nogil
    # A slot, half open, found by its address. SESSION_NONE: as many as may be, or no memory.
    cdef uint32_t take(self, const lf_addr *address) noexcept
    # The same for a session of an earlier run, which must have its number again. False: it is taken.
    # settle() must be called once behind all of these.
    cdef bint take_number(self, uint32_t number) noexcept
    cdef void settle(self) noexcept
    # Make a half open session READY and findable by its principal. False: no memory, nothing changed.
    cdef bint promote(self, uint32_t number, const uint8_t *principal, bint uses_cid) noexcept
    # Out of the indexes and free; the caller has freed what it points to.
    cdef void release(self, uint32_t number) noexcept

    # Sessions at an address: the one with a handshake under way, or the READY one.
    cdef uint32_t half_open_at(self, const lf_addr *address) noexcept nogil
    cdef uint32_t ready_at(self, const lf_addr *address) noexcept nogil
    cdef uint32_t of_principal(self, const uint8_t *principal) noexcept nogil

    cdef uint32_t _at(self, const lf_addr *address, int state) noexcept nogil
    cdef bint _index_address(self, uint32_t number) noexcept
    cdef void _forget_address(self, uint32_t number) noexcept
