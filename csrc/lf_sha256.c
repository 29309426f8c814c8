/* One block of SHA-256 (FIPS 180-4) on x86-64: by the SHA instructions where the processor has
 * them, and in plain C. mbedTLS has none but plain C there, and three quarters of a PSK handshake
 * are it.
 *
 * Knows nothing of padding, lengths or messages, nor of mbedTLS (that is lf_sha256_mbedtls.c). */
#include "lf_sha256.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>

#define ALIGNED __attribute__((aligned(16)))

static const uint32_t ROUND[64] ALIGNED = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t rotate(uint32_t word, int by) {
    return word >> by | word << (32 - by);
}

static uint32_t small_sigma(uint32_t word, int first, int second, int shift) {
    return rotate(word, first) ^ rotate(word, second) ^ word >> shift;
}

static uint32_t big_sigma(uint32_t word, int first, int second, int third) {
    return rotate(word, first) ^ rotate(word, second) ^ rotate(word, third);
}

void lf_sha256_plain(uint32_t state[8], const uint8_t block[64]) {
    uint32_t words[64];
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4], f = state[5],
             g = state[6], h = state[7];

    for (int i = 0; i < 16; i++)
        words[i] = (uint32_t)block[4 * i] << 24 | block[4 * i + 1] << 16 | block[4 * i + 2] << 8 |
                   block[4 * i + 3];
    for (int i = 16; i < 64; i++)
        words[i] = small_sigma(words[i - 2], 17, 19, 10) + words[i - 7] +
                   small_sigma(words[i - 15], 7, 18, 3) + words[i - 16];
    for (int i = 0; i < 64; i++) {
        uint32_t first = h + big_sigma(e, 6, 11, 25) + (g ^ (e & (f ^ g))) + ROUND[i] + words[i];
        uint32_t second = big_sigma(a, 2, 13, 22) + ((a & b) | (c & (a | b)));
        h = g, g = f, f = e, e = d + first, d = c, c = b, b = a, a = first + second;
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d;
    state[4] += e, state[5] += f, state[6] += g, state[7] += h;
}

/* The instructions hold the state as ABEF and CDGH, highest word first, and do two rounds each. */
__attribute__((target("sha,sse4.1"))) void lf_sha256_instructions(uint32_t state[8],
                                                                  const uint8_t block[64]) {
    const __m128i swap = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
    __m128i cdab = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)&state[0]), 0xB1);
    __m128i efgh = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)&state[4]), 0x1B);
    __m128i abef = _mm_alignr_epi8(cdab, efgh, 8), cdgh = _mm_blend_epi16(efgh, cdab, 0xF0);
    const __m128i abef_before = abef, cdgh_before = cdgh;
    __m128i words[4]; /* the last sixteen of the schedule */

    for (int i = 0; i < 4; i++)
        words[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(block + 16 * i)), swap);
    for (int i = 0; i < 16; i++) {
        __m128i now = words[i & 3];
        __m128i sum = _mm_add_epi32(now, _mm_load_si128((const __m128i *)&ROUND[4 * i]));
        cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
        abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0E));
        if (i < 12) {
            __m128i seven_before = _mm_alignr_epi8(words[(i + 3) & 3], words[(i + 2) & 3], 4);
            __m128i part =
                _mm_add_epi32(_mm_sha256msg1_epu32(now, words[(i + 1) & 3]), seven_before);
            words[i & 3] = _mm_sha256msg2_epu32(part, words[(i + 3) & 3]);
        }
    }
    abef = _mm_add_epi32(abef, abef_before);
    cdgh = _mm_add_epi32(cdgh, cdgh_before);
    __m128i feba = _mm_shuffle_epi32(abef, 0x1B), dchg = _mm_shuffle_epi32(cdgh, 0xB1);
    _mm_storeu_si128((__m128i *)&state[0], _mm_blend_epi16(feba, dchg, 0xF0));
    _mm_storeu_si128((__m128i *)&state[4], _mm_alignr_epi8(dchg, feba, 8));
}

int lf_sha256_has_instructions(void) {
    static int known = -1; /* threads that race for it write the same */
    int answer = __atomic_load_n(&known, __ATOMIC_RELAXED);
    if (answer >= 0) return answer;
    unsigned a, b, c, d;
    answer = __get_cpuid(1, &a, &b, &c, &d) && c & bit_SSSE3 && c & bit_SSE4_1 &&
             __get_cpuid_count(7, 0, &a, &b, &c, &d) && b & bit_SHA;
    __atomic_store_n(&known, answer, __ATOMIC_RELAXED);
    return answer;
}

#else

int lf_sha256_has_instructions(void) {
    return 0;
}

#endif
