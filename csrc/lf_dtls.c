/* Sessions: their handshakes and their records. */
#include "lf_dtls_inside.h"

#include <stdlib.h>
#include <string.h>

#include <mbedtls/constant_time.h>
#include <mbedtls/platform.h>
#include <mbedtls/platform_util.h>

/* Sessions: what mbedTLS asks while it works. */

static int on_receive(void *p_session, unsigned char *data, size_t room) {
    lf_dtls_session *session = p_session;
    size_t size = session->in_size;
    session->in_size = 0;
    if (!size || size > room) return MBEDTLS_ERR_SSL_WANT_READ;
    memcpy(data, session->in, size);
    return (int)size;
}

static int on_send(void *p_session, const unsigned char *datagram, size_t size) {
    lf_dtls_session *session = p_session;
    if (session->out) {
        memcpy(session->out, datagram, size);
        session->out_size = size;
        return (int)size;
    }
    if (session->ssl.out_msgtype == MBEDTLS_SSL_MSG_ALERT && session->stage == LF_STAGE_HANDSHAKE) {
        session->alerted = 1;
        int is_plain = datagram[0] == MBEDTLS_SSL_MSG_ALERT && !datagram[3] && !datagram[4];
        if (is_plain && size == sizeof session->held_alert) {
            memcpy(session->held_alert, datagram, size);
            session->held_size = (uint8_t)size;
            return (int)size;
        }
    }
    lf_dtls_hooks *hooks = &session->context->hooks;
    hooks->send(hooks->owner, session, datagram, size);
    return (int)size;
}

static void on_set_timer(void *p_session, uint32_t part_ms, uint32_t whole_ms) {
    lf_dtls_session *session = p_session;
    (void)part_ms;
    session->due_ms = whole_ms ? session->now_ms + whole_ms : -1;
    session->timer_expired = 0;
}

/* Time passes only in lf_dtls_handle_timeout(): a datagram that comes late is still read. */
static int on_get_timer(void *p_session) {
    lf_dtls_session *session = p_session;
    return session->due_ms < 0 ? -1 : session->timer_expired ? 2 : 0;
}

lf_dtls_session *lf_session_new(lf_dtls_context *context, void *user, int64_t now_ms) {
    lf_dtls_session *session = mbedtls_calloc(1, sizeof *session);
    if (!session) return NULL;
    session->context = context;
    context->references++;
    session->user = user;
    session->now_ms = now_ms;
    session->due_ms = -1;
    session->why = "";
    mbedtls_ssl_init(&session->ssl);
    if (mbedtls_ssl_setup(&session->ssl, &context->config)) {
        lf_dtls_free(session);
        return NULL;
    }
    mbedtls_ssl_set_bio(&session->ssl, session, on_send, on_receive, NULL);
    mbedtls_ssl_set_timer_cb(&session->ssl, session, on_set_timer, on_get_timer);
    return session;
}

lf_dtls_session *lf_dtls_open(lf_dtls_context *context, void *user, const uint8_t *cid,
                              int64_t now_ms) {
    lf_dtls_session *session = lf_session_new(context, user, now_ms);
    if (!session) return NULL;
    const lf_dtls_options *options = &context->options;
    mbedtls_ssl_set_mtu(&session->ssl, options->mtu);
    int failed = 0;
    if (options->cid_size >= 0)
        failed = mbedtls_ssl_set_cid(&session->ssl, MBEDTLS_SSL_CID_ENABLED, cid,
                                     (size_t)options->cid_size);
    /* No name is asked for: the verify hook judges who the server is. */
    if (options->is_client && !failed) failed = mbedtls_ssl_set_hostname(&session->ssl, NULL);
    if (!failed) return session;
    lf_dtls_free(session);
    return NULL;
}

void lf_dtls_free(lf_dtls_session *session) {
    if (!session) return;
    lf_dtls_context *context = session->context;
    mbedtls_ssl_free(&session->ssl);
    lf_bytes_clear(&session->identity);
    lf_bytes_clear(&session->note);
    mbedtls_platform_zeroize(session, sizeof *session);
    mbedtls_free(session);
    lf_dtls_context_release(context);
}

/* Sessions: the handshake. */

