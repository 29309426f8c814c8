# Secure sessions beneath a fleet (DTLS 1.2): the contract.

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from lwm2m_fast.net.lf_dtls cimport (LF_DTLS_MAX_PLAIN, LF_DTLS_OVERHEAD, lf_dtls_context,
                                     lf_dtls_event, lf_dtls_options, lf_dtls_session)
from lwm2m_fast.sim.fleet cimport Fleet
from lwm2m_fast.sim.histogram cimport Histogram
from lwm2m_fast.sim.layer cimport Layer
from lwm2m_fast.sim.recent cimport Place, Recent
from lwm2m_fast.sim.wheel cimport Wheel

cdef enum Stage:
    STAGE_NONE = 0                # no session
    STAGE_HANDSHAKE
    STAGE_READY
    STAGE_SAVED                   # ready, and only its bytes are kept

cdef struct Secured:
    Place place                   # among live sessions that are ready
    lf_dtls_session *session      # STAGE_HANDSHAKE, STAGE_READY
    uint8_t *saved                # STAGE_SAVED
    uint8_t *ticket               # what resumes the session before this one; NULL = nothing
    int64_t began_at              # of the handshake, ns
    uint16_t saved_size
    uint16_t ticket_size
    uint8_t stage

cdef struct DtlsCounts:
    uint64_t received             # datagrams
    uint64_t handshakes           # begun
    uint64_t secured              # handshakes that ended well ...
    uint64_t resumed              # ... of which by a resumption
    uint64_t closed               # by the server
    uint64_t insecure             # datagrams of devices that had no session to send them in yet
    uint64_t unasked              # datagrams that came to devices without a session
    uint64_t unsent               # too long for a record, or the session's numbers were used up
    uint64_t saved                # sessions of which only the bytes were kept, to make room
    uint64_t woken                # and which were used again


cdef class Dtls(Layer):
    cdef Fleet fleet
    cdef Secured *devices
    cdef Recent recent
    cdef uint32_t most_live
    cdef readonly uint32_t live
    cdef Wheel wheel              # handshake timers
    cdef object identify
    cdef object identity          # the last one, and the context made of it
    cdef lf_dtls_context *context
    cdef lf_dtls_context *saver   # of every session that was saved: it needs no credentials
    cdef lf_dtls_options options
    cdef bint resumes
    cdef DtlsCounts counts
    cdef readonly dict failures   # handshakes that failed, by the words for why
    cdef readonly Histogram handshake
    cdef int64_t turned_at        # where the clock of the Python edge stands
    cdef uint64_t random_state
    cdef uint8_t plain[LF_DTLS_MAX_PLAIN]
    cdef uint8_t record[LF_DTLS_MAX_PLAIN + LF_DTLS_OVERHEAD]

    cdef lf_dtls_context *context_for(self, identity) except NULL
    cdef lf_dtls_context *new_context(self, identity, uint32_t suites) except NULL
    cdef void begin(self, uint32_t key, int64_t now) noexcept nogil
    cdef lf_dtls_session *open(self, uint32_t key, int64_t now)
    cdef lf_dtls_session *wake(self, uint32_t key, int64_t now) noexcept nogil
    cdef void make_room(self) noexcept nogil
    cdef bint save(self, uint32_t key) noexcept nogil
    cdef void drop(self, uint32_t key) noexcept nogil
    cdef void keep_ticket(self, uint32_t key, int64_t now) noexcept nogil
    cdef void forget_ticket(self, uint32_t key) noexcept nogil
    cdef void seal(self, uint32_t key, const uint8_t *data, size_t size,
                   int64_t now) noexcept nogil
    cdef void handle(self, uint32_t key, lf_dtls_event event, size_t size,
                     int64_t now) noexcept nogil
    cdef void ready(self, uint32_t key, int64_t now) noexcept nogil
    cdef void failed(self, uint32_t key, int64_t now) noexcept nogil
    cdef void arm(self, uint32_t key) noexcept nogil
