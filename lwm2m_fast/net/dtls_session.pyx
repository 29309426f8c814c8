# distutils: sources = csrc/lf_dtls.c csrc/lf_dtls_context.c csrc/lf_dtls_hello.c csrc/lf_dtls_resume.c csrc/lf_dtls_save.c csrc/lf_dtls_why.c
# DTLS 1.2 for Python, one session at a time: bytes in, bytes out. Knows records and handshakes;
# no socket, no clock, no store.
#
# For what has few sessions: a client, a probe, a test. The server's many go through net/dtls.

from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.string cimport memcpy, memset

from lwm2m_fast.net.lf_dtls cimport *

from lwm2m_fast.errors import ConfigError

WAITS = LF_DTLS_WAITS
READY = LF_DTLS_READY
DATA = LF_DTLS_DATA
CLOSED = LF_DTLS_CLOSED
FAILED = LF_DTLS_FAILED

KIND_NONE = LF_DTLS_KIND_NONE
KIND_PSK = LF_DTLS_KIND_PSK
KIND_X509 = LF_DTLS_KIND_X509

MAX_PLAIN = LF_DTLS_MAX_PLAIN
OVERHEAD = LF_DTLS_OVERHEAD

SUITES = lf_dtls_suites()


def library():
    """The DTLS library that is built in, its version and sizes, for people to read."""
    cdef char text[160]
    lf_dtls_library(text, sizeof(text))
    return text.decode()


def longest_key():
    """Bytes of the longest pre-shared key that the library takes: 64, or less where it is the
    system's."""
    return lf_dtls_longest_key()


def is_client_hello(bytes datagram not None):
    """Whether a datagram begins with an unprotected ClientHello."""
    return lf_dtls_is_client_hello(datagram, len(datagram))


def sequence_wall(int64_t since_first_ms):
    """The least sequence number for a session loaded so long after its first moment."""
    return lf_dtls_sequence_wall(since_first_ms)


cdef object _bytes(const uint8_t *data, size_t size):
    return (<const char *>data)[:size] if data != NULL else b""


cdef size_t _on_psk(void *owner, lf_dtls_session *session, const uint8_t *identity, size_t size,
                    uint8_t *key) noexcept with gil:
    cdef DtlsContext context = <DtlsContext>owner
    cdef bytes found
    try:
        found = context.psk(_bytes(identity, size))
        if found is None or len(found) > LF_DTLS_MAX_KEY:
            return 0
        memcpy(key, <const uint8_t *>found, len(found))
        return len(found)
    except BaseException as error:
        context.error = error
        return 0


cdef uint32_t _on_verify(void *owner, lf_dtls_session *session, const uint8_t *leaf_der,
                         size_t leaf_size, uint32_t flags) noexcept with gil:
    cdef DtlsContext context = <DtlsContext>owner
    try:
        return context.verify(_bytes(leaf_der, leaf_size), flags)
    except BaseException as error:
        context.error = error
        return 0xFFFFFFFF


cdef int _on_resume(void *owner, lf_dtls_session *session, int kind, const uint8_t *identity,
                    size_t size) noexcept with gil:
    cdef DtlsContext context = <DtlsContext>owner
    try:
        return bool(context.resume(kind, _bytes(identity, size)))
    except BaseException as error:
        context.error = error
        return 0


cdef void _on_send(void *owner, lf_dtls_session *session, const uint8_t *datagram,
                   size_t size) noexcept with gil:
    cdef DtlsSession ours = <DtlsSession>lf_dtls_user(session)
    ours.sent.append(_bytes(datagram, size))


