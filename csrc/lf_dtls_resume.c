/* Finished handshakes, kept so that a client may resume one by its session id (RFC 5246,
 * section 7.3).
 *
 * A ring: the oldest is forgotten when a new one comes. Knows for each who the peer was, because a
 * resumed handshake does not tell; asks the owner's hook whether that peer is still welcome.
 * Nothing of it survives the process.
 */
#include <stdlib.h>
#include <string.h>

#include <mbedtls/platform_util.h>

#include "lf_dtls_inside.h"

typedef struct {
    uint8_t id[SESSION_ID_BYTES];
    uint8_t master[48];
    uint8_t fingerprint[32];
    int64_t made_ms;
    lf_bytes identity, note;
    uint32_t next; /* of the same bucket, as an index + 1 */
    uint16_t suite;
    uint8_t is_used, kind, has_ems, etm, mfl;
} kept;

struct lf_resumptions {
    size_t most, oldest, bucket_count;
    uint32_t *buckets; /* index + 1; 0: none */
    kept *ring;        /* pages of it are touched as it fills */
};

lf_resumptions *lf_resumptions_new(size_t most) {
    lf_resumptions *all = calloc(1, sizeof *all);
    if (!all) return NULL;
    all->most = most;
    all->bucket_count = 1;
    while (all->bucket_count < most)
        all->bucket_count *= 2;
    all->buckets = calloc(all->bucket_count, sizeof *all->buckets);
    all->ring = calloc(most, sizeof *all->ring);
    if (all->buckets && all->ring) return all;
    free(all->buckets);
    free(all->ring);
    free(all);
    return NULL;
}

/* Ids are our own random bytes: the first four are as good as a hash. */
static uint32_t *bucket_of(lf_resumptions *all, const uint8_t *id) {
    uint32_t first;
    memcpy(&first, id, sizeof first);
    return &all->buckets[first & (all->bucket_count - 1)];
}

static kept *find(lf_resumptions *all, const uint8_t *id, size_t size) {
    if (size != SESSION_ID_BYTES) return NULL;
    for (uint32_t at = *bucket_of(all, id); at; at = all->ring[at - 1].next)
        if (memcmp(all->ring[at - 1].id, id, SESSION_ID_BYTES) == 0) return &all->ring[at - 1];
    return NULL;
}

static void forget(lf_resumptions *all, kept *entry) {
    uint32_t number = (uint32_t)(entry - all->ring) + 1;
    uint32_t *link = bucket_of(all, entry->id);
    while (*link && *link != number)
        link = &all->ring[*link - 1].next;
    if (*link) *link = entry->next;
    lf_bytes_clear(&entry->identity);
    lf_bytes_clear(&entry->note);
    mbedtls_platform_zeroize(entry, sizeof *entry);
}

void lf_resumptions_free(lf_resumptions *all) {
    if (!all) return;
    for (size_t i = 0; i < all->most; i++)
        if (all->ring[i].is_used) forget(all, &all->ring[i]);
    free(all->buckets);
    free(all->ring);
    free(all);
}

void lf_resumptions_drop(lf_resumptions *all, const unsigned char *id, size_t size) {
    kept *entry = all ? find(all, id, size) : NULL;
    if (entry) forget(all, entry);
}

