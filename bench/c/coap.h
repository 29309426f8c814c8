/* The little of CoAP (RFC 7252, section 3) that load programs and ceilings
 * need: header, options written in rising order, options walked. Own to bench/:
 * the server's parser must not measure itself.
 *
 * Nothing here remembers a message. */
#ifndef BENCH_COAP_H
#define BENCH_COAP_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { COAP_CON, COAP_NON, COAP_ACK, COAP_RST };

enum {
    COAP_EMPTY = 0,
    COAP_GET = 1,
    COAP_POST = 2,
    COAP_CREATED = 65, /* 2.01 */
    COAP_CHANGED = 68, /* 2.04 */
    COAP_CONTENT = 69  /* 2.05 */
};

enum {
    COAP_OBSERVE = 6,
    COAP_LOCATION_PATH = 8,
    COAP_URI_PATH = 11,
    COAP_CONTENT_FORMAT = 12,
    COAP_URI_QUERY = 15
};

#define COAP_TOKEN_MAX 8

static inline int coap_type(const uint8_t *message) {
    return message[0] >> 4 & 3;
}
static inline size_t coap_token_size(const uint8_t *message) {
    return message[0] & 15;
}
static inline uint16_t coap_mid(const uint8_t *message) {
    return (uint16_t)(message[2] << 8 | message[3]);
}

/* Version 1, a whole header, and all of the token it promises. */
static inline int coap_is_message(const uint8_t *message, size_t size) {
    return size >= 4 && message[0] >> 6 == 1 && coap_token_size(message) <= COAP_TOKEN_MAX &&
           size >= 4 + coap_token_size(message);
}

/* Write a header and its token; returns the bytes written. */
static inline size_t coap_header(uint8_t *out, int type, int code, uint16_t mid,
                                 const uint8_t *token, size_t token_size) {
    out[0] = (uint8_t)(0x40 | type << 4 | (int)token_size);
    out[1] = (uint8_t)code;
    out[2] = (uint8_t)(mid >> 8);
    out[3] = (uint8_t)mid;
    memcpy(out + 4, token, token_size);
    return 4 + token_size;
}

/* Write one option after option number `*last`; number and size differences
 * below 269. Returns the bytes written. */
static inline size_t coap_option(uint8_t *out, int *last, int number, const void *value,
                                 size_t size) {
    size_t used = 1;
    int delta = number - *last;
    *last = number;
    out[0] = (uint8_t)((delta < 13 ? delta : 13) << 4 | (size < 13 ? (int)size : 13));
    if (delta >= 13) out[used++] = (uint8_t)(delta - 13);
    if (size >= 13) out[used++] = (uint8_t)(size - 13);
    memcpy(out + used, value, size);
    return used + size;
}

typedef struct {
    const uint8_t *at, *end;
    int number;
    const uint8_t *value;
    size_t size;
} coap_walk;

static inline coap_walk coap_options(const uint8_t *message, size_t size) {
    return (coap_walk){message + 4 + coap_token_size(message), message + size, 0, NULL, 0};
}

/* Length and delta share one form (section 3.1); -1 when it is cut short or the
 * reserved 15. */
static inline int coap_extended(coap_walk *walk, int nibble) {
    if (nibble < 13) return nibble;
    if (nibble == 13 && walk->end - walk->at >= 1) return 13 + *walk->at++;
    if (nibble == 14 && walk->end - walk->at >= 2) {
        walk->at += 2;
        return 269 + (walk->at[-2] << 8 | walk->at[-1]);
    }
    return -1;
}

/* Step to the next option: 1, or 0 at the payload marker, the end or a broken
 * option. */
static inline int coap_next(coap_walk *walk) {
    if (walk->at >= walk->end || *walk->at == 0xff) return 0;
    int head = *walk->at++;
    int delta = coap_extended(walk, head >> 4);
    int size = coap_extended(walk, head & 15);
    if (delta < 0 || size < 0 || walk->end - walk->at < size) return 0;
    walk->number += delta;
    walk->value = walk->at;
    walk->size = (size_t)size;
    walk->at += size;
    return 1;
}

#endif