cdef class DtlsContext:
    """What is alike for many sessions: role, suites, credentials, timers.

    `suites` are IANA names out of SUITES, all of them if None; `cid_size` is the length of our own
    connection ids (0 to 16), or -1 to do without (RFC 9146). `chain`, `key` and `anchors` are DER,
    certificates one after another. A server asks `psk(identity)` for a key, None if unknown; both
    roles ask `verify(leaf, flags)` which of the MBEDTLS_X509_BADCERT_* shall count, and a server
    asks `resume(kind, identity)` whether a peer may resume. What these raise comes out of the call
    that led to them. A client has `identity` and `key` of its PSK in `own_psk`. ConfigError: a
    setting that cannot be, by its name.
    """

    def __init__(self, *, bint is_client=False, suites=None, int cid_size=6,
                 uint32_t retransmit_first_ms=1000, uint32_t retransmit_most_ms=60_000,
                 int mtu=1280, int resumptions=0, uint32_t resumption_s=3600, bytes chain=b"",
                 bytes key=b"", bytes anchors=b"", psk=None, verify=None, resume=None,
                 own_psk=None):
        cdef lf_dtls_options options
        cdef lf_dtls_hooks hooks
        cdef char why[160]
        cdef bytes identity = b"", secret = b""
        if not 0 <= mtu <= 65535 or not 0 <= resumptions <= 65535:
            raise ConfigError(f"dtls: mtu {mtu} or resumptions {resumptions} is not 0 to 65535")
        if own_psk is not None:
            identity, secret = own_psk
        memset(&options, 0, sizeof(options))
        memset(&hooks, 0, sizeof(hooks))
        why[0] = 0
        self.psk, self.verify, self.resume = psk, verify, resume
        self.cid_size = cid_size
        options.is_client = is_client
        for name in SUITES if suites is None else suites:
            if name not in SUITES:
                raise ConfigError(f"dtls.suites: {name!r} is none of {', '.join(SUITES)}")
            options.suites |= <uint32_t>SUITES[name]
        options.cid_size = cid_size
        options.retransmit_first_ms = retransmit_first_ms
        options.retransmit_most_ms = retransmit_most_ms
        options.mtu, options.resumptions = mtu, resumptions
        options.resumption_s = resumption_s
        if chain:
            options.chain, options.chain_size = chain, len(chain)
            options.key, options.key_size = key, len(key)
        if anchors:
            options.anchors, options.anchors_size = anchors, len(anchors)
        options.identity, options.identity_size = identity, len(identity)
        options.psk, options.psk_size = secret, len(secret)
        hooks.owner = <void *>self
        hooks.send = _on_send
        if psk is not None:
            hooks.psk = _on_psk
        if verify is not None:
            hooks.verify = _on_verify
        if resume is not None:
            hooks.resume = _on_resume
        self.context = lf_dtls_context_new(&options, &hooks, why, sizeof(why))
        if self.context == NULL:
            raise ConfigError(f"dtls: {why.decode()}")

    def __dealloc__(self):
        lf_dtls_context_release(self.context)

    def hello(self, bytes source not None, bytes datagram not None, int64_t now_ms):
        """The stateless cookie exchange: what a ClientHello from `source` leads to.

        True: it has a valid cookie, open a session for it. None: it is to be ignored. Bytes: a
        HelloVerifyRequest to send back.
        """
        cdef uint8_t answer[64]
        cdef size_t size = lf_dtls_hello(self.context, source, len(source), datagram,
                                         len(datagram), now_ms, answer)
        return None if size == 0 else True if size == 1 else _bytes(answer, size)

    def record_cid(self, bytes datagram not None):
        """Our connection id that a datagram's first record carries, or None."""
        cdef const uint8_t *cid = lf_dtls_record_cid(self.context, datagram, len(datagram))
        return None if cid == NULL else _bytes(cid, self.cid_size)

    def open(self, bytes cid not None, int64_t now_ms):
        """A new session. `cid` has cid_size bytes. MemoryError."""
        if len(cid) != max(self.cid_size, 0):
            raise ValueError(f"a cid of {len(cid)} bytes, not {self.cid_size}")
        cdef DtlsSession ours = DtlsSession.__new__(DtlsSession)
        ours.owner = self
        ours.session = lf_dtls_open(self.context, <void *>ours, cid, now_ms)
        if ours.session == NULL:
            raise MemoryError
        return ours

    def load(self, bytes blob not None, object least_sequence, int64_t now_ms):
        """A session that was saved, or None if the bytes are none of ours.

        The same bytes must not be loaded twice: see lf_dtls.h.
        """
        cdef DtlsSession ours = DtlsSession.__new__(DtlsSession)
        ours.owner = self
        ours.session = lf_dtls_load(self.context, <void *>ours, blob, len(blob), least_sequence,
                                    now_ms)
        return None if ours.session == NULL else ours

    cdef int check(self) except -1:
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        return 0


