/* The ceiling of an LwM2M server on DTLS: that on plain UDP with mbedTLS between, as mbedTLS's own
 * documentation has it. One session per address, an identity nobody looks up, one key for all.
 *
 *   dtls_ceiling PORT [CHAIN.pem KEY.pem CA.pem]
 *
 * With certificates, clients must show one of that authority as well; without, keys. It keeps no
 * registration and never forgets a session, and a ClientHello ends the one before it unseen. */
#define _GNU_SOURCE
#include "peers.h"
#include "pem.h"
#include "secure.h"
#include "server.h"

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/error.h>
#include <mbedtls/ssl.h>
#include <mbedtls/ssl_cookie.h>
#include <time.h>

#define PLAIN_MAX 1280
#define CID_BYTES 6

typedef struct {
    mbedtls_ssl_context *ssl; /* NULL: none */
    struct sockaddr_in address;
    uint64_t timer_set_ms;
    uint32_t intermediate_ms, final_ms;
    uint8_t is_ready;
} session;

static session *sessions; /* beside peers */
static const uint8_t *in;
static size_t in_size;
static server_batch received, leaving;
static int leaving_count, fd;
static mbedtls_ssl_config config;
static mbedtls_entropy_context entropy;
static mbedtls_ctr_drbg_context chance;
static mbedtls_ssl_cookie_ctx cookies;
static mbedtls_x509_crt chain, authorities;
static mbedtls_pk_context key;

static void check(int result, const char *what) {
    char words[128];
    if (result == 0) return;
    mbedtls_strerror(result, words, sizeof words);
    fprintf(stderr, "dtls_ceiling: %s: %s\n", what, words);
    exit(1);
}

static void flush(void) {
    server_send(fd, &leaving, leaving_count);
    leaving_count = 0;
}

static int send_datagram(void *owner, const uint8_t *bytes, size_t size) {
    session *own = owner;
    if (leaving_count == SERVER_BATCH) flush();
    memcpy(leaving.bytes[leaving_count], bytes, size);
    leaving.peer[leaving_count] = own->address;
    leaving.piece[leaving_count++].iov_len = size;
    return (int)size;
}

static int take_datagram(void *owner, uint8_t *bytes, size_t room) {
    size_t size = in_size < room ? in_size : room;
    (void)owner;
    if (!size) return MBEDTLS_ERR_SSL_WANT_READ;
    memcpy(bytes, in, size);
    in_size = 0;
    return (int)size;
}

static uint64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void set_timer(void *owner, uint32_t intermediate_ms, uint32_t final_ms) {
    session *own = owner;
    own->timer_set_ms = now_ms();
    own->intermediate_ms = intermediate_ms;
    own->final_ms = final_ms;
}

static int get_timer(void *owner) {
    const session *own = owner;
    if (own->final_ms == 0) return -1;
    uint64_t past = now_ms() - own->timer_set_ms;
    return past >= own->final_ms ? 2 : past >= own->intermediate_ms;
}

static int find_key(void *owner, mbedtls_ssl_context *ssl, const uint8_t *identity, size_t size) {
    (void)owner, (void)identity, (void)size;
    return mbedtls_ssl_set_hs_psk(ssl, (const uint8_t *)SECURE_KEY, strlen(SECURE_KEY));
}

static void close_session(session *own) {
    mbedtls_ssl_free(own->ssl);
    free(own->ssl);
    own->ssl = NULL;
    own->is_ready = 0;
}

/* What mbedTLS forgets with each cookie that it asks for. */
static void name_session(session *own) {
    uint8_t cid[CID_BYTES] = {0};
    uint32_t number = (uint32_t)(own - sessions);
    memcpy(cid + 1, &number, sizeof number);
    mbedtls_ssl_set_client_transport_id(own->ssl, (const uint8_t *)&own->address.sin_port, 6);
    mbedtls_ssl_set_cid(own->ssl, MBEDTLS_SSL_CID_ENABLED, cid, sizeof cid);
}

static void open_session(session *own) {
    own->ssl = malloc(sizeof *own->ssl);
    if (!own->ssl) abort();
    mbedtls_ssl_init(own->ssl);
    check(mbedtls_ssl_setup(own->ssl, &config), "session");
    mbedtls_ssl_set_bio(own->ssl, own, send_datagram, take_datagram, NULL);
    mbedtls_ssl_set_timer_cb(own->ssl, own, set_timer, get_timer);
    name_session(own);
}

