/* Contexts: suites, credentials, settings; what many sessions share. And where their random bytes
 * come from. */
#define _GNU_SOURCE
#include "lf_dtls_inside.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <mbedtls/error.h>
#include <mbedtls/platform_util.h>
#include <mbedtls/version.h>
#if defined(MBEDTLS_PSA_CRYPTO_C)
#include <psa/crypto.h>
#endif

const lf_suite LF_SUITES[SUITE_COUNT] = {
    {LF_DTLS_PSK_AES128_CCM8, 0xC0A8, LF_DTLS_KIND_PSK, "TLS_PSK_WITH_AES_128_CCM_8"},
    {LF_DTLS_PSK_AES128_GCM, 0x00A8, LF_DTLS_KIND_PSK, "TLS_PSK_WITH_AES_128_GCM_SHA256"},
    {LF_DTLS_PSK_AES128_CBC, 0x00AE, LF_DTLS_KIND_PSK, "TLS_PSK_WITH_AES_128_CBC_SHA256"},
    {LF_DTLS_ECDSA_AES128_CCM8, 0xC0AE, LF_DTLS_KIND_X509, "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8"},
    {LF_DTLS_ECDSA_AES128_GCM, 0xC02B, LF_DTLS_KIND_X509,
     "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"},
    {LF_DTLS_ECDSA_AES128_CBC, 0xC023, LF_DTLS_KIND_X509,
     "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256"},
};

const lf_suite *lf_suite_by_id(int id) {
    for (int i = 0; i < SUITE_COUNT; i++)
        if (LF_SUITES[i].id == id) return &LF_SUITES[i];
    return NULL;
}

/* Bytes and chance. */

int lf_bytes_set(lf_bytes *bytes, const uint8_t *data, size_t size) {
    lf_bytes_clear(bytes);
    if (!size) return 1;
    bytes->data = malloc(size);
    if (!bytes->data) return 0;
    memcpy(bytes->data, data, size);
    bytes->size = size;
    return 1;
}

void lf_bytes_clear(lf_bytes *bytes) {
    if (bytes->data) mbedtls_platform_zeroize(bytes->data, bytes->size);
    free(bytes->data);
    bytes->data = NULL;
    bytes->size = 0;
}

static atomic_uint forks;

static void count_fork(void) {
    atomic_fetch_add_explicit(&forks, 1, memory_order_relaxed);
}

static void watch_forks(void) {
    pthread_atfork(NULL, NULL, count_fork);
}

/* Once in a process. A library of the system's may do its arithmetic through PSA, which then has
 * state of its own. */
static void start(void) {
    watch_forks();
#if defined(MBEDTLS_PSA_CRYPTO_C)
    psa_crypto_init();
#endif
}

static int fill_random(uint8_t *out, size_t size) {
    while (size) {
        ssize_t got = getrandom(out, size, 0);
        if (got < 0) return MBEDTLS_ERR_SSL_NO_RNG;
        out += got;
        size -= (size_t)got;
    }
    return 0;
}

int lf_random_get(void *p_random, unsigned char *out, size_t size) {
    lf_random *random = p_random;
    if (size > sizeof random->bytes) return fill_random(out, size);
    unsigned now = atomic_load_explicit(&forks, memory_order_relaxed);
    if (random->left < size || random->forks != now) {
        if (fill_random(random->bytes, sizeof random->bytes)) return MBEDTLS_ERR_SSL_NO_RNG;
        random->left = sizeof random->bytes;
        random->forks = now;
    }
    random->left -= size;
    memcpy(out, random->bytes + random->left, size);
    mbedtls_platform_zeroize(random->bytes + random->left, size);
    return 0;
}

/* Credentials, as mbedTLS asks for them in a handshake. */

static int on_psk(void *p_context, mbedtls_ssl_context *ssl, const unsigned char *identity,
                  size_t size) {
    lf_dtls_context *context = p_context;
    lf_dtls_session *session = (lf_dtls_session *)ssl;
    uint8_t key[LF_DTLS_MAX_KEY];
    session->kind = LF_DTLS_KIND_PSK;
    if (size > LF_DTLS_MAX_IDENTITY) return -1;
    size_t key_size = context->hooks.psk(context->hooks.owner, session, identity, size, key);
    if (!key_size || key_size > sizeof key) return -1;
    int failed = mbedtls_ssl_set_hs_psk(ssl, key, key_size) ||
                 !lf_bytes_set(&session->identity, identity, size);
    mbedtls_platform_zeroize(key, sizeof key);
    return failed;
}

/* From the anchor's side down to the leaf: what is wrong is gathered, and asked about at the leaf.
 */
