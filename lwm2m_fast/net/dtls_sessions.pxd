# The life of DTLS sessions: opened by a ClientHello, authenticated, saved when idle, woken, ended.
#
# Knows records and credentials, moments are passed in; no socket, and not which datagram is whose
# (net/dtls). What must leave is put into `out`, which the owner sends.

cimport cython
from lwm2m_fast.core.timers cimport TimerWheel
from lwm2m_fast.datagram cimport Outbox, lf_addr, lf_slot
from lwm2m_fast.net.cells cimport Cells
from lwm2m_fast.net.dtls_table cimport Session, SessionTable
from lwm2m_fast.net.lf_dtls cimport lf_dtls_context, lf_dtls_hooks, lf_dtls_session
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

cdef struct SessionCounts:
    uint64_t started, done, resumed, failed, timed_out, refused_most
    uint64_t replaced, displaced, refused_sessions, moved, closed, expired, ended
    uint64_t saves, wakes, wakes_failed, not_loaded, faults
    uint64_t records_in, records_dropped, records_out, send_unknown, send_failed


@cython.no_gc_clear                     # __dealloc__ needs the table
cdef class DtlsSessions:
    cdef SessionTable table
    cdef TimerWheel wheel
    cdef Cells cells                    # for `blob` and `who` of every slot
    cdef Outbox out
    cdef int64_t now_ms                 # set by the owner before each call
    cdef SessionCounts counts
    cdef lf_dtls_context *context
    cdef lf_dtls_hooks hooks
    cdef int cid_size, number_bytes
    cdef uint8_t shard
    cdef uint32_t most_sessions, most_handshakes
    cdef int64_t base_ms, handshake_ms, idle_ms, timeout_ms, refused_at_ms
    cdef object options, credentials, listener, wall_clock, last_fault
    cdef bytes secret, claimed, chance
    cdef size_t chance_used
    cdef uint32_t claimed_by
    cdef uint32_t changes               # of credentials: whose handshake began before is asked again
    cdef uint32_t trusted_since         # `changes` when the anchors became what they are
    cdef bytes anchors
    cdef uint32_t most_live             # since memory was last given back

    # Use these for handshakes that begin from now on. ConfigError: what cannot be used.
    cdef int configure(self, bytes chain, bytes key, bytes anchors) except -1
    # lf_dtls_hello(): 1: the cookie is valid; 0: nothing; above: the size of `answer` (64 bytes).
    cdef size_t hello(self, const lf_slot *wire, uint8_t *answer) noexcept
    # A session for a peer whose cookie was valid; SESSION_NONE: a bound, or no memory.
    cdef uint32_t open(self, const lf_addr *address, uint32_t hello) noexcept
    # Feed a datagram, waking the session if need be. LF_DTLS_DATA: plain text is in `plain` and
    # more may be had by read_more(); LF_DTLS_WAITS: none, and the session may be gone.
    cdef int receive(self, uint32_t number, const lf_slot *wire, uint8_t *plain,
                     size_t *plain_size) noexcept
    cdef int read_more(self, uint32_t number, uint8_t *plain, size_t *plain_size) noexcept
    # Put a record with `size` bytes into `out` for a principal; counts what cannot be.
    cdef void send(self, const uint8_t *principal, const uint8_t *plain, size_t size) noexcept
    # The slot that a connection id leads to; SESSION_NONE: nobody's.
    cdef uint32_t of_cid(self, const uint8_t *cid) noexcept nogil
    cdef void handle_timer(self) noexcept
    # `who` of dtls_row.pack_who() into the slot. MemoryError: too long, or no memory.
    cdef int note_who(self, Session *slot, bytes who) except -1
    # Free without a word to anybody.
    cdef void forget(self, uint32_t number) noexcept
    # End an authenticated session; the listener is told.
    cdef void leave(self, uint32_t number, bint says_goodbye) noexcept
    # Make a saved session live. False: its bytes are of no use, and it has ended.
    cdef bint wake(self, uint32_t number) noexcept
    # Give the session's buffers back. False: it cannot be saved now and lives on.
    cdef bint save(self, uint32_t number) noexcept
    cdef void schedule(self, uint32_t number, int64_t due_ms) noexcept
    cdef uint32_t tenths(self) noexcept nogil
    cdef int64_t heard_ms(self, const Session *slot) noexcept nogil

    cdef void _write_cid(self, uint32_t number, uint8_t *cid) noexcept nogil
    cdef int _received(self, uint32_t number, int event) noexcept
    cdef int64_t _since_ms(self, const Session *slot) noexcept
    cdef int64_t _deadline(self, const Session *slot) noexcept nogil
    cdef bytes _key_digest(self, bytes key)
    cdef bytes _principal(self, int kind, bytes subject)
    cdef bytes _digest(self, bytes head, bytes data)
    cdef bint _is_still_let_in(self, const Session *slot, int kind) except? True
    cdef size_t _find_psk(self, lf_dtls_session *session, bytes identity, uint8_t *key) except? 0
    cdef uint32_t _judge(self, lf_dtls_session *session, bytes leaf, uint32_t flags) except? 1
    cdef bint _may_resume(self, lf_dtls_session *session, int kind, bytes digest) except? True
    cdef int _advance(self, uint32_t number, int event, uint8_t *plain, size_t *plain_size) noexcept
    cdef bint _authenticate(self, uint32_t number) except -1
    cdef int _displace(self, uint32_t number, uint32_t old) except -1
    cdef void _fail(self, uint32_t number, str why) noexcept
    cdef void _say_goodbye(self, Session *slot) noexcept
    cdef void _make_cid(self, uint32_t number, uint8_t *cid) noexcept
    cdef void _on_timer(self, uint32_t number) noexcept
    cdef void _on_half_open_timer(self, uint32_t number) noexcept
    cdef void _fault(self, object error) noexcept
    cdef void _free_blob(self, Session *slot) noexcept nogil
    cdef void _free_session(self, Session *slot) noexcept nogil
    cdef void _give_back(self) noexcept nogil
