/* SPDX-License-Identifier: BSD-2-Clause */
/* Vector and x87 state of a case: random XSAVE areas, and what of them must agree afterwards. */
#include <cpuid.h>
#include <string.h>

#include "native.h"

/* Components of the standard format [SDM1 13.4, 13.5]. */
enum { X87, SSE, AVX, OPMASK = 5, ZMM_HIGH = 6, HIGH_ZMM = 7, COMPONENTS = 8 };
enum { FCW = 0, FSW = 2, FTW = 4, MXCSR = 24, ST = 32, XMM = 160, HEADER = 512 };

struct component {
    u32 offset, size;
};

static const struct component *component(unsigned n)
{
    static struct component table[COMPONENTS];
    if (!table[SSE].size) {
        u32 c, d;
        table[X87] = (struct component){ST, 128};
        table[SSE] = (struct component){XMM, 256};
        for (unsigned k = AVX; k < COMPONENTS; k++) {
            if (native_host_xcr0() >> k & 1)
                __cpuid_count(0xd, k, table[k].size, table[k].offset, c, d);
        }
    }
    return &table[n];
}

/* --- Random state --- */

/* Sixty-four bits that are often numbers: doubles, two floats, integers. */
static u64 random_lanes(struct native_random *r)
{
    static const u32 floats[] = {0,          0x80000000, 0x3f800000, 0xbf800000,
                                 0x7f800000, 0xff800000, 0x7fc00000, 0x7fa00000,
                                 0x00000001, 0x007fffff, 0x00800000, 0x7f7fffff,
                                 0x4f000000, 0xcf000000, 0x5f000000, 0x3f000000};
    static const u64 doubles[] = {0,
                                  (u64)1 << 63,
                                  0x3ff0000000000000,
                                  0xbff0000000000000,
                                  0x7ff0000000000000,
                                  0x7ff8000000000000,
                                  0x7ff4000000000000,
                                  1,
                                  0x0010000000000000,
                                  0x7fefffffffffffff,
                                  0x41e0000000000000,
                                  0xc1e0000000000000,
                                  0x43e0000000000000,
                                  0x3fe0000000000000};
    u64 v = native_random_next(r);
    switch (native_random_below(r, 6)) {
    case 0: return doubles[v % ARRAY_LEN(doubles)];
    case 1: return (u64)floats[v % ARRAY_LEN(floats)] << 32 | floats[(v >> 32) % ARRAY_LEN(floats)];
    case 2: /* doubles near one */ return 0x3f00000000000000 + (v & 0x80ffffffffffffff);
    case 3: /* floats near one */ return (v & 0x80ffffff80ffffff) + 0x3f0000003f000000;
    case 4: return native_random_value(r);
    default: return v;
    }
}

static void random_x87(u8 *x, struct native_random *r)
{
    u16 fcw = 0x37f, fsw = 0;
    if (native_random_chance(r, 40)) /* precision and rounding; exceptions stay masked */
        fcw = (u16)(0x7f | (native_random_next(r) & 0xf00));
    fsw = (u16)(native_random_next(r) & 0x7f00); /* C0-C3 and TOP */
    store16(x + FCW, fcw);
    store16(x + FSW, fsw);
    x[FTW] = native_random_chance(r, 50) ? 0xff : (u8)native_random_next(r);
    for (unsigned n = 0; n < 8; n++) {
        u64 significand = native_random_next(r);
        u16 exponent = (u16)(0x3fff - 40 + native_random_below(r, 80));
        switch (native_random_below(r, 8)) {
        case 0:
            exponent = 0;
            significand = 0;
            break;
        case 1: exponent = 0x7fff; break;
        case 2: exponent = (u16)native_random_below(r, 0x8000); break;
        default: significand |= (u64)1 << 63;
        }
        store64(x + ST + n * 16, significand);
        store16(x + ST + n * 16 + 8, (u16)(exponent | (native_random_next(r) & 0x8000)));
    }
}