static int shake(session *own) {
    int result = mbedtls_ssl_handshake(own->ssl);
    own->is_ready = result == 0;
    if (result == MBEDTLS_ERR_SSL_HELLO_VERIFY_REQUIRED) {
        mbedtls_ssl_session_reset(own->ssl);
        name_session(own);
    } else if (result && result != MBEDTLS_ERR_SSL_WANT_READ) {
        close_session(own);
    }
    return own->is_ready;
}

static void take(const struct sockaddr_in *from, const uint8_t *datagram, size_t size) {
    uint8_t plain[PLAIN_MAX], answer[ANSWER_MAX];
    peer *known = peers_find(from);
    if (!known) return;
    session *own = &sessions[known - peers];
    int is_hello = size > 13 && datagram[0] == MBEDTLS_SSL_MSG_HANDSHAKE && datagram[13] == 1;
    in = datagram;
    in_size = size;
    own->address = *from;
    if (is_hello && own->is_ready) {
        close_session(own);
        memset(known->size, 0, sizeof known->size);
    }
    if (!own->ssl) open_session(own);
    if (!own->is_ready && !shake(own)) return;
    int got = mbedtls_ssl_read(own->ssl, plain, sizeof plain);
    if (got > 0) {
        size_t answered = peers_answer(known, plain, (size_t)got, answer);
        if (answered) mbedtls_ssl_write(own->ssl, answer, answered);
    } else if (got != MBEDTLS_ERR_SSL_WANT_READ) {
        close_session(own);
    }
}

static void configure(char **files) {
    static int suites[] = {MBEDTLS_TLS_PSK_WITH_AES_128_CCM_8, 0};
    size_t size;
    static int certified[] = {MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8, 0};
    mbedtls_entropy_init(&entropy);
    mbedtls_ctr_drbg_init(&chance);
    check(mbedtls_ctr_drbg_seed(&chance, mbedtls_entropy_func, &entropy, NULL, 0), "chance");
    mbedtls_ssl_cookie_init(&cookies);
    check(mbedtls_ssl_cookie_setup(&cookies, mbedtls_ctr_drbg_random, &chance), "cookies");
    mbedtls_ssl_config_init(&config);
    check(mbedtls_ssl_config_defaults(&config, MBEDTLS_SSL_IS_SERVER,
                                      MBEDTLS_SSL_TRANSPORT_DATAGRAM, MBEDTLS_SSL_PRESET_DEFAULT),
          "configuration");
    mbedtls_ssl_conf_rng(&config, mbedtls_ctr_drbg_random, &chance);
    mbedtls_ssl_conf_dtls_cookies(&config, mbedtls_ssl_cookie_write, mbedtls_ssl_cookie_check,
                                  &cookies);
    mbedtls_ssl_conf_ciphersuites(&config, files ? certified : suites);
    check(mbedtls_ssl_conf_cid(&config, CID_BYTES, MBEDTLS_SSL_UNEXPECTED_CID_IGNORE), "cid");
    if (!files) {
        mbedtls_ssl_conf_psk_cb(&config, find_key, NULL);
        return;
    }
    mbedtls_x509_crt_init(&chain);
    mbedtls_x509_crt_init(&authorities);
    mbedtls_pk_init(&key);
    const uint8_t *text = pem_read(files[0], &size);
    check(mbedtls_x509_crt_parse(&chain, text, size), files[0]);
    text = pem_read(files[1], &size);
    check(mbedtls_pk_parse_key(&key, text, size, NULL, 0, mbedtls_ctr_drbg_random, &chance),
          files[1]);
    text = pem_read(files[2], &size);
    check(mbedtls_x509_crt_parse(&authorities, text, size), files[2]);
    mbedtls_ssl_conf_authmode(&config, MBEDTLS_SSL_VERIFY_REQUIRED);
    mbedtls_ssl_conf_ca_chain(&config, &authorities, NULL);
    check(mbedtls_ssl_conf_own_cert(&config, &chain, &key), "own certificate");
}

int main(int count, char **words) {
    if (count != 2 && count != 5) {
        fprintf(stderr, "usage: dtls_ceiling PORT [CHAIN.pem KEY.pem CA.pem]\n");
        return 2;
    }
    configure(count == 5 ? words + 2 : NULL);
    peers_prepare();
    sessions = reserve((size_t)PEERS_MAX * sizeof *sessions);
    fd = server_open((uint16_t)strtoul(words[1], NULL, 10));
    server_prepare(&received);
    server_prepare(&leaving);
    for (;;) {
        int got = recvmmsg(fd, received.message, SERVER_BATCH, MSG_WAITFORONE, NULL);
        for (int i = 0; i < got; i++) {
            take(&received.peer[i], received.bytes[i], received.message[i].msg_len);
            received.message[i].msg_hdr.msg_namelen = sizeof received.peer[i];
        }
        flush();
    }
}
