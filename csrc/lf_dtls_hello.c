/* The stateless cookie exchange (RFC 6347, section 4.2.1), and as much of a ClientHello as it
 * needs.
 *
 * Reads bytes that nobody has authenticated; allocates nothing and keeps nothing per source.
 */
#include <string.h>

#include <mbedtls/platform_util.h>

#include "lf_dtls_inside.h"

enum {
    RECORD_HEADER = 13,
    HANDSHAKE_HEADER = 12,
    TYPE_HANDSHAKE = 22,
    TYPE_CID = 25,
    CLIENT_HELLO = 1,
    HELLO_VERIFY_REQUEST = 3,
    RANDOM_BYTES = 32,
    COOKIE_BYTES = 17, /* a period's number, and 16 bytes of its HMAC */
    ROTATE_MS = 60000
};

/* Parts of a ClientHello: pointers into the datagram. */
typedef struct {
    const uint8_t *fixed; /* version, random, session id with its length */
    size_t fixed_size;
    const uint8_t *cookie;
    size_t cookie_size;
    const uint8_t *offers; /* suites and compressions with their lengths */
    size_t offers_size;
    const uint8_t *extensions;
    size_t extensions_size;
} hello_parts;

static size_t get_16(const uint8_t *at) {
    return (size_t)at[0] << 8 | at[1];
}

static size_t get_24(const uint8_t *at) {
    return (size_t)at[0] << 16 | get_16(at + 1);
}

/* A vector with a length of `width` bytes at `*at`: steps over it, returns 0 when it does not fit.
 */
static int take_vector(const uint8_t **at, const uint8_t *end, size_t width, const uint8_t **data,
                       size_t *size) {
    if ((size_t)(end - *at) < width) return 0;
    *size = width == 1 ? **at : get_16(*at);
    *at += width;
    if ((size_t)(end - *at) < *size) return 0;
    *data = *at;
    *at += *size;
    return 1;
}

int lf_dtls_is_client_hello(const uint8_t *datagram, size_t size) {
    return size > RECORD_HEADER + HANDSHAKE_HEADER && datagram[0] == TYPE_HANDSHAKE &&
           datagram[1] == 0xfe && datagram[3] == 0 && datagram[4] == 0 &&
           datagram[RECORD_HEADER] == CLIENT_HELLO;
}

/* Only a ClientHello in one piece is taken: RFC 6347 lets a server with a stateless cookie ask for
 * that. */
static int parse_hello(const uint8_t *datagram, size_t size, hello_parts *parts) {
    if (!lf_dtls_is_client_hello(datagram, size)) return 0;
    size_t record = get_16(datagram + 11);
    if (record > size - RECORD_HEADER || record < HANDSHAKE_HEADER) return 0;
    const uint8_t *header = datagram + RECORD_HEADER;
    size_t message = get_24(header + 1), offset = get_24(header + 6), fragment = get_24(header + 9);
    if (offset != 0 || fragment != message || message != record - HANDSHAKE_HEADER) return 0;

    const uint8_t *at = header + HANDSHAKE_HEADER, *end = at + message, *ignored;
    size_t ignored_size;
    if (message < 2 + RANDOM_BYTES || at[0] != 0xfe) return 0;
    parts->fixed = at;
    at += 2 + RANDOM_BYTES;
    if (!take_vector(&at, end, 1, &ignored, &ignored_size) || ignored_size > SESSION_ID_BYTES)
        return 0;
    parts->fixed_size = (size_t)(at - parts->fixed);
    if (!take_vector(&at, end, 1, &parts->cookie, &parts->cookie_size)) return 0;
    parts->offers = at;
    if (!take_vector(&at, end, 2, &ignored, &ignored_size) || ignored_size < 2 || ignored_size % 2)
        return 0;
    if (!take_vector(&at, end, 1, &ignored, &ignored_size) || ignored_size < 1) return 0;
    parts->offers_size = (size_t)(at - parts->offers);
    parts->extensions = at;
    parts->extensions_size = 0;
    if (at == end) return 1;
    return take_vector(&at, end, 2, &parts->extensions, &parts->extensions_size) && at == end;
}

int lf_hello_has_extension(const uint8_t *datagram, size_t size, unsigned number) {
    hello_parts parts;
    if (!parse_hello(datagram, size, &parts)) return 0;
    const uint8_t *at = parts.extensions, *end = at + parts.extensions_size, *ignored;
    size_t ignored_size;
    while (end - at >= 4) {
        if (get_16(at) == number) return 1;
        at += 2;
        if (!take_vector(&at, end, 2, &ignored, &ignored_size)) return 0;
    }
    return 0;
}

const uint8_t *lf_dtls_record_cid(const lf_dtls_context *context, const uint8_t *datagram,
                                  size_t size) {
    int cid_size = context->options.cid_size;
    if (cid_size <= 0 || size < RECORD_HEADER + (size_t)cid_size || datagram[0] != TYPE_CID)
        return NULL;
    return datagram + 11;
}

/* RFC 2104: HMAC with a fresh 64-byte key, so that no padding is needed. */
static int make_key(lf_dtls_context *context, lf_cookie_key *key) {
    uint8_t secret[64], block[64];
    int failed = lf_random_get(&context->random, secret, sizeof secret);
    for (size_t i = 0; i < sizeof block; i++)
        block[i] = secret[i] ^ 0x36;
    failed = failed || mbedtls_sha256_starts(&key->inner, 0) ||
             mbedtls_sha256_update(&key->inner, block, sizeof block);
    for (size_t i = 0; i < sizeof block; i++)
        block[i] = secret[i] ^ 0x5c;
    failed = failed || mbedtls_sha256_starts(&key->outer, 0) ||
             mbedtls_sha256_update(&key->outer, block, sizeof block);
    mbedtls_platform_zeroize(secret, sizeof secret);
    mbedtls_platform_zeroize(block, sizeof block);
    return !failed;
}

