/* Our own block of SHA-256 in the place of mbedTLS's (MBEDTLS_SHA256_PROCESS_ALT), with a memory
 * for the first blocks of messages. Apart from lf_sha256.c, so that bench/ can put plain C here.
 *
 * mbedTLS derives 256 bytes of keys for the 40 that a session needs, and its HMAC works the key in
 * anew each time: of some 130 blocks of a PSK handshake 50 are the same four. */
#define _DEFAULT_SOURCE
#define MBEDTLS_ALLOW_PRIVATE_ACCESS
#include <mbedtls/sha256.h>
#include <string.h>

#include "lf_sha256.h"

#if defined(MBEDTLS_SHA256_PROCESS_ALT)

#include <emmintrin.h>

/* Eight bytes, so that a library that is loaded late may have them without a call. */
static _Thread_local __attribute__((tls_model("initial-exec"))) lf_sha256_memory *memory;

static const uint32_t BEGIN[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                  0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

void lf_sha256_remember(lf_sha256_memory *fresh) {
    fresh->count = 0;
    fresh->outer = memory;
    memory = fresh;
}

void lf_sha256_forget(lf_sha256_memory *used) {
    memory = used->outer;
    explicit_bzero(used, sizeof *used);
}

static void one_block(uint32_t state[8], const uint8_t block[64]) {
    if (lf_sha256_has_instructions())
        lf_sha256_instructions(state, block);
    else
        lf_sha256_plain(state, block);
}

/* Takes as long for blocks that differ in their first byte as in their last: keys are in them. */
static int is_same(const uint8_t one[64], const uint8_t other[64]) {
    __m128i differ = _mm_setzero_si128();
    for (int i = 0; i < 64; i += 16) {
        __m128i a = _mm_loadu_si128((const __m128i *)(one + i));
        __m128i b = _mm_loadu_si128((const __m128i *)(other + i));
        differ = _mm_or_si128(differ, _mm_xor_si128(a, b));
    }
    return _mm_movemask_epi8(_mm_cmpeq_epi8(differ, _mm_setzero_si128())) == 0xffff;
}

static void first_block(uint32_t state[8], const uint8_t block[64]) {
    unsigned count = memory->count;
    unsigned least = count > LF_SHA256_KEPT ? count - LF_SHA256_KEPT : 0;
    for (unsigned i = count; i-- > least;) {
        if (!is_same(memory->kept[i % LF_SHA256_KEPT].block, block)) continue;
        memcpy(state, memory->kept[i % LF_SHA256_KEPT].state, 8 * sizeof *state);
        return;
    }
    one_block(state, block);
    memcpy(memory->kept[count % LF_SHA256_KEPT].block, block, 64);
    memcpy(memory->kept[count % LF_SHA256_KEPT].state, state, 8 * sizeof *state);
    memory->count++;
}

int mbedtls_internal_sha256_process(mbedtls_sha256_context *context,
                                    const unsigned char block[64]) {
    if (memory && context->state[0] == BEGIN[0] && !memcmp(context->state, BEGIN, sizeof BEGIN))
        first_block(context->state, block);
    else
        one_block(context->state, block);
    return 0;
}

#endif