static int on_verify(void *p_context, mbedtls_x509_crt *certificate, int depth, uint32_t *flags) {
    lf_dtls_context *context = p_context;
    lf_dtls_session *session = context->current;
    session->flags |= *flags;
    *flags = 0;
    if (depth > 0) return 0;
    session->kind = LF_DTLS_KIND_X509;
    if (mbedtls_sha256(certificate->raw.p, certificate->raw.len, session->fingerprint, 0))
        return -1;
    if (!certificate->raw.len) /* of a kind that mbedTLS skipped */
        session->flags |= MBEDTLS_X509_BADCERT_BAD_PK;
    else if (context->hooks.verify)
        session->flags = context->hooks.verify(context->hooks.owner, session, certificate->raw.p,
                                               certificate->raw.len, session->flags);
    *flags = lf_why_flags(session->flags);
    return 0;
}

/* The cookie was looked at before there was a session, so a handshake takes any. A finished session
 * takes none: built with MBEDTLS_SSL_DTLS_CLIENT_PORT_REUSE, mbedTLS would give it up for a
 * ClientHello that nobody authenticated. */
static int on_cookie_write(void *p, unsigned char **at, unsigned char *end,
                           const unsigned char *info, size_t size) {
    (void)p, (void)at, (void)end, (void)info, (void)size;
    return MBEDTLS_ERR_SSL_INTERNAL_ERROR;
}

static int on_cookie_check(void *p_context, const unsigned char *cookie, size_t size,
                           const unsigned char *info, size_t info_size) {
    (void)cookie, (void)size, (void)info, (void)info_size;
    const lf_dtls_context *context = p_context;
    return context->current ? 0 : MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE;
}

/* Contexts. */

static int say(char *why, size_t room, const char *words, int error) {
    char text[96] = "";
    if (error) mbedtls_strerror(error, text, sizeof text);
    if (why && room) snprintf(why, room, error ? "%s: %s" : "%s", words, text);
    return 0;
}

/* DER certificates one after another, or PEM. */
static int parse_certificates(mbedtls_x509_crt *chain, const uint8_t *data, size_t size) {
    if (size && data[0] != 0x30) return mbedtls_x509_crt_parse(chain, data, size);
    while (size) {
        unsigned char *at = (unsigned char *)(uintptr_t)data;
        size_t length;
        int failed = mbedtls_asn1_get_tag(&at, data + size, &length,
                                          MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE);
        if (failed) return failed;
        size_t whole = (size_t)(at - data) + length;
        failed = mbedtls_x509_crt_parse_der(chain, data, whole);
        if (failed) return failed;
        data += whole;
        size -= whole;
    }
    return 0;
}

/* A Certificate message is written in one piece before it is fragmented. */
static size_t message_size(const mbedtls_x509_crt *chain) {
    size_t size = 12 + 3;
    for (; chain && chain->raw.p; chain = chain->next)
        size += 3 + chain->raw.len;
    return size;
}

static int take_certificates(lf_dtls_context *context, const lf_dtls_options *options, char *why,
                             size_t room) {
    int failed;
    if (options->anchors) {
        failed = parse_certificates(&context->anchors, options->anchors, options->anchors_size);
        if (failed) return say(why, room, "trust anchors", failed);
    }
    /* An empty list, not none: then the hook hears of every certificate, and nobody is trusted
     * without it. */
    mbedtls_ssl_conf_ca_chain(&context->config, &context->anchors, NULL);
    if (!options->chain) return 1;
    failed = parse_certificates(&context->chain, options->chain, options->chain_size);
    if (failed) return say(why, room, "certificate chain", failed);
    failed = mbedtls_pk_parse_key(&context->key, options->key, options->key_size, NULL, 0,
                                  lf_random_get, &context->random);
    if (failed) return say(why, room, "private key", failed);
    failed =
        mbedtls_pk_check_pair(&context->chain.pk, &context->key, lf_random_get, &context->random);
    if (failed)
        return say(why, room, "the private key is not that of the chain's first certificate",
                   failed);
    if (!mbedtls_pk_can_do(&context->key, MBEDTLS_PK_ECKEY) ||
        mbedtls_pk_ec(context->key)->grp.id != MBEDTLS_ECP_DP_SECP256R1)
        return say(why, room, "the private key is not on the curve secp256r1", 0);
    if (message_size(&context->chain) > MBEDTLS_SSL_OUT_CONTENT_LEN)
        return say(why, room, "the certificate chain is longer than a handshake message can be", 0);
    failed = mbedtls_ssl_conf_own_cert(&context->config, &context->chain, &context->key);
    return failed ? say(why, room, "certificate chain", failed) : 1;
}

