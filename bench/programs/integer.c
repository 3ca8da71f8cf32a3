/* SPDX-License-Identifier: BSD-2-Clause */
/* Arithmetic in registers: dependent chains with shifts, products, divisions and branches. */
#include "bench.h"

static uint64_t mix(uint64_t n)
{
    uint64_t x = 88172645463325252u, sum = 0;
    for (uint64_t i = 0; i < n * 1000; i++) {
        uint64_t r = bench_random(&x);
        sum += r * 0x9e3779b97f4a7c15u ^ (r >> 29);
        if (sum & 0x10)
            sum -= r << 3;
    }
    return sum;
}

/* The longest Collatz chain below a bound: short unpredictable branches. */
static uint64_t collatz(uint64_t n)
{
    uint64_t best = 0;
    for (uint64_t r = 0; r < n; r++)
        for (uint32_t start = 1; start < 200; start++) {
            uint64_t length = 0, v = start;
            for (; v != 1; length++)
                v = v & 1 ? 3 * v + 1 : v >> 1;
            BENCH_KEEP(v);
            best = length > best ? length : best;
        }
    return best;
}

static uint64_t divide(uint64_t n)
{
    uint64_t a = 1071 * 1029 * 64, b = 462 * 17, sum = 0;
    for (uint64_t i = 0; i < n * 100; i++) {
        uint64_t x = a + i % 977, y = b + i % 31;
        while (y) {
            uint64_t rest = x % y;
            x = y;
            y = rest;
        }
        sum += x;
    }
    return sum;
}

const struct bench bench_integer[] = {
    {"integer", mix, NULL}, {"branches", collatz, NULL}, {"divide", divide, NULL}, {0}};