int lf_resumptions_set(void *p_context, const unsigned char *id, size_t size,
                       const mbedtls_ssl_session *session) {
    lf_dtls_context *context = p_context;
    lf_dtls_session *ours = context->current;
    lf_resumptions *all = context->resumptions;
    if (!ours || size != SESSION_ID_BYTES || find(all, id, size))
        return MBEDTLS_ERR_SSL_BAD_INPUT_DATA;
    kept *entry = &all->ring[all->oldest];
    if (entry->is_used) forget(all, entry);
    if (!lf_bytes_set(&entry->identity, ours->identity.data, ours->identity.size) ||
        !lf_bytes_set(&entry->note, ours->note.data, ours->note.size)) {
        lf_bytes_clear(&entry->identity);
        return MBEDTLS_ERR_SSL_ALLOC_FAILED;
    }
    memcpy(entry->id, id, SESSION_ID_BYTES);
    memcpy(entry->master, session->master, sizeof entry->master);
    memcpy(entry->fingerprint, ours->fingerprint, sizeof entry->fingerprint);
    entry->made_ms = ours->now_ms;
    entry->suite = (uint16_t)session->ciphersuite;
    entry->kind = ours->kind;
    entry->has_ems = ours->hello_has_ems;
    entry->etm = (uint8_t)session->encrypt_then_mac;
    entry->mfl = session->mfl_code;
    entry->is_used = 1;
    uint32_t *bucket = bucket_of(all, id);
    entry->next = *bucket;
    *bucket = (uint32_t)(entry - all->ring) + 1;
    all->oldest = (all->oldest + 1) % all->most;
    return 0;
}

/* Whether the owner still wants that peer. Who it is stays noted in the session if so. */
static int is_welcome(lf_dtls_context *context, lf_dtls_session *ours, const kept *entry) {
    if (!lf_bytes_set(&ours->identity, entry->identity.data, entry->identity.size)) return 0;
    if (!lf_bytes_set(&ours->note, entry->note.data, entry->note.size)) return 0;
    if (!context->hooks.resume) return 1;
    int is_x509 = entry->kind == LF_DTLS_KIND_X509;
    return context->hooks.resume(context->hooks.owner, ours, entry->kind,
                                 is_x509 ? entry->fingerprint : ours->identity.data,
                                 is_x509 ? sizeof entry->fingerprint : ours->identity.size);
}

static void fill(mbedtls_ssl_session *session, const kept *entry) {
    session->tls_version = MBEDTLS_SSL_VERSION_TLS1_2;
    session->endpoint = MBEDTLS_SSL_IS_SERVER;
    session->ciphersuite = entry->suite;
    session->id_len = SESSION_ID_BYTES;
    memcpy(session->id, entry->id, SESSION_ID_BYTES);
    memcpy(session->master, entry->master, sizeof entry->master);
    session->encrypt_then_mac = entry->etm;
    session->mfl_code = entry->mfl;
}

int lf_resumptions_get(void *p_context, const unsigned char *id, size_t size,
                       mbedtls_ssl_session *session) {
    lf_dtls_context *context = p_context;
    lf_dtls_session *ours = context->current;
    kept *entry = find(context->resumptions, id, size);
    if (!ours || !entry) return MBEDTLS_ERR_SSL_CACHE_ENTRY_NOT_FOUND;
    const mbedtls_ssl_session *offered = ours->ssl.session_negotiate;
    int64_t age = ours->now_ms - entry->made_ms;
    /* The extended master secret binds both or neither (RFC 7627, section 5.3); what was agreed on
     * about encrypt-then-MAC and fragment lengths must be offered again (RFC 7366, section 3; RFC
     * 6066, section 4). */
    if (age > (int64_t)context->options.resumption_s * 1000 ||
        offered->ciphersuite != entry->suite || entry->has_ems != ours->hello_has_ems ||
        (entry->etm && !offered->encrypt_then_mac) || offered->mfl_code != entry->mfl)
        return MBEDTLS_ERR_SSL_CACHE_ENTRY_NOT_FOUND;
    if (!is_welcome(context, ours, entry)) {
        lf_bytes_clear(&ours->identity);
        lf_bytes_clear(&ours->note);
        forget(context->resumptions, entry);
        return MBEDTLS_ERR_SSL_CACHE_ENTRY_NOT_FOUND;
    }
    fill(session, entry);
    memcpy(ours->fingerprint, entry->fingerprint, sizeof entry->fingerprint);
    ours->kind = entry->kind;
    ours->resumed = 1;
    return 0;
}
