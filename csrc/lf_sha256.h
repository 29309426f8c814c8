/* One block of SHA-256 on x86-64; see lf_sha256.c. In our own build of mbedTLS only. */
#ifndef LF_SHA256_H
#define LF_SHA256_H

#include <stdint.h>

/* Whether this processor has the SHA instructions, and they are used. */
int lf_sha256_has_instructions(void);

/* `state` after one more block; both do the same. The second only where
 * lf_sha256_has_instructions(). */
void lf_sha256_plain(uint32_t state[8], const uint8_t block[64]);
void lf_sha256_instructions(uint32_t state[8], const uint8_t block[64]);

#endif
