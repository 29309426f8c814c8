/* lf_dtls: DTLS 1.2 sessions over mbedTLS 3.6. Bytes in, bytes out, next timeout.
 *
 * Knows records and handshakes; no sockets, no addresses' meaning, no clock (moments are passed
 * in), no table of sessions, no store. No global state, no logging. One context serves one thread,
 * and so do its sessions. Certificates alone are judged by the system's clock.
 *
 * The code is in csrc/lf_dtls.c and csrc/lf_dtls_{context,hello,resume,save,why}.c: an extension
 * lists them all.
 */
#ifndef LF_DTLS_H
#define LF_DTLS_H

#include <stddef.h>
#include <stdint.h>

#define LF_DTLS_MAX_IDENTITY 128 /* bytes of a PSK identity */
#define LF_DTLS_MAX_KEY 64       /* bytes of a PSK */
#define LF_DTLS_MAX_CID 16       /* ours; a peer's may have 32 */
#define LF_DTLS_MAX_PLAIN 1280   /* bytes of plain text in one record, either way */
#define LF_DTLS_OVERHEAD                                                                           \
    128 /* at most this much more than the plain text leaves (CBC, CID of 32, padding) */
#define LF_DTLS_MAX_BLOB 1024 /* of lf_dtls_save() */
#define LF_DTLS_MAX_SOURCE 64 /* bytes that identify an address to lf_dtls_hello() */
#define LF_DTLS_MAX_NOTE 1024 /* of lf_dtls_set_note() */

/* Cipher suites, by bit, in our order of preference (IANA names). */
enum {
    LF_DTLS_PSK_AES128_CCM8 = 1,   /* TLS_PSK_WITH_AES_128_CCM_8 */
    LF_DTLS_PSK_AES128_GCM = 2,    /* TLS_PSK_WITH_AES_128_GCM_SHA256 */
    LF_DTLS_PSK_AES128_CBC = 4,    /* TLS_PSK_WITH_AES_128_CBC_SHA256 */
    LF_DTLS_ECDSA_AES128_CCM8 = 8, /* TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8 */
    LF_DTLS_ECDSA_AES128_GCM = 16, /* TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 */
    LF_DTLS_ECDSA_AES128_CBC = 32, /* TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256 */
    LF_DTLS_ALL_SUITES = 63
};

/* How a peer has shown who it is. */
enum { LF_DTLS_KIND_NONE = 0, LF_DTLS_KIND_PSK = 1, LF_DTLS_KIND_X509 = 2 };

typedef enum {
    LF_DTLS_WAITS =
        0, /* went on, or what came was dropped without a trace (bad, old, replayed record) */
    LF_DTLS_READY =
        1, /* the handshake has just ended; the peer is authenticated. The datagram may hold plain
              text too: call lf_dtls_read_more() until it says LF_DTLS_WAITS */
    LF_DTLS_DATA =
        2, /* plain text was written; call lf_dtls_read_more() until it says LF_DTLS_WAITS */
    LF_DTLS_CLOSED =
        3, /* close_notify, or a fatal alert, came in an authentic record; free the session */
    LF_DTLS_FAILED = 4 /* the handshake cannot go on (an alert has been sent if there is one to
                          send); see lf_dtls_why(); free the session */
} lf_dtls_event;

typedef struct lf_dtls_context
    lf_dtls_context; /* what is alike for many sessions: role, suites, credentials */
typedef struct lf_dtls_session lf_dtls_session; /* one live peer */

/* What the owner of a context answers and is told, during the calls below and never later. None may
 * free a session. */
typedef struct {
    void *owner;
    /* A server's PSK by identity: writes at most LF_DTLS_MAX_KEY bytes, returns how many; 0:
     * unknown identity, the handshake fails with unknown_psk_identity (115). `session` is the one
     * under way. */
    size_t (*psk)(void *owner, lf_dtls_session *session, const uint8_t *identity, size_t size,
                  uint8_t *key);
    /* The peer's certificate, leaf first, already checked against the trust anchors: `flags` are
     * mbedTLS's MBEDTLS_X509_BADCERT_* of the whole chain, 0 when all is well. Returns the flags
     * that shall count: 0 accepts; each other flag becomes its alert (unknown_ca,
     * certificate_expired, bad_certificate ...). Called once per handshake. */
    uint32_t (*verify)(void *owner, lf_dtls_session *session, const uint8_t *leaf_der,
                       size_t leaf_size, uint32_t flags);
    /* A client asks to resume (RFC 5246, section 7.3) the session of a peer of `kind`: the PSK
     * identity, or the SHA-256 of the leaf certificate. lf_dtls_note() is what was noted then. 0
     * refuses, and a full handshake follows. NULL: all may. */
    int (*resume)(void *owner, lf_dtls_session *session, int kind, const uint8_t *identity,
                  size_t size);
    /* A datagram that must leave for the session's peer, in order. */
    void (*send)(void *owner, lf_dtls_session *session, const uint8_t *datagram, size_t size);
} lf_dtls_hooks;

