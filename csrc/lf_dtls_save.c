/* Sessions as bytes and back. What is inside is mbedTLS's own form behind a short head of ours.
 *
 * The bytes hold the session's keys: whoever keeps them seals them. Damage is found by a sum,
 * because mbedTLS trusts what it loads; malice is not, that is the seal's work.
 */
#include <string.h>

#include <mbedtls/platform_util.h>

#include "lf_dtls_inside.h"

/* mark, form, kind, cid size + 1, uses cid, 0, the sum of all the rest, for X.509 the fingerprint;
 * then mbedTLS's. */
enum { SUM_AT = 6, FINGERPRINT_AT = 14, FINGERPRINT_BYTES = 32, MARK = 'L', FORM = 1 };

static size_t head_size(int kind) {
    return FINGERPRINT_AT + (kind == LF_DTLS_KIND_X509 ? FINGERPRINT_BYTES : 0);
}

static uint64_t sum_of(const uint8_t *blob, size_t size) { /* FNV-1a */
    uint64_t sum = 0xcbf29ce484222325u;
    for (size_t i = 0; i < size; i++) {
        if (i >= SUM_AT && i < FINGERPRINT_AT) continue;
        sum = (sum ^ blob[i]) * 0x100000001b3u;
    }
    return sum;
}

size_t lf_dtls_save(lf_dtls_session *session, uint8_t *blob, size_t room) {
    size_t head = head_size(session->kind), size = 0;
    if (session->stage != LF_STAGE_READY || room < head) return 0;
    /* On success it has also reset the ssl context; on a failure all is as it was. */
    if (mbedtls_ssl_context_save(&session->ssl, blob + head, room - head, &size)) {
        mbedtls_platform_zeroize(blob, room);
        return 0;
    }
    size += head;
    blob[0] = MARK;
    blob[1] = FORM;
    blob[2] = session->kind;
    blob[3] = (uint8_t)(session->context->options.cid_size + 1);
    blob[4] = session->uses_cid;
    blob[5] = 0;
    memcpy(blob + FINGERPRINT_AT, session->fingerprint, head - FINGERPRINT_AT);
    uint64_t sum = sum_of(blob, size);
    memcpy(blob + SUM_AT, &sum, sizeof sum);
    lf_dtls_free(session);
    return size;
}

/* mbedTLS's counter is epoch (2 bytes) and sequence number (6), big-endian. */
static void raise_sequence(uint8_t *counter, uint64_t least) {
    uint64_t next = 0;
    for (int i = 2; i < 8; i++)
        next = next << 8 | counter[i];
    if (next >= least) return;
    for (int i = 7; i >= 2; i--, least >>= 8)
        counter[i] = (uint8_t)least;
}

lf_dtls_session *lf_dtls_load(lf_dtls_context *context, void *user, const uint8_t *blob,
                              size_t size, uint64_t least_sequence, int64_t now_ms) {
    lf_sha256_memory memory;
    uint64_t sum;
    if (size <= FINGERPRINT_AT || size > LF_DTLS_MAX_BLOB || blob[0] != MARK || blob[1] != FORM)
        return NULL;
    size_t head = head_size(blob[2]);
    if (size <= head) return NULL;
    memcpy(&sum, blob + SUM_AT, sizeof sum);
    if (sum != sum_of(blob, size) || blob[3] != (uint8_t)(context->options.cid_size + 1))
        return NULL;
    if (least_sequence >> 48) return NULL;
    lf_dtls_session *session = lf_session_new(context, user, now_ms);
    if (!session) return NULL;
    lf_sha256_remember(&memory); /* it derives the keys anew */
    int failed = mbedtls_ssl_context_load(&session->ssl, blob + head, size - head);
    lf_sha256_forget(&memory);
    if (failed) {
        lf_dtls_free(session);
        return NULL;
    }
    const lf_suite *suite = lf_suite_by_id(session->ssl.session->ciphersuite);
    if (!suite || suite->kind != blob[2] ||
        !lf_context_has_suite(context, suite->id)) { /* switched off meanwhile */
        lf_dtls_free(session);
        return NULL;
    }
    raise_sequence(session->ssl.cur_out_ctr, least_sequence);
    session->kind = blob[2];
    session->uses_cid = blob[4];
    memcpy(session->fingerprint, blob + FINGERPRINT_AT, head - FINGERPRINT_AT);
    session->stage = LF_STAGE_READY;
    return session;
}
