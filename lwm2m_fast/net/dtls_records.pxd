# The sessions in the table's slots over csrc/lf_dtls: begun, fed, written to, packed, freed.
#
# The only file of the endpoint that calls the library. Knows records and slots; not who a peer is
# (it asks, by the methods at the end), when a session ends, nor which datagram is whose. What must
# leave is put into `out`, which the owner sends.

cimport cython
from lwm2m_fast.datagram cimport Outbox, lf_slot
from lwm2m_fast.net.cells cimport Cells
from lwm2m_fast.net.dtls_cid cimport ConnectionIds
from lwm2m_fast.net.dtls_counts cimport SessionCounts
from lwm2m_fast.net.dtls_table cimport Session, SessionTable
from lwm2m_fast.net.lf_dtls cimport lf_dtls_context, lf_dtls_hooks, lf_dtls_session
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

# What a peer has shown in its handshake. The bytes are the session's.
cdef struct Shown:
    const uint8_t *note                 # who it is, as noted then; see dtls_identity
    size_t note_size
    const uint8_t *fingerprint          # SHA-256 of its certificate
    int kind                            # LF_DTLS_KIND_*
    const char *suite
    bint uses_cid
    bint was_resumed


@cython.no_gc_clear                     # __dealloc__ needs the table
cdef class DtlsRecords:
    cdef SessionTable table
    cdef ConnectionIds cids
    cdef Cells cells                    # for `blob` and `who` of every slot
    cdef Outbox out
    cdef int64_t now_ms                 # set by the owner before each call
    cdef SessionCounts counts
    cdef object options, last_fault
    cdef lf_dtls_context *context
    cdef lf_dtls_hooks hooks

    # Use these for handshakes that begin from now on. ConfigError: what cannot be used.
    cdef int configure(self, bytes chain, bytes key, bytes anchors) except -1
    # lf_dtls_hello(): 1: the cookie is valid; 0: nothing; above: the size of `answer` (64 bytes).
    cdef size_t hello(self, const lf_slot *wire, uint8_t *answer) noexcept
    # A handshake in the slot. False: no memory, nothing has changed.
    cdef bint begin(self, uint32_t number) noexcept
    # lf_dtls_receive(), lf_dtls_read_more(), lf_dtls_handle_timeout(): the event.
    cdef int feed(self, Session *slot, const lf_slot *wire, uint8_t *plain, size_t *plain_size,
                  int *is_newest) noexcept
    cdef int more(self, Session *slot, uint8_t *plain, size_t *plain_size) noexcept
    cdef int time_out(self, Session *slot) noexcept
    # A record with `size` bytes into `out`. False: it cannot be written.
    cdef bint write(self, Session *slot, const uint8_t *plain, size_t size) noexcept
    cdef void say_goodbye(self, Session *slot) noexcept
    # When the handshake wants time_out(); -1: never.
    cdef int64_t due(self, Session *slot) noexcept
    cdef str why(self, Session *slot)   # the handshake failed
    cdef void shown(self, Session *slot, Shown *shown) noexcept
    # The session's bytes in place of its buffers. False: it has none, and is as it was; with
    # `session` NULL it is gone, as there was no memory.
    cdef bint pack(self, Session *slot) noexcept
    # The session of its bytes, which are used up. One of an earlier run, that began `since_ms` ago,
    # uses no sequence number of before. False: they are of no use.
    cdef bint unpack(self, uint32_t number, bint is_loaded, int64_t since_ms) noexcept
    # `who` of dtls_row.pack_who() into the slot. MemoryError: too long, or no memory.
    cdef int note_who(self, Session *slot, bytes who) except -1
    # What the slot points to.
    cdef void free_slot(self, Session *slot) noexcept nogil
    # 16 bytes of SHA-256 over both.
    cdef bytes digest(self, bytes head, bytes data)
    # Whether `size` bytes are the same, in the same time whatever they are.
    cdef bint is_same(self, const uint8_t *one, const uint8_t *other, size_t size) noexcept
    # An exception that ended nothing but what it came from.
    cdef void fault(self, object error) noexcept

    # Asked in a handshake; here nobody is let in.
    # (key, note) of a PSK identity, None: it is unknown.
    cdef tuple psk_of(self, uint32_t number, bytes identity)
    # (flags that refuse a certificate, or 0; note).
    cdef tuple certificate_of(self, bytes leaf, uint32_t flags)
    # Whether a session with this note may be resumed; `digest` is the certificate's SHA-256.
    cdef bint may_resume(self, int kind, bytes digest, bytes note) except? True

    # Private.
    cdef size_t _take_psk(self, lf_dtls_session *session, bytes identity, uint8_t *key) except? 0
    cdef uint32_t _judge(self, lf_dtls_session *session, bytes leaf, uint32_t flags) except? 1
    cdef bint _may_resume(self, lf_dtls_session *session, int kind, bytes digest) except? True
    cdef void _free_blob(self, Session *slot) noexcept nogil