typedef struct {
    int is_client;
    uint32_t suites; /* LF_DTLS_* bits */
    int cid_size;    /* length of our own connection ids, 0 to 16; -1: the extension is not used */
    uint32_t retransmit_first_ms; /* handshake timer, doubled up to ... */
    uint32_t retransmit_most_ms;
    uint16_t mtu;          /* largest datagram of a handshake */
    uint16_t resumptions;  /* server: sessions kept for resumption by session id; 0: none. Bounded,
                              oldest out */
    uint32_t resumption_s; /* and how long */
    /* DER, or certificates in DER one after another, or PEM (with terminating NUL counted in, where
     * PEM is built in); NULL: no X.509. Parsed here, not referred to afterwards. */
    const uint8_t *chain;
    size_t chain_size;
    const uint8_t *key;
    size_t key_size;
    /* Trust anchors, likewise; NULL: nobody is trusted (verify still hears of every certificate).
     */
    const uint8_t *anchors;
    size_t anchors_size;
    /* client only */
    const uint8_t *identity;
    size_t identity_size;
    const uint8_t *psk;
    size_t psk_size;
} lf_dtls_options;

/* NULL: `why` says what is wrong with which option (a static string, or mbedTLS's words in
 * `why_room`). */
lf_dtls_context *lf_dtls_context_new(const lf_dtls_options *options, const lf_dtls_hooks *hooks,
                                     char *why, size_t why_room);
/* References are counted: sessions keep their context; this lets go of the caller's reference. */
void lf_dtls_context_release(lf_dtls_context *context);

/* The stateless cookie exchange (RFC 6347, section 4.2.1). `source` is whatever identifies the
 * peer's address. Returns 1: a ClientHello with a valid cookie, open a session and feed it this
 * very datagram; 0: nothing (no ClientHello, or malformed, or fragmented); n > 1: a
 * HelloVerifyRequest of n bytes was written to `answer` (room >= 64), never larger than what came.
 * Secrets are made by the context from its random generator and change every `ROTATE` ms, the last
 * one being accepted too. */
size_t lf_dtls_hello(lf_dtls_context *context, const uint8_t *source, size_t source_size,
                     const uint8_t *datagram, size_t size, int64_t now_ms, uint8_t *answer);
/* Whether a datagram begins with a plaintext (epoch 0) ClientHello record. */
int lf_dtls_is_client_hello(const uint8_t *datagram, size_t size);
/* The connection id of a tls12_cid record (RFC 9146: type 25, length is not in the record: the
 * context's cid_size), or NULL. */
const uint8_t *lf_dtls_record_cid(const lf_dtls_context *context, const uint8_t *datagram,
                                  size_t size);

/* A new session; `user` comes back by lf_dtls_user(). `cid` has the context's cid_size bytes. NULL:
 * out of memory. A client's first flight leaves in lf_dtls_connect(). */
lf_dtls_session *lf_dtls_open(lf_dtls_context *context, void *user, const uint8_t *cid,
                              int64_t now_ms);
lf_dtls_event lf_dtls_connect(lf_dtls_session *session, int64_t now_ms);
/* A client that wants to resume: what a READY session, or one that was CLOSED by close_notify,
 * needs for it (a secret, at most LF_DTLS_MAX_BLOB; 0: the server gave no session id), and before
 * lf_dtls_connect() of a new session the same again (0: damaged). */
size_t lf_dtls_remember(const lf_dtls_session *session, uint8_t *memory, size_t room);
int lf_dtls_recall(lf_dtls_session *session, const uint8_t *memory, size_t size);
void lf_dtls_free(lf_dtls_session *session);
void *lf_dtls_user(const lf_dtls_session *session);

/* One datagram from the peer; several records in it are all worked off. A record with more plain
 * text than LF_DTLS_MAX_PLAIN is dropped. `plain` has room for LF_DTLS_MAX_PLAIN. Once READY, bad
 * records never end a session.
 * `*is_newest` (may be NULL): the last authentic record was newer than all before, which is when an
 * address may move (RFC 9146, section 6). */
