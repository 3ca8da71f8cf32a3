/* SPDX-License-Identifier: BSD-2-Clause */
/* Reproducible pseudo-random numbers with a liking for edges. */
#include "native.h"

u64 native_random_next(struct native_random *r)
{
    /* xorshift64* */
    r->state ^= r->state >> 12;
    r->state ^= r->state << 25;
    r->state ^= r->state >> 27;
    return r->state * 0x2545f4914f6cdd1d;
}

u64 native_random_value(struct native_random *r)
{
    static const u64 edges[] = {0,
                                1,
                                2,
                                0x7f,
                                0x80,
                                0xff,
                                0x100,
                                0x7fff,
                                0x8000,
                                0xffff,
                                0x10000,
                                0x7fffffff,
                                0x80000000,
                                0xffffffff,
                                0x100000000,
                                0x7fffffffffffffff,
                                0x8000000000000000,
                                0xffffffffffffffff,
                                0x00007fffffffffff,
                                0xffff800000000000};
    u64 v = native_random_next(r);
    switch (native_random_below(r, 8)) {
    case 0: return edges[v % ARRAY_LEN(edges)];
    case 1: return v % 64;
    case 2: return (u64) - (i64)(v % 64);
    case 3: return NATIVE_DATA + v % NATIVE_DATA_SIZE;
    case 4: return (u64)(i64)(i32)v;
    case 5: /* few bits set */
        return v & native_random_next(r) & native_random_next(r) & native_random_next(r);
    case 6: /* one bit and its neighbours */ return (BIT(v % 64) << 1) - (v >> 32 & 1);
    default: return v;
    }
}
