/* Sessions of the load programs; the contract is in secure.h. */
#include "secure.h"

#include "pem.h"
#include "sources.h"

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/error.h>
#include <mbedtls/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUEST_MAX 512

typedef enum { SESSION_NONE, SESSION_SHAKES, SESSION_READY } session_state;

typedef struct {
    mbedtls_ssl_context ssl;
    mbedtls_ssl_config config; /* an identity of its own */
    mbedtls_x509_crt chain;    /* the same by certificate */
    mbedtls_pk_context key;
    session_state state;
    uint8_t is_set_up, has_timer;
    uint16_t waiting_size;
    uint8_t waiting[REQUEST_MAX]; /* for the end of the handshake */
    const uint8_t *in;            /* the datagram that mbedTLS may read now */
    size_t in_size;
} session;

static session *sessions;
static secure_options chosen;
static mbedtls_entropy_context entropy;
static mbedtls_ctr_drbg_context chance;
static mbedtls_x509_crt authorities;
static int suites[2];
static uint64_t handshakes, failures;

static void check(int result, const char *what) {
    char words[128];
    if (result == 0) return;
    mbedtls_strerror(result, words, sizeof words);
    fprintf(stderr, "secure: %s: %s\n", what, words);
    exit(1);
}

static int send_datagram(void *owner, const uint8_t *bytes, size_t size) {
    sources_send_raw((uint32_t)((session *)owner - sessions), bytes, size);
    return (int)size;
}

static int take_datagram(void *owner, uint8_t *bytes, size_t room) {
    session *own = owner;
    size_t size = own->in_size < room ? own->in_size : room;
    if (!size) return MBEDTLS_ERR_SSL_WANT_READ;
    memcpy(bytes, own->in, size);
    own->in_size = 0;
    return (int)size;
}

/* mbedTLS wants a timer, and is told that it never expires. */
static void set_timer(void *owner, uint32_t intermediate_ms, uint32_t final_ms) {
    (void)intermediate_ms;
    ((session *)owner)->has_timer = final_ms != 0;
}

static int get_timer(void *owner) {
    return ((session *)owner)->has_timer ? 0 : -1;
}

static void read_certificate(session *own) {
    char name[512];
    size_t size;
    snprintf(name, sizeof name, "%s%07u.pem", chosen.pem, (unsigned)(own - sessions));
    const uint8_t *text = pem_read(name, &size);
    mbedtls_x509_crt_init(&own->chain);
    mbedtls_pk_init(&own->key);
    check(mbedtls_x509_crt_parse(&own->chain, text, size), name);
    check(mbedtls_pk_parse_key(&own->key, text, size, NULL, 0, mbedtls_ctr_drbg_random, &chance),
          name);
}

static void set_up(session *own) {
    char identity[80];
    int size =
        snprintf(identity, sizeof identity, "%.40s%07u", chosen.prefix, (unsigned)(own - sessions));
    mbedtls_ssl_config *config = &own->config;
    mbedtls_ssl_config_init(config);
    check(mbedtls_ssl_config_defaults(config, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_DATAGRAM,
                                      MBEDTLS_SSL_PRESET_DEFAULT),
          "configuration");
    mbedtls_ssl_conf_rng(config, mbedtls_ctr_drbg_random, &chance);
    mbedtls_ssl_conf_ciphersuites(config, suites);
    if (*chosen.pem) {
        read_certificate(own);
        mbedtls_ssl_conf_ca_chain(config, &authorities, NULL);
        check(mbedtls_ssl_conf_own_cert(config, &own->chain, &own->key), "own certificate");
    } else {
        check(mbedtls_ssl_conf_psk(config, (const uint8_t *)SECURE_KEY, strlen(SECURE_KEY),
                                   (const uint8_t *)identity, (size_t)size),
              "pre-shared key");
    }
    mbedtls_ssl_init(&own->ssl);
    check(mbedtls_ssl_setup(&own->ssl, config), "session");
    mbedtls_ssl_set_bio(&own->ssl, own, send_datagram, take_datagram, NULL);
    mbedtls_ssl_set_timer_cb(&own->ssl, own, set_timer, get_timer);
    own->is_set_up = 1;
}