int lf_cookies_init(lf_dtls_context *context) {
    lf_cookies *cookies = &context->cookies;
    for (int i = 0; i < 2; i++) {
        mbedtls_sha256_init(&cookies->keys[i].inner);
        mbedtls_sha256_init(&cookies->keys[i].outer);
    }
    cookies->made_ms = -1;
    return make_key(context, &cookies->keys[0]) && make_key(context, &cookies->keys[1]);
}

void lf_cookies_free(lf_cookies *cookies) {
    for (int i = 0; i < 2; i++) {
        mbedtls_sha256_free(&cookies->keys[i].inner);
        mbedtls_sha256_free(&cookies->keys[i].outer);
    }
}

static int rotate(lf_dtls_context *context, int64_t now_ms) {
    lf_cookies *cookies = &context->cookies;
    if (cookies->made_ms < 0) cookies->made_ms = now_ms;
    int64_t age = now_ms - cookies->made_ms;
    if (age < ROTATE_MS) return 1;
    cookies->made_ms = now_ms;
    cookies->number++;
    mbedtls_sha256_clone(&cookies->keys[1].inner, &cookies->keys[0].inner);
    mbedtls_sha256_clone(&cookies->keys[1].outer, &cookies->keys[0].outer);
    if (age >= 2 * ROTATE_MS && !make_key(context, &cookies->keys[1])) return 0;
    return make_key(context, &cookies->keys[0]);
}

static int make_cookie(const lf_cookies *cookies, uint8_t number, const hello_parts *parts,
                       const uint8_t *source, size_t source_size, uint8_t *cookie) {
    const lf_cookie_key *key = &cookies->keys[number == cookies->number ? 0 : 1];
    uint8_t size_byte = (uint8_t)source_size, digest[32];
    mbedtls_sha256_context hash;
    mbedtls_sha256_init(&hash);
    mbedtls_sha256_clone(&hash, &key->inner);
    int failed = mbedtls_sha256_update(&hash, &size_byte, 1) ||
                 mbedtls_sha256_update(&hash, source, source_size) ||
                 mbedtls_sha256_update(&hash, parts->fixed, parts->fixed_size) ||
                 mbedtls_sha256_update(&hash, parts->offers, parts->offers_size) ||
                 mbedtls_sha256_finish(&hash, digest);
    mbedtls_sha256_clone(&hash, &key->outer);
    failed = failed || mbedtls_sha256_update(&hash, digest, sizeof digest) ||
             mbedtls_sha256_finish(&hash, digest);
    mbedtls_sha256_free(&hash);
    cookie[0] = number;
    memcpy(cookie + 1, digest, COOKIE_BYTES - 1);
    return !failed;
}

static int is_equal(const uint8_t *a, const uint8_t *b, size_t size) {
    volatile uint8_t difference = 0;
    for (size_t i = 0; i < size; i++)
        difference |= a[i] ^ b[i];
    return difference == 0;
}

static int is_valid_cookie(const lf_cookies *cookies, const hello_parts *parts,
                           const uint8_t *source, size_t source_size) {
    if (parts->cookie_size != COOKIE_BYTES) return 0;
    uint8_t number = parts->cookie[0], expected[COOKIE_BYTES];
    if (number != cookies->number && number != (uint8_t)(cookies->number - 1)) return 0;
    return make_cookie(cookies, number, parts, source, source_size, expected) &&
           is_equal(expected, parts->cookie, COOKIE_BYTES);
}

size_t lf_dtls_hello(lf_dtls_context *context, const uint8_t *source, size_t source_size,
                     const uint8_t *datagram, size_t size, int64_t now_ms, uint8_t *answer) {
    hello_parts parts;
    if (source_size > LF_DTLS_MAX_SOURCE || !parse_hello(datagram, size, &parts)) return 0;
    if (!rotate(context, now_ms)) return 0;
    if (is_valid_cookie(&context->cookies, &parts, source, source_size)) return 1;

    /* Both versions are DTLS 1.0's whatever will be agreed on; the record's sequence number and the
     * message's are the ClientHello's, which is all that a server without state can do. */
    const size_t body = 3 + COOKIE_BYTES, message = HANDSHAKE_HEADER + body;
    memcpy(answer, datagram, RECORD_HEADER);
    answer[1] = 0xfe;
    answer[2] = 0xff;
    answer[11] = 0;
    answer[12] = (uint8_t)message;
    uint8_t *header = answer + RECORD_HEADER;
    memset(header, 0, HANDSHAKE_HEADER);
    header[0] = HELLO_VERIFY_REQUEST;
    header[3] = (uint8_t)body;
    memcpy(header + 4, datagram + RECORD_HEADER + 4, 2);
    header[11] = (uint8_t)body;
    uint8_t *at = header + HANDSHAKE_HEADER;
    at[0] = 0xfe;
    at[1] = 0xff;
    at[2] = COOKIE_BYTES;
    if (!make_cookie(&context->cookies, context->cookies.number, &parts, source, source_size,
                     at + 3))
        return 0;
    return RECORD_HEADER + message;
}
