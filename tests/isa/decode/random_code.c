/* SPDX-License-Identifier: BSD-2-Clause */
/* Random encodings for the decoder's tests. */
#include "random_code.h"
#include <string.h>

static u64 state;

static u64 next(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state * 0x2545f4914f6cdd1du;
}

void random_code_seed(u64 seed)
{
    state = seed * 0x9e3779b97f4a7c15u + 1;
}

static const u8 prefixes[] = {0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x26, 0x2e, 0x36, 0x3e, 0x64,
                              0x65, 0x40, 0x41, 0x42, 0x44, 0x48, 0x49, 0x4c, 0x4f};

/* A byte string that gets past the first table more often than a uniform one: some prefixes, then
 * an opcode of a random map with a plausible VEX or EVEX payload. */
void random_code(u8 code[16])
{
    u64 r = next(), s = next();
    memcpy(code, &r, 8);
    memcpy(code + 8, &s, 8);
    u64 t = next();
    unsigned p = 0, style = t & 15;
    t >>= 4;
    if (style == 0)
        return;
    unsigned count = t & 3 ? (t >> 2 & 1) : (t >> 2 & 3) + 1;
    if ((t >> 4 & 255) == 0)
        count = 11 + (t >> 12 & 3);
    t >>= 14;
    for (; p < count; p++)
        code[p] = prefixes[(r >> (p & 7) * 8 & 0xff) % sizeof prefixes];
    if (p > 8)
        return;
    switch (style) {
    case 1:
    case 2:
    case 3: return;
    case 4:
    case 5:
    case 6: code[p] = 0x0f; return;
    case 7:
    case 8:
        code[p] = 0x0f;
        code[p + 1] = t & 1 ? 0x38 : 0x3a;
        return;
    case 9:
        code[p] = 0xc5;
        code[p + 1] |= t & 1 ? 0xf8 : 0x80;
        return;
    case 10:
    case 11:
        code[p] = 0xc4;
        code[p + 1] = (u8)((t & 2 ? 0xe0 : code[p + 1] & 0xe0) | ((t >> 4) % 3 + 1));
        if (t & 1)
            code[p + 2] |= 0x78;
        return;
    default:
        code[p] = 0x62;
        code[p + 1] = (u8)((t & 2 ? 0xf0 : code[p + 1] & 0xf0) | ((t >> 4) % 3 + 1));
        if ((t >> 8 & 7) == 0)
            code[p + 1] = (u8)((code[p + 1] & 0xf8) | 5 | (t >> 12 & 1));
        code[p + 2] |= t & 1 ? 0x7c : 4;
        code[p + 3] |= t & 1 ? 8 : 0;
        if (t & 4)
            code[p + 3] &= 0x6f;
        if (t & 8)
            code[p + 3] &= 0xf8;
        return;
    }
}
