/* mbedTLS's block of SHA-256 in plain C whatever the processor has: what a library without the SHA
 * instructions costs. Linked before the library, whose own is then not taken. */
#define MBEDTLS_ALLOW_PRIVATE_ACCESS
#include <mbedtls/sha256.h>

#include "lf_sha256.h"

int mbedtls_internal_sha256_process(mbedtls_sha256_context *context, const uint8_t block[64]);

int mbedtls_internal_sha256_process(mbedtls_sha256_context *context, const uint8_t block[64]) {
    lf_sha256_plain(context->state, block);
    return 0;
}