static void take_suites(lf_dtls_context *context) {
    const lf_dtls_options *options = &context->options;
    int count = 0,
        can_psk = options->is_client ? options->psk_size > 0 : context->hooks.psk != NULL;
    /* A client needs no certificate for those, but somebody who judges the server's. */
    int can_x509 = options->is_client ? context->anchors.raw.p || context->hooks.verify
                                      : context->chain.raw.p != NULL;
    for (int i = 0; i < SUITE_COUNT; i++) {
        int can = LF_SUITES[i].kind == LF_DTLS_KIND_PSK ? can_psk : can_x509;
        if (can && (options->suites & LF_SUITES[i].bit)) context->suites[count++] = LF_SUITES[i].id;
    }
    mbedtls_ssl_conf_ciphersuites(&context->config, context->suites);
}

int lf_context_has_suite(const lf_dtls_context *context, int id) {
    for (const int *at = context->suites; *at; at++)
        if (*at == id) return 1;
    return 0;
}

static int check_options(const lf_dtls_options *options, char *why, size_t room) {
    if (options->cid_size < -1 || options->cid_size > LF_DTLS_MAX_CID)
        return say(why, room, "cid_size is neither -1 nor 0 to 16", 0);
    if (!options->retransmit_first_ms || options->retransmit_most_ms < options->retransmit_first_ms)
        return say(why, room, "retransmit_first_ms is 0 or above retransmit_most_ms", 0);
    if (options->mtu < 256) return say(why, room, "mtu is below 256", 0);
    if (options->psk_size > LF_DTLS_MAX_KEY)
        return say(why, room, "the pre-shared key is longer than 64 bytes", 0);
    if (options->identity_size > LF_DTLS_MAX_IDENTITY)
        return say(why, room, "the PSK identity is longer than 128 bytes", 0);
    return 1;
}

/* Curves, signatures, hashes: what RFC 7925 asks of devices, and a P-384 authority above them. */
static const uint16_t GROUPS[] = {MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1,
                                  MBEDTLS_SSL_IANA_TLS_GROUP_NONE};
static const uint16_t SIGNATURES[] = {MBEDTLS_TLS1_3_SIG_ECDSA_SECP256R1_SHA256,
                                      MBEDTLS_TLS1_3_SIG_ECDSA_SECP384R1_SHA384,
                                      MBEDTLS_TLS1_3_SIG_NONE};
static const mbedtls_x509_crt_profile PROFILE = {
    MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA256) | MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA384) |
        MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA512),
    MBEDTLS_X509_ID_FLAG(MBEDTLS_PK_ECKEY) | MBEDTLS_X509_ID_FLAG(MBEDTLS_PK_ECDSA),
    MBEDTLS_X509_ID_FLAG(MBEDTLS_ECP_DP_SECP256R1) | MBEDTLS_X509_ID_FLAG(MBEDTLS_ECP_DP_SECP384R1),
    0,
};