static void fail(session *own, const char *what, int result) {
    char words[128];
    if (failures++ == 0) {
        mbedtls_strerror(result, words, sizeof words);
        fprintf(stderr, "secure: first failure: %s: %s\n", what, words);
    }
    own->state = SESSION_NONE;
}

static void shake(session *own) {
    int result = mbedtls_ssl_handshake(&own->ssl);
    if (result == MBEDTLS_ERR_SSL_WANT_READ) return;
    if (result) {
        fail(own, "handshake", result);
        return;
    }
    handshakes++;
    own->state = SESSION_READY;
    if (own->waiting_size) mbedtls_ssl_write(&own->ssl, own->waiting, own->waiting_size);
    own->waiting_size = 0;
}

static void open_session(session *own) {
    if (!own->is_set_up)
        set_up(own);
    else
        check(mbedtls_ssl_session_reset(&own->ssl), "reset");
    if (*chosen.pem) check(mbedtls_ssl_set_hostname(&own->ssl, NULL), "no host name");
    if (chosen.offers_cid)
        check(mbedtls_ssl_set_cid(&own->ssl, MBEDTLS_SSL_CID_ENABLED, NULL, 0), "connection id");
    own->state = SESSION_SHAKES;
    shake(own);
}

static void send_securely(uint32_t source, const uint8_t *bytes, size_t size) {
    session *own = &sessions[source];
    if (own->state == SESSION_READY) {
        mbedtls_ssl_write(&own->ssl, bytes, size);
        return;
    }
    own->waiting_size = size <= REQUEST_MAX ? (uint16_t)size : 0;
    memcpy(own->waiting, bytes, own->waiting_size);
    open_session(own);
}

static void read_records(uint32_t source, sources_receiver receiver) {
    static uint8_t plain[SOURCES_DATAGRAM];
    session *own = &sessions[source];
    while (own->state == SESSION_READY) {
        int size = mbedtls_ssl_read(&own->ssl, plain, sizeof plain);
        if (size > 0)
            receiver(source, plain, (size_t)size);
        else if (size == MBEDTLS_ERR_SSL_WANT_READ)
            return;
        else
            fail(own, "session", size);
    }
}

static void receive_securely(uint32_t source, const uint8_t *bytes, size_t size,
                             sources_receiver receiver) {
    session *own = &sessions[source];
    own->in = bytes;
    own->in_size = size;
    if (own->state == SESSION_SHAKES) shake(own);
    read_records(source, receiver);
    own->in_size = 0;
}

void secure_forget(uint32_t source) {
    sessions[source].state = SESSION_NONE;
}

uint64_t secure_handshakes(void) {
    return handshakes;
}

uint64_t secure_failures(void) {
    return failures;
}

void secure_sources(uint32_t count, const secure_options *options) {
    static const sources_layer LAYER = {send_securely, receive_securely};
    chosen = *options;
    sessions = calloc(count, sizeof *sessions);
    suites[0] = mbedtls_ssl_get_ciphersuite_id(chosen.suite);
    if (!sessions || !suites[0]) {
        fprintf(stderr, "secure: %u sessions with %s\n", count, chosen.suite);
        exit(2);
    }
    mbedtls_entropy_init(&entropy);
    mbedtls_ctr_drbg_init(&chance);
    mbedtls_x509_crt_init(&authorities);
    check(mbedtls_ctr_drbg_seed(&chance, mbedtls_entropy_func, &entropy, NULL, 0), "chance");
    if (*chosen.pem) {
        size_t size;
        const uint8_t *text = pem_read(chosen.ca_file, &size);
        check(mbedtls_x509_crt_parse(&authorities, text, size), chosen.ca_file);
    }
    sources_wrap(&LAYER);
}
