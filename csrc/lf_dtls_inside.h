/* What the files of lf_dtls share: the two structs, and the small parts by name. Nobody else
 * includes this.
 *
 * lf_dtls.c         sessions: handshakes, records, timers
 * lf_dtls_context.c contexts: suites, credentials, random bytes
 * lf_dtls_hello.c   ClientHello as far as the cookie needs it; the stateless cookie
 * lf_dtls_resume.c  finished handshakes kept for resumption
 * lf_dtls_save.c    sessions as bytes
 * lf_dtls_why.c     errors as alerts and as words
 */
#ifndef LF_DTLS_INSIDE_H
#define LF_DTLS_INSIDE_H

#define MBEDTLS_ALLOW_PRIVATE_ACCESS
#include <mbedtls/build_info.h>
#include <mbedtls/pk.h>
#include <mbedtls/platform.h>
#include <mbedtls/sha256.h>
#include <mbedtls/ssl.h>
#include <mbedtls/x509_crt.h>

#include "lf_dtls.h"
#include "lf_sha256.h"

#if !defined(LF_MBEDTLS_CONFIG_H) || !defined(MBEDTLS_SHA256_PROCESS_ALT)
#define lf_sha256_remember(memory) ((void)(memory))
#define lf_sha256_forget(memory) ((void)(memory))
#endif

#define SESSION_ID_BYTES 32
#define SUITE_COUNT 6

/* Bytes of our own, wiped before they are freed. */
typedef struct {
    uint8_t *data;
    size_t size;
} lf_bytes;

int lf_bytes_set(lf_bytes *bytes, const uint8_t *data,
                 size_t size); /* 0: out of memory, and `bytes` is empty */
void lf_bytes_clear(lf_bytes *bytes);

typedef struct {
    uint32_t bit;
    int id;   /* IANA's number */
    int kind; /* LF_DTLS_KIND_* */
    const char *name;
} lf_suite;

extern const lf_suite LF_SUITES[SUITE_COUNT];
const lf_suite *lf_suite_by_id(int id); /* NULL: none of ours */

/* HMAC-SHA-256 keys with their first blocks already worked in. */
typedef struct {
    mbedtls_sha256_context inner, outer;
} lf_cookie_key;

typedef struct {
    lf_cookie_key keys[2]; /* of this period, of the one before */
    uint8_t number;        /* of keys[0]; the first byte of its cookies */
    int64_t made_ms;       /* -1: none yet */
} lf_cookies;

typedef struct lf_resumptions lf_resumptions;

/* The kernel's random bytes, by the buffer; used ones are wiped. */
typedef struct {
    uint8_t bytes[512];
    size_t left;
    unsigned forks; /* as they were counted when the bytes came: a child never uses its parent's */
} lf_random;

int lf_random_get(void *random, unsigned char *out, size_t size); /* 0, or an mbedTLS error */

struct lf_dtls_context {
    mbedtls_ssl_config config;
    lf_dtls_hooks hooks;
    lf_dtls_options options; /* pointers are cleared: what they point at was parsed */
    mbedtls_x509_crt chain, anchors;
    mbedtls_pk_context key;
    int suites[SUITE_COUNT + 1];
    unsigned references;
    lf_dtls_session
        *current; /* whose handshake is under way: some of mbedTLS's callbacks do not say */
    lf_random random;
    lf_cookies cookies;
    lf_resumptions *resumptions; /* NULL: none are kept */
};

enum { LF_STAGE_HANDSHAKE, LF_STAGE_READY, LF_STAGE_OVER };

struct lf_dtls_session {
    mbedtls_ssl_context ssl; /* the first, so that a callback's ssl is its session */
    lf_dtls_context *context;
    void *user;
    const uint8_t *in; /* the caller's datagram, until mbedTLS has taken it */
    size_t in_size;
    uint8_t *out; /* where the next datagram goes; NULL: to the hook */
    size_t out_size;
    int64_t now_ms, due_ms;
    lf_bytes identity; /* PSK */
    lf_bytes note;
    uint8_t fingerprint[32]; /* X.509: SHA-256 of the leaf */
    const char *why;
    uint32_t flags; /* MBEDTLS_X509_BADCERT_* that counted */
    uint8_t stage;
    uint8_t kind;
    uint8_t uses_cid;
    uint8_t timer_expired;
    uint8_t resumed;
    uint8_t hello_has_ems; /* the ClientHello asked for the extended master secret (RFC 7627) */
    uint8_t alerted;       /* an alert has left, or waits in held_alert */
    uint8_t held_size;
    uint8_t held_alert[15]; /* a plain one: which it must be is known when mbedTLS has returned */
};

int lf_context_has_suite(const lf_dtls_context *context, int id);

/* A session with its mbedTLS half set up, not yet started. */
lf_dtls_session *lf_session_new(lf_dtls_context *context, void *user, int64_t now_ms);

/* Extension `number` is in the ClientHello that `datagram` begins with. */
int lf_hello_has_extension(const uint8_t *datagram, size_t size, unsigned number);
int lf_cookies_init(lf_dtls_context *context);
void lf_cookies_free(lf_cookies *cookies);

#define LF_EXTENSION_EXTENDED_MASTER_SECRET 23

lf_resumptions *lf_resumptions_new(size_t most); /* NULL: out of memory */
void lf_resumptions_free(lf_resumptions *resumptions);
/* mbedTLS's session cache callbacks; `context` is the lf_dtls_context. */
int lf_resumptions_get(void *context, const unsigned char *id, size_t size,
                       mbedtls_ssl_session *session);
int lf_resumptions_set(void *context, const unsigned char *id, size_t size,
                       const mbedtls_ssl_session *session);
/* After a fatal alert a session must not be resumed (RFC 5246, section 7.2). */
void lf_resumptions_drop(lf_resumptions *resumptions, const unsigned char *id, size_t size);

/* Why a handshake ended with mbedTLS's `error`. */
const char *lf_why_words(const lf_dtls_session *session, int error);
/* The alert for it; `sent` is what mbedTLS chose itself, -1: nothing. Returns -1: none is due. */
int lf_why_alert(const lf_dtls_session *session, int error, int sent);
/* The flags that mbedTLS turns into the alert which says the same as `flags`. */
uint32_t lf_why_flags(uint32_t flags);

#endif