static int set_up(lf_dtls_context *context, const lf_dtls_options *options, char *why,
                  size_t room) {
    mbedtls_ssl_config *config = &context->config;
    int endpoint = options->is_client ? MBEDTLS_SSL_IS_CLIENT : MBEDTLS_SSL_IS_SERVER;
    int failed = mbedtls_ssl_config_defaults(config, endpoint, MBEDTLS_SSL_TRANSPORT_DATAGRAM,
                                             MBEDTLS_SSL_PRESET_DEFAULT);
    if (failed) return say(why, room, "mbedTLS", failed);
    mbedtls_ssl_conf_rng(config, lf_random_get, &context->random);
    mbedtls_ssl_conf_min_tls_version(config, MBEDTLS_SSL_VERSION_TLS1_2);
    mbedtls_ssl_conf_max_tls_version(config, MBEDTLS_SSL_VERSION_TLS1_2);
    mbedtls_ssl_conf_groups(config, GROUPS);
    mbedtls_ssl_conf_sig_algs(config, SIGNATURES);
    mbedtls_ssl_conf_cert_profile(config, &PROFILE);
    mbedtls_ssl_conf_authmode(config, MBEDTLS_SSL_VERIFY_REQUIRED);
    mbedtls_ssl_conf_verify(config, on_verify, context);
    mbedtls_ssl_conf_dtls_anti_replay(config, MBEDTLS_SSL_ANTI_REPLAY_ENABLED);
    mbedtls_ssl_conf_dtls_badmac_limit(config, 0);
#if defined(MBEDTLS_SSL_RENEGOTIATION)
    mbedtls_ssl_conf_renegotiation(config, MBEDTLS_SSL_RENEGOTIATION_DISABLED);
#endif
    mbedtls_ssl_conf_handshake_timeout(config, options->retransmit_first_ms,
                                       options->retransmit_most_ms);
    mbedtls_ssl_conf_extended_master_secret(config, MBEDTLS_SSL_EXTENDED_MS_ENABLED);
    mbedtls_ssl_conf_encrypt_then_mac(config, MBEDTLS_SSL_ETM_ENABLED);
    if (options->cid_size >= 0) {
        failed = mbedtls_ssl_conf_cid(config, (size_t)options->cid_size,
                                      MBEDTLS_SSL_UNEXPECTED_CID_IGNORE);
        if (failed) return say(why, room, "cid_size", failed);
    }
    if (options->is_client) {
        if (options->psk_size)
            failed = mbedtls_ssl_conf_psk(config, options->psk, options->psk_size,
                                          options->identity, options->identity_size);
        if (failed) return say(why, room, "PSK identity or key", failed);
    } else {
        if (context->hooks.psk) mbedtls_ssl_conf_psk_cb(config, on_psk, context);
        mbedtls_ssl_conf_dtls_cookies(config, on_cookie_write, on_cookie_check, context);
        /* The names of our anchors would fill the flight and tell everyone whom we trust. */
        mbedtls_ssl_conf_cert_req_ca_list(config, MBEDTLS_SSL_CERT_REQ_CA_LIST_DISABLED);
        if (!lf_cookies_init(context)) return say(why, room, "no random bytes", 0);
    }
    if (!options->is_client && options->resumptions) {
        context->resumptions = lf_resumptions_new(options->resumptions);
        if (!context->resumptions) return say(why, room, "out of memory", 0);
        mbedtls_ssl_conf_session_cache(config, context, lf_resumptions_get, lf_resumptions_set);
    }
    if (!take_certificates(context, options, why, room)) return 0;
    take_suites(context);
    return context->suites[0]
               ? 1
               : say(why, room, "no cipher suite is left: suites without credentials for them", 0);
}

lf_dtls_context *lf_dtls_context_new(const lf_dtls_options *options, const lf_dtls_hooks *hooks,
                                     char *why, size_t why_room) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start);
    if (!check_options(options, why, why_room)) return NULL;
    lf_dtls_context *context = calloc(1, sizeof *context);
    if (!context) {
        say(why, why_room, "out of memory", 0);
        return NULL;
    }
    context->hooks = *hooks;
    context->options = *options;
    context->references = 1;
    mbedtls_ssl_config_init(&context->config);
    mbedtls_x509_crt_init(&context->chain);
    mbedtls_x509_crt_init(&context->anchors);
    mbedtls_pk_init(&context->key);
    int is_fine = set_up(context, options, why, why_room);
    context->options.chain = context->options.key = context->options.anchors = NULL;
    context->options.identity = context->options.psk = NULL;
    if (is_fine) return context;
    lf_dtls_context_release(context);
    return NULL;
}

void lf_dtls_context_release(lf_dtls_context *context) {
    if (!context || --context->references) return;
    mbedtls_ssl_config_free(&context->config);
    mbedtls_x509_crt_free(&context->chain);
    mbedtls_x509_crt_free(&context->anchors);
    mbedtls_pk_free(&context->key);
    lf_resumptions_free(context->resumptions);
    lf_cookies_free(&context->cookies);
    mbedtls_platform_zeroize(context, sizeof *context);
    free(context);
}

/* Our own build is told by its configuration (csrc/lf_mbedtls_config.h). */
#ifdef LF_MBEDTLS_CONFIG_H
#define LIBRARY "our own build"
#define BY_INSTRUCTIONS lf_sha256_has_instructions()
#else
#define LIBRARY "the system's"
#define BY_INSTRUCTIONS 0
#endif

size_t lf_dtls_longest_key(void) {
    return MBEDTLS_PSK_MAX_LEN < LF_DTLS_MAX_KEY ? MBEDTLS_PSK_MAX_LEN : LF_DTLS_MAX_KEY;
}

void lf_dtls_library(char *text, size_t room) {
    char version[18];
    mbedtls_version_get_string_full(version);
    snprintf(text, room,
             "%s (%s, SHA-256 by %s): connection id, keys of %d bytes, records of %d/%d, "
             "handshakes of %d buffered",
             version, LIBRARY, BY_INSTRUCTIONS ? "instructions" : "mbedTLS", MBEDTLS_PSK_MAX_LEN,
             MBEDTLS_SSL_IN_CONTENT_LEN, MBEDTLS_SSL_OUT_CONTENT_LEN,
             MBEDTLS_SSL_DTLS_MAX_BUFFERING);
}