/* Elements of a vector index are offsets that stay in the data. */
static void small_index(u8 *x, const struct native_case *c, struct native_random *r)
{
    bool uses_index = false;
    for (unsigned n = 0; n < X86_OPND_MAX; n++)
        uses_index |= x86_forms[c->insn.form].opnd[n].kind == X86_OPND_VM;
    if (!uses_index || c->insn.index > 31)
        return;
    bool dwords = native_random_chance(r, 50);
    for (unsigned n = 0; n < 8; n++) {
        i64 v = (i64)native_random_below(r, 2048) - 1024;
        u64 lane = dwords ? (u32)v | (u64)(u32)(i32)(v ^ 0x155) << 32 : (u64)v;
        unsigned i = c->insn.index;
        if (i >= 16)
            store64(x + component(HIGH_ZMM)->offset + (i - 16) * 64 + n * 8, lane);
        else if (n < 2)
            store64(x + XMM + i * 16 + n * 8, lane);
        else if (n < 4)
            store64(x + component(AVX)->offset + i * 16 + (n - 2) * 8, lane);
        else if (component(ZMM_HIGH)->size)
            store64(x + component(ZMM_HIGH)->offset + i * 32 + (n - 4) * 8, lane);
    }
}

void native_vector_random(struct native_case *c, struct native_random *r)
{
    u8 *x = c->xsave;
    memset(x, 0, sizeof(c->xsave));
    random_x87(x, r);
    u32 mxcsr = 0x1f80;
    if (native_random_chance(r, 40)) /* rounding, FTZ, DAZ; exceptions stay masked */
        mxcsr |= (u32)native_random_next(r) & 0xe040;
    store_le(u32, x + MXCSR, mxcsr);
    for (unsigned k = SSE; k < COMPONENTS; k++) {
        for (unsigned n = 0; n < component(k)->size; n += 8)
            store64(x + component(k)->offset + n, random_lanes(r));
    }
    store64(x + HEADER, native_host_xcr0());
    small_index(x, c, r);
}

/* --- Comparison --- */

/* A component that XSTATE_BV leaves out is in its initial configuration: zeros. */
static bool component_differs(const u8 *a, const u8 *b, unsigned k)
{
    static const u8 zeros[2048];
    const struct component *c = component(k);
    const u8 *pa = load64(a + HEADER) >> k & 1 ? a + c->offset : zeros;
    const u8 *pb = load64(b + HEADER) >> k & 1 ? b + c->offset : zeros;
    return c->size && memcmp(pa, pb, c->size) != 0;
}

static u16 x87_word(const u8 *x, unsigned at, u16 initial)
{
    return load64(x + HEADER) & 1 ? load16(x + at) : initial;
}

static bool x87_registers_differ(const u8 *a, const u8 *b)
{
    u8 tags_a = load64(a + HEADER) & 1 ? a[FTW] : 0, tags_b = load64(b + HEADER) & 1 ? b[FTW] : 0;
    unsigned top = x87_word(a, FSW, 0) >> 11 & 7;
    if (tags_a != tags_b)
        return true;
    for (unsigned n = 0; n < 8; n++) {
        /* Tags go by physical register, values by distance from the top; empty ones hold rests. */
        if ((tags_a >> ((top + n) & 7) & 1) && memcmp(a + ST + n * 16, b + ST + n * 16, 10))
            return true;
    }
    return false;
}

const char *native_vector_differ(const struct native_case *c, const u8 *native, const u8 *engine)
{
    static const char *const names[COMPONENTS] = {[SSE] = "xmm",
                                                  [AVX] = "ymm",
                                                  [OPMASK] = "opmask",
                                                  [ZMM_HIGH] = "zmm",
                                                  [HIGH_ZMM] = "zmm16"};
    if (x87_word(native, FCW, 0x37f) != x87_word(engine, FCW, 0x37f))
        return "fcw";
    if (x87_word(native, FSW, 0) != x87_word(engine, FSW, 0))
        return "fsw";
    if (x87_registers_differ(native, engine))
        return "st";
    if (load32(native + MXCSR) != load32(engine + MXCSR))
        return "mxcsr";
    for (unsigned k = SSE; k < COMPONENTS; k++) {
        if (names[k] && component_differs(native, engine, k))
            return names[k];
    }
    return NULL;
}