static void send_held_alert(lf_dtls_session *session) {
    lf_dtls_hooks *hooks = &session->context->hooks;
    if (session->held_size)
        hooks->send(hooks->owner, session, session->held_alert, session->held_size);
    session->held_size = 0;
}

static lf_dtls_event fail(lf_dtls_session *session, int error) {
    session->why = lf_why_words(session, error);
    int sent = session->held_size ? session->held_alert[14] : session->alerted ? 0 : -1;
    int alert = lf_why_alert(session, error, sent);
    if (session->held_size)
        session->held_alert[14] = (uint8_t)alert;
    else if (!session->alerted && alert >= 0)
        mbedtls_ssl_send_alert_message(&session->ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL,
                                       (unsigned char)alert);
    send_held_alert(session);
    session->stage = LF_STAGE_OVER;
    session->due_ms = -1;
    return LF_DTLS_FAILED;
}

/* Builds differ in whether they keep the peer's certificate. Nobody needs it: it is the fingerprint
 * that counts. */
static void drop_certificate(mbedtls_ssl_session *agreed) {
#if defined(MBEDTLS_SSL_KEEP_PEER_CERTIFICATE)
    mbedtls_x509_crt_free(agreed->peer_cert);
    mbedtls_free(agreed->peer_cert);
    agreed->peer_cert = NULL;
#else
    mbedtls_free(agreed->peer_cert_digest);
    agreed->peer_cert_digest = NULL;
    agreed->peer_cert_digest_len = 0;
#endif
}

static lf_dtls_event finish(lf_dtls_session *session) {
    mbedtls_ssl_context *ssl = &session->ssl;
    const lf_suite *suite = lf_suite_by_id(ssl->session->ciphersuite);
    int is_cid_used = MBEDTLS_SSL_CID_DISABLED;
    if (suite) session->kind = (uint8_t)suite->kind;
    /* A client notes what it asked to resume; the server agreed if it gave the same session id (RFC
     * 5246, section 7.3). */
    if (session->context->options.is_client)
        session->resumed = session->note.size && ssl->session->id_len == session->note.size &&
                           !memcmp(ssl->session->id, session->note.data, session->note.size);
    if (session->context->options.cid_size > 0 &&
        !mbedtls_ssl_get_peer_cid(ssl, &is_cid_used, NULL, NULL))
        session->uses_cid = is_cid_used == MBEDTLS_SSL_CID_ENABLED;
    drop_certificate(ssl->session);
    mbedtls_ssl_set_mtu(ssl, 0); /* that was the handshake's: records are the caller's to size */
    session->stage = LF_STAGE_READY;
    return LF_DTLS_READY;
}

/* What mbedTLS has of the datagram, and what it thought of it. */
static void drop_datagram(mbedtls_ssl_context *ssl) {
    ssl->in_left = 0;
    ssl->next_record_offset = 0;
    ssl->in_offt = NULL;
    ssl->in_msglen = 0;
    ssl->in_hslen = 0;
    ssl->keep_current_message = 0;
}

static lf_dtls_event go_on(lf_dtls_session *session) {
    lf_sha256_memory memory;
    session->context->current = session;
    lf_sha256_remember(&memory);
    int error = mbedtls_ssl_handshake(&session->ssl);
    lf_sha256_forget(&memory);
    session->context->current = NULL;
    session->in_size = 0;
    if (error == 0) return finish(session);
    if (error == MBEDTLS_ERR_SSL_INTERNAL_ERROR && session->ssl.in_left &&
        session->ssl.in_left < 13) {
        drop_datagram(&session->ssl); /* an end too short for a record */
        error = MBEDTLS_ERR_SSL_WANT_READ;
    }
    if (error != MBEDTLS_ERR_SSL_WANT_READ) return fail(session, error);
    send_held_alert(session);
    return LF_DTLS_WAITS;
}

lf_dtls_event lf_dtls_connect(lf_dtls_session *session, int64_t now_ms) {
    if (session->stage != LF_STAGE_HANDSHAKE) return LF_DTLS_FAILED;
    session->now_ms = now_ms;
    return go_on(session);
}

