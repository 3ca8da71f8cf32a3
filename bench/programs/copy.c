/* SPDX-License-Identifier: BSD-2-Clause */
/* Copies by 16-byte and 32-byte vectors, and by the string instructions. */
#include "bench.h"
#include <immintrin.h>

enum { SIZE = 16384 };

/* Not a multiple of 4 KiB apart, or loads wait for stores to equal low address bits. */
static _Alignas(64) unsigned char buffer[2 * SIZE + 192];
#define FROM buffer
#define TO   (buffer + SIZE + 192)

static uint64_t copy_sse(uint64_t n)
{
    for (uint64_t r = 0; r < n; r++) {
        FROM[r % SIZE] = (unsigned char)r;
        for (unsigned i = 0; i < SIZE; i += 64) {
            __m128i a = _mm_load_si128((const __m128i *)(FROM + i));
            __m128i b = _mm_load_si128((const __m128i *)(FROM + i + 16));
            __m128i c = _mm_load_si128((const __m128i *)(FROM + i + 32));
            __m128i d = _mm_load_si128((const __m128i *)(FROM + i + 48));
            _mm_store_si128((__m128i *)(TO + i), a);
            _mm_store_si128((__m128i *)(TO + i + 16), b);
            _mm_store_si128((__m128i *)(TO + i + 32), c);
            _mm_store_si128((__m128i *)(TO + i + 48), d);
        }
        __asm__ volatile("" : : : "memory");
    }
    return TO[(n - 1) % SIZE];
}

static __attribute__((target("avx2"))) uint64_t copy_avx2(uint64_t n)
{
    for (uint64_t r = 0; r < n; r++) {
        FROM[r % SIZE] = (unsigned char)r;
        for (unsigned i = 0; i < SIZE; i += 64) {
            __m256i a = _mm256_load_si256((const __m256i *)(FROM + i));
            __m256i b = _mm256_load_si256((const __m256i *)(FROM + i + 32));
            _mm256_store_si256((__m256i *)(TO + i), a);
            _mm256_store_si256((__m256i *)(TO + i + 32), b);
        }
        __asm__ volatile("" : : : "memory");
    }
    return TO[(n - 1) % SIZE];
}

static uint64_t copy_string(uint64_t n)
{
    for (uint64_t r = 0; r < n; r++) {
        FROM[r % SIZE] = (unsigned char)r;
        const void *from = FROM;
        void *to = TO;
        uint64_t count = SIZE / 8;
        __asm__ volatile("rep movsq" : "+S"(from), "+D"(to), "+c"(count) : : "memory");
    }
    return TO[(n - 1) % SIZE];
}

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2");
}

const struct bench bench_copy[] = {{"copy-sse", copy_sse, NULL},
                                   {"copy-avx2", copy_avx2, has_avx2},
                                   {"copy-rep", copy_string, NULL},
                                   {0}};
