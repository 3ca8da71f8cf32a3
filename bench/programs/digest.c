/* SPDX-License-Identifier: BSD-2-Clause */
/* SHA-256 and CRC-32C in plain C and with the processor's instructions for them, and AES-128. */
#include "bench.h"
#include <immintrin.h>
#include <string.h>

enum { SIZE = 4096 };

static const uint32_t k256[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static const uint32_t initial[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

static const uint8_t *input(void)
{
    static uint8_t bytes[SIZE];
    static bool made;
    if (!made) {
        uint64_t state = 0xda3e39cb94b95bdbu;
        for (unsigned i = 0; i < SIZE; i++)
            bytes[i] = (uint8_t)bench_random(&state);
        made = true;
    }
    return bytes;
}

static uint32_t rotate(uint32_t x, unsigned by)
{
    return x >> by | x << (32 - by);
}

static void sha_block(uint32_t h[8], const uint8_t *p)
{
    uint32_t w[64], s[8];
    for (unsigned i = 0; i < 16; i++) {
        memcpy(&w[i], p + 4 * i, 4);
        w[i] = __builtin_bswap32(w[i]);
    }
    for (unsigned i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) + w[i - 7] +
               (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
    }
    memcpy(s, h, sizeof s);
    for (unsigned i = 0; i < 64; i++) {
        uint32_t e = s[4], a = s[0];
        uint32_t t = s[7] + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) +
                     ((e & s[5]) ^ (~e & s[6])) + k256[i] + w[i];
        uint32_t u = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) +
                     ((a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2]));
        memmove(s + 1, s, 7 * sizeof *s);
        s[4] += t;
        s[0] = t + u;
    }
    for (unsigned i = 0; i < 8; i++)
        h[i] += s[i];
}

/* The state words in the order of the SHA instructions: ABEF and CDGH, highest first. */
static __attribute__((target("sha,sse4.1"))) void sha_block_ni(uint32_t h[8], const uint8_t *p)
{
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    __m128i abef = _mm_set_epi32((int)h[0], (int)h[1], (int)h[4], (int)h[5]);
    __m128i cdgh = _mm_set_epi32((int)h[2], (int)h[3], (int)h[6], (int)h[7]);
    __m128i begun0 = abef, begun1 = cdgh, w[4];
    for (unsigned i = 0; i < 4; i++)
        w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)p + i), swap);
    for (unsigned i = 0; i < 16; i++) {
        __m128i k = _mm_add_epi32(w[0], _mm_loadu_si128((const __m128i *)k256 + i));
        cdgh = _mm_sha256rnds2_epu32(cdgh, abef, k);
        abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(k, 0x0e));
        __m128i next =
            _mm_add_epi32(_mm_sha256msg1_epu32(w[0], w[1]), _mm_alignr_epi8(w[3], w[2], 4));
        next = _mm_sha256msg2_epu32(next, w[3]);
        w[0] = w[1];
        w[1] = w[2];
        w[2] = w[3];
        w[3] = next;
    }
    uint32_t x[4], y[4];
    _mm_storeu_si128((__m128i *)x, _mm_add_epi32(abef, begun0));
    _mm_storeu_si128((__m128i *)y, _mm_add_epi32(cdgh, begun1));
    h[0] = x[3], h[1] = x[2], h[4] = x[1], h[5] = x[0];
    h[2] = y[3], h[3] = y[2], h[6] = y[1], h[7] = y[0];
}

static uint64_t sha(uint64_t n)
{
    uint32_t h[8];
    memcpy(h, initial, sizeof h);
    while (n--)
        for (unsigned i = 0; i < SIZE; i += 64)
            sha_block(h, input() + i);
    return (uint64_t)h[0] << 32 | h[7];
}

static uint64_t sha_ni(uint64_t n)
{
    uint32_t h[8];
    memcpy(h, initial, sizeof h);
    while (n--)
        for (unsigned i = 0; i < SIZE; i += 64)
            sha_block_ni(h, input() + i);
    return (uint64_t)h[0] << 32 | h[7];
}

static uint64_t crc(uint64_t n)
{
    static uint32_t table[256];
    const uint8_t *p = input();
    if (!table[1])
        for (uint32_t i = 0; i < 256; i++) {
            uint32_t c = i;
            for (unsigned bit = 0; bit < 8; bit++)
                c = c & 1 ? c >> 1 ^ 0x82f63b78 : c >> 1;
            table[i] = c;
        }
    uint32_t c = ~0u;
    while (n--)
        for (unsigned i = 0; i < SIZE; i++)
            c = c >> 8 ^ table[(c ^ p[i]) & 255];
    return ~c;
}

static __attribute__((target("sse4.2"))) uint64_t crc_sse(uint64_t n)
{
    const uint8_t *p = input();
    uint64_t c = 0xffffffff;
    while (n--)
        for (unsigned i = 0; i < SIZE; i += 8) {
            uint64_t word;
            memcpy(&word, p + i, 8);
            c = _mm_crc32_u64(c, word);
        }
    return (uint32_t)~c;
}

/* Ten rounds over each block with fixed round keys: the instructions of AES-128 in counter mode,
 * four blocks at a time. */
static __attribute__((target("aes,sse4.1"))) uint64_t aes(uint64_t n)
{
    const __m128i *p = (const __m128i *)input();
    __m128i key[11], sum = _mm_setzero_si128();
    for (unsigned i = 0; i < 11; i++)
        key[i] = _mm_loadu_si128(p + i);
    for (uint64_t r = 0; r < n; r++)
        for (unsigned i = 0; i < SIZE / 16; i += 4) {
            __m128i b[4];
            for (unsigned j = 0; j < 4; j++)
                b[j] = _mm_xor_si128(_mm_set_epi64x((int64_t)r, i + j), key[0]);
            for (unsigned round = 1; round < 10; round++)
                for (unsigned j = 0; j < 4; j++)
                    b[j] = _mm_aesenc_si128(b[j], key[round]);
            for (unsigned j = 0; j < 4; j++)
                sum = _mm_xor_si128(sum, _mm_xor_si128(_mm_aesenclast_si128(b[j], key[10]),
                                                       _mm_loadu_si128(p + i + j)));
        }
    uint64_t word[2];
    _mm_storeu_si128((__m128i *)word, sum);
    return word[0] ^ word[1];
}

#define LEAF(name, leaf, register, bit)                                                            \
    static bool name(void)                                                                         \
    {                                                                                              \
        uint32_t eax = leaf, ebx, ecx = 0, edx;                                                    \
        __asm__("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));                             \
        return register >> bit & 1;                                                                \
    }
LEAF(has_sha, 7, ebx, 29)
LEAF(has_sse42, 1, ecx, 20)
LEAF(has_aes, 1, ecx, 25)

const struct bench bench_digest[] = {{"sha256", sha, NULL},    {"sha256-ni", sha_ni, has_sha},
                                     {"crc32c", crc, NULL},    {"crc32c-sse", crc_sse, has_sse42},
                                     {"aes-ni", aes, has_aes}, {0}};