size_t lf_dtls_remember(const lf_dtls_session *session, uint8_t *memory, size_t room) {
    size_t size = 0;
    if (session->stage == LF_STAGE_HANDSHAKE || !session->ssl.session ||
        !session->ssl.session->id_len)
        return 0;
    return mbedtls_ssl_session_save(session->ssl.session, memory, room, &size) ? 0 : size;
}

int lf_dtls_recall(lf_dtls_session *session, const uint8_t *memory, size_t size) {
    mbedtls_ssl_session remembered;
    mbedtls_ssl_session_init(&remembered);
    int failed = mbedtls_ssl_session_load(&remembered, memory, size);
    failed = failed || mbedtls_ssl_set_session(&session->ssl, &remembered);
    if (!failed) lf_bytes_set(&session->note, remembered.id, remembered.id_len);
    mbedtls_ssl_session_free(&remembered);
    return !failed;
}

int64_t lf_dtls_due(const lf_dtls_session *session) {
    return session->due_ms;
}

lf_dtls_event lf_dtls_handle_timeout(lf_dtls_session *session, int64_t now_ms) {
    session->now_ms = now_ms;
    if (session->stage == LF_STAGE_OVER) return LF_DTLS_FAILED;
    if (session->due_ms < 0 || now_ms < session->due_ms) return LF_DTLS_WAITS;
    if (session->stage == LF_STAGE_READY) {
        session->due_ms = -1;
        return LF_DTLS_WAITS;
    }
    session->timer_expired = 1;
    return go_on(session);
}

/* Sessions: records. */

enum { MOST_RECORDS = 256 }; /* more than fit into one datagram */

static lf_dtls_event end(lf_dtls_session *session, const char *why) {
    session->stage = LF_STAGE_OVER;
    session->due_ms = -1;
    session->why = why;
    return LF_DTLS_CLOSED;
}

static lf_dtls_event read_record(lf_dtls_session *session, uint8_t *plain, size_t *plain_size) {
    mbedtls_ssl_context *ssl = &session->ssl;
    for (int records = 0; records < MOST_RECORDS; records++) {
        int got = mbedtls_ssl_read(ssl, plain, LF_DTLS_MAX_PLAIN);
        if (got > 0) {
            *plain_size = (size_t)got;
            if (!ssl->in_offt) return LF_DTLS_DATA;
            /* Longer than we take: all of it is dropped. What mbedTLS still holds of it is read
             * away. */
            while (ssl->in_offt && mbedtls_ssl_read(ssl, plain, LF_DTLS_MAX_PLAIN) > 0)
                continue;
            continue;
        }
        if (got == MBEDTLS_ERR_SSL_WANT_READ) return LF_DTLS_WAITS;
        if (got == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY)
            return end(session, "the peer closed the session");
        if (got == MBEDTLS_ERR_SSL_COUNTER_WRAPPING)
            return end(session, "sequence numbers are used up");
        if (got == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE) {
            lf_resumptions_drop(session->context->resumptions, ssl->session->id,
                                ssl->session->id_len);
            ssl->session->id_len = 0; /* for a client as well */
            return end(session, lf_why_words(session, got));
        }
        /* Anything else came of a bad record. It goes, and the rest of its datagram with it:
         * mbedTLS would be caught for ever by an end too short for a record. */
        drop_datagram(ssl);
        return LF_DTLS_WAITS;
    }
    drop_datagram(ssl);
    return LF_DTLS_WAITS;
}

lf_dtls_event lf_dtls_receive(lf_dtls_session *session, const uint8_t *datagram, size_t size,
                              int64_t now_ms, uint8_t *plain, size_t *plain_size, int *is_newest) {
    if (is_newest) *is_newest = 0;
    session->now_ms = now_ms;
    session->in = datagram;
    session->in_size = size;
    if (session->stage == LF_STAGE_READY) {
        uint64_t top = session->ssl.in_window_top;
        lf_dtls_event event = read_record(session, plain, plain_size);
        if (is_newest) *is_newest = session->ssl.in_window_top > top;
        session->in_size = 0;
        return event;
    }
    if (session->stage == LF_STAGE_OVER) return LF_DTLS_FAILED;
    if (session->ssl.state <= MBEDTLS_SSL_CLIENT_HELLO && !session->context->options.is_client)
        session->hello_has_ems =
            lf_hello_has_extension(datagram, size, LF_EXTENSION_EXTENDED_MASTER_SECRET);
    return go_on(session);
}

