# distutils: sources = csrc/lf_dtls.c csrc/lf_dtls_context.c csrc/lf_dtls_hello.c csrc/lf_dtls_resume.c csrc/lf_dtls_save.c csrc/lf_dtls_why.c
# Slots over csrc/lf_dtls; see dtls_records.pxd for what it knows.
#
# What happens per record makes no Python object and allocates nothing. Handshakes ask by way of the
# hooks below; an exception there ends that one handshake and is counted.

cimport cython
from lwm2m_fast.datagram cimport Outbox, lf_addr, lf_slot
from lwm2m_fast.net.cells cimport Cells
from lwm2m_fast.net.dtls_cid cimport ConnectionIds
from lwm2m_fast.net.dtls_table cimport Session, SessionTable
from lwm2m_fast.net.lf_dtls cimport *
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from lwm2m_fast.errors import ConfigError
from lwm2m_fast.net.dtls_base import MOST_SESSIONS, SUITES

cdef extern from "string.h" nogil:
    void explicit_bzero(void *data, size_t size)

cdef enum:
    DIGEST = 16
    BADCERT_OTHER = 0x0100              # MBEDTLS_X509_BADCERT_OTHER


@cython.no_gc_clear
cdef class DtlsRecords:
    def __cinit__(self, options, credentials, listener, wall_clock, int64_t now_ms, tuple seed):
        self.options = options
        self.cids = ConnectionIds(
            -1 if options.cid_length is None else options.cid_length, options.shard)
        self.table = SessionTable(min(options.max_sessions + options.max_handshakes, MOST_SESSIONS,
                                      self.cids.most()), seed)
        self.cids.table = self.table
        self.out = Outbox()
        self.cells = Cells()
        self.now_ms = now_ms
        self.hooks.owner = <void *>self
        self.hooks.psk = on_psk
        self.hooks.verify = on_verify
        self.hooks.resume = on_resume
        self.hooks.send = on_send

    def __dealloc__(self):
        cdef uint32_t number
        if self.table is not None:
            for number in range(self.table.high):
                self.free_slot(self.table.at(number))
        if self.context != NULL:
            lf_dtls_context_release(self.context)

    cdef int configure(self, bytes chain, bytes key, bytes anchors) except -1:
        cdef lf_dtls_options options
        cdef lf_dtls_context *context
        cdef char why[256]
        memset(&options, 0, sizeof(options))
        memset(why, 0, sizeof(why))
        for name in self.options.suites:
            options.suites |= <uint32_t>SUITES[name]
        options.cid_size = self.cids.size
        options.retransmit_first_ms = <uint32_t>(self.options.retransmit_first_s * 1000)
        options.retransmit_most_ms = <uint32_t>(self.options.retransmit_most_s * 1000)
        options.mtu = self.options.mtu
        options.resumptions = self.options.resumptions
        options.resumption_s = self.options.resumption_s
        set_bytes(chain, &options.chain, &options.chain_size)
        set_bytes(key, &options.key, &options.key_size)
        set_bytes(anchors, &options.anchors, &options.anchors_size)
        context = lf_dtls_context_new(&options, &self.hooks, why, sizeof(why))
        if context == NULL:
            raise ConfigError(f"dtls: {why.decode(errors='replace')}")
        if self.context != NULL:
            lf_dtls_context_release(self.context)
        self.context = context
        return 0

    cdef size_t hello(self, const lf_slot *wire, uint8_t *answer) noexcept:
        return lf_dtls_hello(self.context, <const uint8_t *>&wire.from_, sizeof(lf_addr),
                             wire.data, wire.size, self.now_ms, answer)

    # Sessions

    cdef bint begin(self, uint32_t number) noexcept:
        cdef uint8_t cid[LF_DTLS_MAX_CID]
        cdef Session *slot = self.table.at(number)
        self.cids.make(number, cid)
        slot.session = lf_dtls_open(self.context, <void *><size_t>number, cid, self.now_ms)
        return slot.session != NULL

    cdef int feed(self, Session *slot, const lf_slot *wire, uint8_t *plain, size_t *plain_size,
                  int *is_newest) noexcept:
        return lf_dtls_receive(slot.session, wire.data, wire.size, self.now_ms, plain, plain_size,
                               is_newest)

    cdef int more(self, Session *slot, uint8_t *plain, size_t *plain_size) noexcept:
        return lf_dtls_read_more(slot.session, plain, plain_size)

    cdef int time_out(self, Session *slot) noexcept:
        return lf_dtls_handle_timeout(slot.session, self.now_ms)

    cdef bint write(self, Session *slot, const uint8_t *plain, size_t size) noexcept:
        cdef uint8_t *room = self.out.reserve(size + LF_DTLS_OVERHEAD)
        cdef size_t written = 0
        if room != NULL:
            written = lf_dtls_write(slot.session, plain, size, room)
        if written == 0:
            return False
        self.out.commit(&slot.address, written)
        return True

    cdef void say_goodbye(self, Session *slot) noexcept:
        cdef uint8_t *room = self.out.reserve(LF_DTLS_OVERHEAD)
        cdef size_t written
        if room != NULL:
            written = lf_dtls_close(slot.session, room)
            if written:
                self.out.commit(&slot.address, written)

    cdef int64_t due(self, Session *slot) noexcept:
        return lf_dtls_due(slot.session)

    cdef str why(self, Session *slot):
        return lf_dtls_why(slot.session).decode(errors="replace")

    cdef void shown(self, Session *slot, Shown *shown) noexcept:
        shown.note_size = 0
        shown.note = lf_dtls_note(slot.session, &shown.note_size)
        shown.fingerprint = lf_dtls_fingerprint(slot.session)
        shown.kind = lf_dtls_kind(slot.session)
        shown.suite = lf_dtls_suite(slot.session)
        shown.uses_cid = lf_dtls_uses_cid(slot.session)
        shown.was_resumed = lf_dtls_was_resumed(slot.session)

    cdef bint pack(self, Session *slot) noexcept:
        cdef uint8_t blob[LF_DTLS_MAX_BLOB]
        cdef size_t size = lf_dtls_save(slot.session, blob, LF_DTLS_MAX_BLOB)
        if size == 0:
            return False
        slot.session = NULL
        slot.blob = self.cells.take(size)
        slot.blob_size = <uint16_t>size
        if slot.blob != NULL:
            memcpy(slot.blob, blob, size)
        explicit_bzero(blob, size)
        return slot.blob != NULL

    cdef bint unpack(self, uint32_t number, bint is_loaded, int64_t since_ms) noexcept:
        cdef Session *slot = self.table.at(number)
        # Whoever has a copy of the store cannot make us use a sequence number twice.
        cdef uint64_t least = lf_dtls_sequence_wall(since_ms) if is_loaded else 0
        slot.session = lf_dtls_load(self.context, <void *><size_t>number, slot.blob, slot.blob_size,
                                    least, self.now_ms)
        self._free_blob(slot)
        return slot.session != NULL

    cdef int note_who(self, Session *slot, bytes who) except -1:
        cdef uint16_t size = <uint16_t>len(who)
        slot.who = self.cells.take(2 + len(who))
        if slot.who == NULL:
            raise MemoryError(f"no memory for {len(who)} bytes of names")
        memcpy(slot.who, &size, 2)
        memcpy(slot.who + 2, <const char *>who, size)
        return 0

    cdef void _free_blob(self, Session *slot) noexcept nogil:
        self.cells.give(slot.blob, slot.blob_size)
        slot.blob = NULL

    cdef void free_slot(self, Session *slot) noexcept nogil:
        cdef uint16_t size = 0
        lf_dtls_free(slot.session)      # NULL: nothing
        slot.session = NULL
        self._free_blob(slot)
        if slot.who != NULL:
            memcpy(&size, slot.who, 2)
            self.cells.give(slot.who, 2 + size)
        slot.who = NULL

    # What handshakes ask

    cdef tuple psk_of(self, uint32_t number, bytes identity):
        return None

    cdef tuple certificate_of(self, bytes leaf, uint32_t flags):
        return BADCERT_OTHER, b""

    cdef bint may_resume(self, int kind, bytes digest, bytes note) except? True:
        return False

    cdef size_t _take_psk(self, lf_dtls_session *session, bytes identity, uint8_t *key) except? 0:
        cdef tuple found = self.psk_of(number_of(session), identity)
        cdef bytes secret, note
        if found is None:
            return 0
        secret, note = found
        if not 0 < len(secret) <= LF_DTLS_MAX_KEY or not lf_dtls_set_note(session, note, len(note)):
            raise ValueError("the key or the names of an identity are too long")
        memcpy(key, <const char *>secret, len(secret))
        return len(secret)

    cdef uint32_t _judge(self, lf_dtls_session *session, bytes leaf, uint32_t flags) except? 1:
        cdef bytes note
        counted, note = self.certificate_of(leaf, flags)
        if counted:
            return counted
        return 0 if lf_dtls_set_note(session, note, len(note)) else BADCERT_OTHER

    cdef bint _may_resume(self, lf_dtls_session *session, int kind, bytes digest) except? True:
        cdef size_t size = 0
        cdef const uint8_t *note = lf_dtls_note(session, &size)
        return self.may_resume(kind, digest, (<const char *>note)[:size])

    cdef bytes digest(self, bytes head, bytes data):
        cdef uint8_t digest[DIGEST]
        if not lf_dtls_digest(head, len(head), data, len(data), digest, DIGEST):
            raise RuntimeError("SHA-256 has failed")
        return (<const char *>digest)[:DIGEST]

    cdef bint is_same(self, const uint8_t *one, const uint8_t *other, size_t size) noexcept:
        return lf_dtls_same(one, other, size)

    cdef void fault(self, object error) noexcept:
        self.counts.faults += 1
        self.last_fault = error