cdef class DtlsSession:
    """One peer. Made by DtlsContext.open() or load().

    `sent` gathers what must leave during a handshake; whoever sends it empties the list.
    """

    def __cinit__(self):
        self.sent = []

    def __dealloc__(self):
        lf_dtls_free(self.session)

    cdef int alive(self) except -1:
        if self.session == NULL:
            raise ValueError("the session was saved or closed")
        return 0

    def connect(self, int64_t now_ms):
        """A client's first flight. Returns an event."""
        self.alive()
        cdef int event = lf_dtls_connect(self.session, now_ms)
        self.owner.check()
        return event

    def receive(self, bytes datagram not None, int64_t now_ms):
        """One datagram from the peer: the event, and the plain texts that were in it.

        `was_newest` says afterwards whether its last authentic record was newer than all before.
        """
        cdef uint8_t plain[LF_DTLS_MAX_PLAIN]
        cdef size_t size = 0
        cdef int newest = 0
        cdef list texts = []
        self.alive()
        cdef int event = lf_dtls_receive(self.session, datagram, len(datagram), now_ms, plain,
                                         &size, &newest)
        self.was_newest = newest != 0
        cdef int next_event = event
        if event == LF_DTLS_READY:
            next_event = lf_dtls_read_more(self.session, plain, &size)
        while next_event == LF_DTLS_DATA:
            texts.append(_bytes(plain, size))
            next_event = lf_dtls_read_more(self.session, plain, &size)
        self.owner.check()
        return (next_event if next_event > LF_DTLS_DATA else event), texts

    def handle_timeout(self, int64_t now_ms):
        """What the handshake's timer asks for at `due`. Returns an event."""
        self.alive()
        cdef int event = lf_dtls_handle_timeout(self.session, now_ms)
        self.owner.check()
        return event

    def write(self, bytes plain not None):
        """A record with `plain`, to send. ValueError: too long, or no session now."""
        cdef uint8_t out[LF_DTLS_MAX_PLAIN + LF_DTLS_OVERHEAD]
        self.alive()
        cdef size_t size = lf_dtls_write(self.session, plain, len(plain), out)
        if size == 0:
            raise ValueError(f"no record of {len(plain)} bytes can be written")
        return _bytes(out, size)

    def close(self):
        """A close_notify to send; the session is over. Empty if there was none."""
        cdef uint8_t out[LF_DTLS_OVERHEAD + 2]
        self.alive()
        return _bytes(out, lf_dtls_close(self.session, out))

    def save(self):
        """The session as bytes, and it is over; or None, and it lives on.

        The bytes hold its keys. None: the handshake is not quite over, or the suite is not AEAD.
        """
        cdef uint8_t blob[LF_DTLS_MAX_BLOB]
        self.alive()
        cdef size_t size = lf_dtls_save(self.session, blob, sizeof(blob))
        if size == 0:
            return None
        self.session = NULL
        saved = _bytes(blob, size)
        memset(blob, 0, sizeof(blob))
        return saved

    def remember(self):
        """A client's means to resume this session later; empty if the server offers none."""
        cdef uint8_t memory[LF_DTLS_MAX_BLOB]
        self.alive()
        return _bytes(memory, lf_dtls_remember(self.session, memory, sizeof(memory)))

    def recall(self, bytes memory not None):
        """Before connect(): ask to resume what was remembered. ValueError: damaged."""
        self.alive()
        if not lf_dtls_recall(self.session, memory, len(memory)):
            raise ValueError("not a remembered session")

    def set_note(self, bytes note not None):
        """Bytes about the peer that a resumed session will have too."""
        self.alive()
        if not lf_dtls_set_note(self.session, note, len(note)):
            raise ValueError(f"a note of {len(note)} bytes; at most {LF_DTLS_MAX_NOTE}")

    @property
    def due(self):
        """When handle_timeout() must be called, in ms; -1: never."""
        self.alive()
        return lf_dtls_due(self.session)

    @property
    def is_ready(self):
        """Whether the handshake has ended well and the session goes on."""
        return self.session != NULL and lf_dtls_is_ready(self.session)

    @property
    def kind(self):
        """KIND_*: how the peer has shown who it is."""
        self.alive()
        return lf_dtls_kind(self.session)

    @property
    def suite(self):
        """IANA's name of the cipher suite; empty before the handshake's end."""
        self.alive()
        return lf_dtls_suite(self.session).decode()

    @property
    def identity(self):
        """The PSK identity that the peer gave; empty if none."""
        cdef size_t size = 0
        self.alive()
        cdef const uint8_t *data = lf_dtls_identity(self.session, &size)
        return _bytes(data, size)

    @property
    def fingerprint(self):
        """SHA-256 of the peer's certificate; empty if none."""
        self.alive()
        return _bytes(lf_dtls_fingerprint(self.session), 32)

    @property
    def note(self):
        """What set_note() was told, in this session or in the one it resumes."""
        cdef size_t size = 0
        self.alive()
        cdef const uint8_t *data = lf_dtls_note(self.session, &size)
        return _bytes(data, size)

    @property
    def uses_cid(self):
        """Whether the peer's records carry our connection id."""
        self.alive()
        return lf_dtls_uses_cid(self.session)

    @property
    def was_resumed(self):
        """Whether this is an older session resumed by its id (server)."""
        self.alive()
        return lf_dtls_was_resumed(self.session)

    @property
    def why(self):
        """What ended it, in words."""
        self.alive()
        return lf_dtls_why(self.session).decode()
