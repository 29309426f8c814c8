/* Our own block of SHA-256 in the place of mbedTLS's (MBEDTLS_SHA256_PROCESS_ALT). Apart from
 * lf_sha256.c, so that bench/ can put plain C here. */
#define MBEDTLS_ALLOW_PRIVATE_ACCESS
#include <mbedtls/sha256.h>

#include "lf_sha256.h"

#if defined(MBEDTLS_SHA256_PROCESS_ALT)
int mbedtls_internal_sha256_process(mbedtls_sha256_context *context,
                                    const unsigned char block[64]) {
    if (lf_sha256_has_instructions())
        lf_sha256_instructions(context->state, block);
    else
        lf_sha256_plain(context->state, block);
    return 0;
}
#endif