cdef inline uint32_t number_of(lf_dtls_session *session) noexcept nogil:
    return <uint32_t><size_t>lf_dtls_user(session)


cdef int set_bytes(bytes given, const uint8_t **data, size_t *size) except -1:
    """PEM is handed over with the zero byte behind it."""
    if given is not None:
        data[0] = <const uint8_t *><const char *>given
        size[0] = len(given) + (1 if b"-----BEGIN" in given else 0)
    return 0


cdef size_t on_psk(void *owner, lf_dtls_session *session, const uint8_t *identity, size_t size,
                   uint8_t *key) noexcept with gil:
    cdef DtlsRecords self = <DtlsRecords>owner
    try:
        return self._take_psk(session, (<const char *>identity)[:size], key)
    except Exception as error:
        self.fault(error)
        return 0


cdef uint32_t on_verify(void *owner, lf_dtls_session *session, const uint8_t *leaf, size_t size,
                        uint32_t flags) noexcept with gil:
    cdef DtlsRecords self = <DtlsRecords>owner
    try:
        return self._judge(session, (<const char *>leaf)[:size], flags)
    except Exception as error:
        self.fault(error)
        return flags | BADCERT_OTHER


cdef int on_resume(void *owner, lf_dtls_session *session, int kind, const uint8_t *identity,
                   size_t size) noexcept with gil:
    cdef DtlsRecords self = <DtlsRecords>owner
    try:
        return self._may_resume(session, kind, (<const char *>identity)[:size])
    except Exception as error:
        self.fault(error)
        return 0


cdef void on_send(void *owner, lf_dtls_session *session, const uint8_t *datagram,
                  size_t size) noexcept with gil:
    cdef DtlsRecords self = <DtlsRecords>owner
    cdef uint8_t *room = self.out.reserve(size)
    if room != NULL:                    # else it is lost, as on any network
        memcpy(room, datagram, size)
        self.out.commit(&self.table.at(number_of(session)).address, size)