lf_dtls_event lf_dtls_read_more(lf_dtls_session *session, uint8_t *plain, size_t *plain_size) {
    if (session->stage != LF_STAGE_READY || !mbedtls_ssl_check_pending(&session->ssl))
        return LF_DTLS_WAITS;
    return read_record(session, plain, plain_size);
}

/* After its last number mbedTLS would begin again at 0, and use nonces twice. */
static int is_spent(const lf_dtls_session *session) {
    const uint8_t *counter = session->ssl.cur_out_ctr;
    for (int i = 2; i < 8; i++)
        if (counter[i] != 0xff) return 0;
    return 1;
}

size_t lf_dtls_write(lf_dtls_session *session, const uint8_t *plain, size_t size, uint8_t *out) {
    if (session->stage != LF_STAGE_READY || size > LF_DTLS_MAX_PLAIN || is_spent(session)) return 0;
    session->out = out;
    session->out_size = 0;
    int written = mbedtls_ssl_write(&session->ssl, plain, size);
    session->out = NULL;
    return written == (int)size ? session->out_size : 0;
}

size_t lf_dtls_close(lf_dtls_session *session, uint8_t *out) {
    if (session->stage != LF_STAGE_READY) return 0;
    if (is_spent(session)) {
        session->stage = LF_STAGE_OVER;
        return 0;
    }
    session->out = out;
    session->out_size = 0;
    int failed = mbedtls_ssl_close_notify(&session->ssl);
    session->out = NULL;
    session->stage = LF_STAGE_OVER;
    return failed ? 0 : session->out_size;
}

/* What is known of a session. */

void *lf_dtls_user(const lf_dtls_session *session) {
    return session->user;
}

int lf_dtls_is_ready(const lf_dtls_session *session) {
    return session->stage == LF_STAGE_READY;
}

int lf_dtls_kind(const lf_dtls_session *session) {
    return session->kind;
}

const char *lf_dtls_suite(const lf_dtls_session *session) {
    const mbedtls_ssl_session *agreed = session->ssl.session;
    const lf_suite *suite = agreed ? lf_suite_by_id(agreed->ciphersuite) : NULL;
    return suite ? suite->name : "";
}

const uint8_t *lf_dtls_identity(const lf_dtls_session *session, size_t *size) {
    *size = session->identity.size;
    return session->identity.data;
}

const uint8_t *lf_dtls_fingerprint(const lf_dtls_session *session) {
    return session->kind == LF_DTLS_KIND_X509 ? session->fingerprint : NULL;
}

int lf_dtls_uses_cid(const lf_dtls_session *session) {
    return session->uses_cid;
}

int lf_dtls_was_resumed(const lf_dtls_session *session) {
    return session->resumed;
}

int lf_dtls_set_note(lf_dtls_session *session, const uint8_t *note, size_t size) {
    return size <= LF_DTLS_MAX_NOTE && lf_bytes_set(&session->note, note, size);
}

const uint8_t *lf_dtls_note(const lf_dtls_session *session, size_t *size) {
    *size = session->note.size;
    return session->note.data;
}

const char *lf_dtls_why(const lf_dtls_session *session) {
    return session->why;
}

int lf_dtls_digest(const uint8_t *head, size_t head_size, const uint8_t *data, size_t size,
                   uint8_t *digest, size_t room) {
    uint8_t whole[32];
    mbedtls_sha256_context sha;
    mbedtls_sha256_init(&sha);
    int failed = mbedtls_sha256_starts(&sha, 0) || mbedtls_sha256_update(&sha, head, head_size) ||
                 mbedtls_sha256_update(&sha, data, size) || mbedtls_sha256_finish(&sha, whole);
    mbedtls_sha256_free(&sha);
    if (!failed) memcpy(digest, whole, room < sizeof whole ? room : sizeof whole);
    mbedtls_platform_zeroize(whole, sizeof whole);
    return !failed;
}

int lf_dtls_same(const uint8_t *one, const uint8_t *other, size_t size) {
    return !mbedtls_ct_memcmp(one, other, size);
}
