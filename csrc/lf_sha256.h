/* One block of SHA-256 on x86-64; see lf_sha256.c and lf_sha256_mbedtls.c. In our own build of
 * mbedTLS only. */
#ifndef LF_SHA256_H
#define LF_SHA256_H

#include <stdint.h>

/* Whether this processor has the SHA instructions, and they are used. */
int lf_sha256_has_instructions(void);

/* `state` after one more block; both do the same. The second only where
 * lf_sha256_has_instructions(). */
void lf_sha256_plain(uint32_t state[8], const uint8_t block[64]);
void lf_sha256_instructions(uint32_t state[8], const uint8_t block[64]);

enum { LF_SHA256_KEPT = 4 }; /* two keys of HMAC, inside and outside */

typedef struct lf_sha256_memory {
    struct {
        uint8_t block[64];
        uint32_t state[8]; /* after it */
    } kept[LF_SHA256_KEPT];
    unsigned count; /* ever kept: the oldest goes */
    struct lf_sha256_memory *outer;
} lf_sha256_memory;

/* Until lf_sha256_forget(), `memory` has what this thread's last few messages of mbedTLS began
 * with: a first block that comes again costs a comparison. With HMAC two blocks of every four or
 * five do (RFC 2104), as they are the key's alone. What is in it is as secret as a key; forgetting
 * wipes it. Pairs may nest. */
void lf_sha256_remember(lf_sha256_memory *memory);
void lf_sha256_forget(lf_sha256_memory *memory);

#endif