lf_dtls_event lf_dtls_receive(lf_dtls_session *session, const uint8_t *datagram, size_t size,
                              int64_t now_ms, uint8_t *plain, size_t *plain_size, int *is_newest);
lf_dtls_event lf_dtls_read_more(lf_dtls_session *session, uint8_t *plain, size_t *plain_size);
/* One record in one datagram into `out` (room: size + LF_DTLS_OVERHEAD); its size, 0 when it cannot
 * be (size over LF_DTLS_MAX_PLAIN or over the fragment length that the peer asked for (RFC 6066),
 * not READY, sequence numbers used up). No hook is called. */
size_t lf_dtls_write(lf_dtls_session *session, const uint8_t *plain, size_t size, uint8_t *out);
/* close_notify into `out` as above. */
size_t lf_dtls_close(lf_dtls_session *session, uint8_t *out);

/* Handshake timer: when lf_dtls_handle_timeout() must be called, -1: never. Ask again after each
 * call. */
int64_t lf_dtls_due(const lf_dtls_session *session);
lf_dtls_event lf_dtls_handle_timeout(lf_dtls_session *session, int64_t now_ms);

/* What is known of it. */
int lf_dtls_is_ready(const lf_dtls_session *session);
int lf_dtls_kind(const lf_dtls_session *session);
const char *lf_dtls_suite(const lf_dtls_session *session); /* IANA name; "" before READY */
/* PSK identity, also after a resumption; after a load: none. */
const uint8_t *lf_dtls_identity(const lf_dtls_session *session, size_t *size);
/* X.509: SHA-256 of the leaf, also after a resumption or a load. */
const uint8_t *lf_dtls_fingerprint(const lf_dtls_session *session);
int lf_dtls_uses_cid(
    const lf_dtls_session *session); /* the peer sends our connection id in its records */
int lf_dtls_was_resumed(
    const lf_dtls_session *session); /* by session id, without a full handshake */
/* Bytes of the owner's about the peer (at most LF_DTLS_MAX_NOTE; 0: not taken), set during `psk` or
 * `verify`: what the certificate stands for, say. A resumed session has the note of the first. Not
 * in lf_dtls_save(). */
int lf_dtls_set_note(lf_dtls_session *session, const uint8_t *note, size_t size);
const uint8_t *lf_dtls_note(const lf_dtls_session *session, size_t *size);
/* The first `room` (at most 32) bytes of SHA-256 over two pieces, one after the other. 0: it
 * failed. */
int lf_dtls_digest(const uint8_t *head, size_t head_size, const uint8_t *data, size_t size,
                   uint8_t *digest, size_t room);
/* Whether two pieces are the same, in a time that does not tell where they differ. */
int lf_dtls_same(const uint8_t *one, const uint8_t *other, size_t size);
/* Which alert or error ended it, in words for an operator ("unknown PSK identity", "certificate
 * expired"), never a secret. */
const char *lf_dtls_why(const lf_dtls_session *session);

/* Serialise a quiet session (RFC-independent, mbedtls_ssl_context_save) and free it. 0: it cannot
 * be saved now (handshake under way, no record seen yet, a suite that is not AEAD) and lives on.
 * The blob holds the keys in clear: the caller guards it. */
size_t lf_dtls_save(lf_dtls_session *session, uint8_t *blob, size_t room);
/* The session again. Loading the same blob twice would use nonces twice: the caller must have
 * destroyed every copy, and as a second wall the outgoing sequence number is raised to at least
 * `least_sequence` (48 bits; lf_dtls_sequence_wall() is one that grows with time). NULL: damaged,
 * of another build, another cid_size, a suite that is switched off. */
lf_dtls_session *lf_dtls_load(lf_dtls_context *context, void *user, const uint8_t *blob,
                              size_t size, uint64_t least_sequence, int64_t now_ms);

/* 64 records per millisecond since the session's first moment: no session is that busy for long,
 * and a later load starts higher. */
static inline uint64_t lf_dtls_sequence_wall(int64_t since_first_ms) {
    return since_first_ms > 0 ? (uint64_t)since_first_ms << 6 : 0;
}

/* "Mbed TLS 3.6.6, own build: SHA-256 by x86 instructions, connection id, 1664/1408 bytes" and the
 * like. */
void lf_dtls_library(char *text, size_t room);

/* Bytes of the longest PSK: LF_DTLS_MAX_KEY, or less where the library was built for less. */
size_t lf_dtls_longest_key(void);

#endif
