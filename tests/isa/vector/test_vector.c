/* SPDX-License-Identifier: BSD-2-Clause */
/* What the comparison with the host can't see: control-register checks, x87 pointers, save formats,
 * state from outside, full code memory. */
#include "base/bits.h"
#include "base/os.h"
#include "vector_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum {
    FCW = 0,
    FSW = 2,
    FTW = 4,
    FOP = 6,
    FIP = 8,
    FDP = 16,
    MXCSR = 24,
    ST = 32,
    XMM = 160,
    BV = 512,
    COMP = 520
};
#define RIP     ((u64)0x7fff12345678)
#define OPERAND (RIG_BASE + 0x1100)

static u8 *operand;

/* Runs bytes with rbx at the operand: -1, or the exception. */
#define RUN(...)                                                                                   \
    ({                                                                                             \
        const u8 code_[16] = {__VA_ARGS__};                                                        \
        rig_run(code_, 15, RIP &(rig_cpu.mode == X86_MODE64 ? ~(u64)0 : 0xffffffff));              \
    })

static void start(unsigned mode)
{
    u8 *x = rig_cpu.s.xsave;
    rig_init(mode);
    memset(x, 0, X86_XSAVE_SIZE);
    store16(x + FCW, 0x37f);
    store32(x + MXCSR, 0x1f80);
    store64(x + BV, rig_model.xcr0_allowed);
    rig_cpu.s.gpr[X86_RBX] = OPERAND;
    operand = rig_memory + (OPERAND - RIG_BASE);
    memset(operand - 256, 0, 8192);
}

static bool has(unsigned feature)
{
    return x86_model_has(&rig_model, feature);
}

/* --- control registers [SDM3 2.5, Table 9-3; SDM2 2.4] --- */

static const struct {
    const char *name;
    u8 code[8];
    u64 cr0_set, cr4_clear, xcr0;
    u16 feature;
    int expect;
} gates[] = {
    {"x87, TS", {0xd8, 0xc1}, X86_CR0_TS, 0, 7, 0, X86_NM},
    {"x87, EM", {0xd8, 0xc1}, X86_CR0_EM, 0, 7, 0, X86_NM},
    {"fwait, TS and MP", {0x9b}, X86_CR0_TS, 0, 7, 0, X86_NM},
    {"mmx, EM", {0x0f, 0xfc, 0xc1}, X86_CR0_EM, 0, 7, 0, X86_UD},
    {"mmx, TS", {0x0f, 0xfc, 0xc1}, X86_CR0_TS, 0, 7, 0, X86_NM},
    {"mmx, no OSFXSR", {0x0f, 0xfc, 0xc1}, 0, X86_CR4_OSFXSR, 7, 0, -1},
    {"sse, EM", {0x0f, 0x58, 0xc1}, X86_CR0_EM, 0, 7, 0, X86_UD},
    {"sse, TS", {0x0f, 0x58, 0xc1}, X86_CR0_TS, 0, 7, 0, X86_NM},
    {"sse, no OSFXSR", {0x0f, 0x58, 0xc1}, 0, X86_CR4_OSFXSR, 7, 0, X86_UD},
    {"sse, TS and no OSFXSR", {0x0f, 0x58, 0xc1}, X86_CR0_TS, X86_CR4_OSFXSR, 7, 0, X86_UD},
    {"avx, EM", {0xc5, 0xf8, 0x58, 0xc1}, X86_CR0_EM, 0, 7, X86_FEATURE_AVX, -1},
    {"avx, TS", {0xc5, 0xf8, 0x58, 0xc1}, X86_CR0_TS, 0, 7, X86_FEATURE_AVX, X86_NM},
    {"avx, no OSXSAVE", {0xc5, 0xf8, 0x58, 0xc1}, 0, X86_CR4_OSXSAVE, 7, X86_FEATURE_AVX, X86_UD},
    {"avx, XCR0", {0xc5, 0xf8, 0x58, 0xc1}, 0, 0, 3, X86_FEATURE_AVX, X86_UD},
    {"evex, XCR0", {0x62, 0xf1, 0x74, 0x48, 0x58, 0xc1}, 0, 0, 7, X86_FEATURE_AVX512F, X86_UD},
    {"opmask, XCR0", {0xc5, 0xf8, 0x92, 0xc8}, 0, 0, 7, X86_FEATURE_AVX512F, X86_UD},
    {"opmask", {0xc5, 0xf8, 0x92, 0xc8}, 0, 0, 0xe7, X86_FEATURE_AVX512F, -1},
    {"fxsave, TS", {0x0f, 0xae, 0x03}, X86_CR0_TS, 0, 7, 0, X86_NM},
    {"fxsave, EM", {0x0f, 0xae, 0x03}, X86_CR0_EM, 0, 7, 0, X86_NM},
    {"xsave, no OSXSAVE", {0x0f, 0xae, 0x23}, 0, X86_CR4_OSXSAVE, 7, X86_FEATURE_XSAVE, X86_UD},
    {"xsave, TS", {0x0f, 0xae, 0x23}, X86_CR0_TS, 0, 7, X86_FEATURE_XSAVE, X86_NM},
    {"stmxcsr, no OSFXSR", {0x0f, 0xae, 0x1b}, 0, X86_CR4_OSFXSR, 7, 0, X86_UD},
    {"emms, EM", {0x0f, 0x77}, X86_CR0_EM, 0, 7, 0, X86_UD},
};

static void test_gates(void **state)
{
    for (size_t n = 0; n < ARRAY_LEN(gates); n++) {
        start(X86_MODE64);
        if (gates[n].feature && !has(gates[n].feature))
            continue;
        rig_cpu.s.cr0 |= gates[n].cr0_set;
        rig_cpu.s.cr4 &= ~gates[n].cr4_clear;
        rig_cpu.s.xcr0 = gates[n].xcr0;
        int r = rig_run(gates[n].code, 8, RIP);
        if (r != gates[n].expect)
            fail_msg("%s: %d instead of %d", gates[n].name, r, gates[n].expect);
    }
}

static void test_vex_in_real_mode(void **state)
{
    start(X86_MODE32);
    if (!has(X86_FEATURE_AVX))
        skip();
    assert_int_equal(RUN(0xc5, 0xf8, 0x58, 0xc1), -1);
    rig_cpu.real = 1;
    assert_int_equal(RUN(0xc5, 0xf8, 0x58, 0xc1), X86_UD);
    rig_cpu.real = 0;
    rig_cpu.vm86 = 1;
    assert_int_equal(RUN(0xc5, 0xf8, 0x58, 0xc1), X86_UD);
    rig_cpu.vm86 = 0;
}

static void test_hidden_feature(void **state)
{
    start(X86_MODE64);
    assert_int_equal(RUN(0x66, 0x0f, 0x38, 0x00, 0xc1), -1); /* pshufb */
    rig_model.features[X86_FEATURE_SSSE3 / 64] &= ~BIT(X86_FEATURE_SSSE3 % 64);
    assert_int_equal(RUN(0x66, 0x0f, 0x38, 0x00, 0xc1), X86_UD);
}

/* --- x87 exceptions --- */

static void test_pending_x87(void **state)
{
    start(X86_MODE64);
    store16(rig_cpu.s.xsave + FCW, 0x37e); /* invalid unmasked */
    assert_int_equal(RUN(0xd9, 0xc1), -1); /* fld st(1), empty: a stack fault, noted only */
    assert_int_equal(RUN(0xd9, 0x3b), -1); /* fnstcw does not wait */
    assert_int_equal(RUN(0xdf, 0xe0), -1); /* fnstsw ax */
    assert_true(rig_cpu.s.gpr[X86_RAX] & 0x80);
    assert_int_equal(RUN(0x9b), X86_MF);             /* fwait */
    assert_int_equal(RUN(0xd9, 0xe8), X86_MF);       /* fld1 */
    assert_int_equal(RUN(0x0f, 0x6f, 0xc1), X86_MF); /* movq mm0, mm1 */
    assert_int_equal(RUN(0x0f, 0x58, 0xc1), -1);     /* addps does not care */
    rig_cpu.s.cr0 |= X86_CR0_TS;
    assert_int_equal(RUN(0xd9, 0xe8), X86_NM); /* comes before #MF */
    rig_cpu.s.cr0 &= ~X86_CR0_TS;
    assert_int_equal(RUN(0xdb, 0xe2), -1); /* fnclex */
    assert_int_equal(RUN(0x9b), -1);
}

static void test_store_suppressed(void **state)
{
    start(X86_MODE64);
    u8 *x = rig_cpu.s.xsave;
    store16(x + FCW, 0x377); /* overflow unmasked */
    store16(x + FSW, 0);
    x[FTW] = 1;
    store64(x + ST, BIT(63));
    store16(x + ST + 8, 0x7ffe); /* too large for a single */
    store32(operand, 0x12345678);
    assert_int_equal(RUN(0xd9, 0x1b), -1); /* fstp dword [rbx] */
    assert_int_equal(load32(operand), 0x12345678);
    assert_int_equal(x[FTW], 1); /* not popped */
    assert_true(load16(x + FSW) & 0x80);
    assert_int_equal(RUN(0xd9, 0x1b), X86_MF);

    /* The same through memory that is not plain RAM. */
    start(X86_MODE64);
    store16(x + FCW, 0x377);
    x[FTW] = 1;
    store64(x + ST, BIT(63));
    store16(x + ST + 8, 0x7ffe);
    rig_cpu.s.gpr[X86_RBX] = RIG_BASE + RIG_MMIO * 4096;
    store32(rig_memory + RIG_MMIO * 4096, 0x12345678);
    assert_int_equal(RUN(0xd9, 0x1b), -1);
    assert_int_equal(load32(rig_memory + RIG_MMIO * 4096), 0x12345678);
    assert_int_equal(x[FTW], 1);
}

static void test_store_fault_does_not_pop(void **state)
{
    start(X86_MODE64);
    u8 *x = rig_cpu.s.xsave;
    x[FTW] = 1;
    rig_cpu.s.gpr[X86_RBX] = RIG_BASE + RIG_HOLE * 4096 - 4;
    assert_int_equal(RUN(0xdd, 0x1b), X86_PF_FAULT); /* fstp qword */
    assert_int_equal(x[FTW], 1);
    assert_int_equal(load16(x + FSW) >> 11 & 7, 0);
}

/* --- x87 pointers [SDM1 8.1.8] --- */

static void test_pointers(void **state)
{
    start(X86_MODE64);
    u8 *x = rig_cpu.s.xsave;
    assert_int_equal(RUN(0xdd, 0x43, 0x08), -1); /* fld qword [rbx+8] */
    assert_int_equal(load64(x + FIP), RIP);
    assert_int_equal(load64(x + FDP), OPERAND + 8);
    assert_int_equal(load16(x + FOP), 0x543);
    assert_int_equal(RUN(0xd9, 0xe0), -1); /* fchs: no operand, FDP stays */
    assert_int_equal(load64(x + FDP), OPERAND + 8);
    assert_int_equal(load16(x + FOP), 0x1e0);
    assert_int_equal(RUN(0xd9, 0x2b), -1); /* fldcw: a control instruction */
    assert_int_equal(load16(x + FOP), 0x1e0);

    assert_int_equal(RUN(0x48, 0x0f, 0xae, 0x03), -1); /* fxsave64 */
    assert_int_equal(load64(operand + FIP), RIP);
    assert_int_equal(load64(operand + FDP), OPERAND + 8);
    assert_int_equal(RUN(0x0f, 0xae, 0x03), -1); /* fxsave: 32 bits and selectors */
    assert_int_equal(load64(operand + FIP), (u32)RIP);
    assert_int_equal(RUN(0xd9, 0x33), -1); /* fnstenv */
    assert_int_equal(load32(operand + 12), (u32)RIP);
    assert_int_equal(load16(operand + 18), 0x1e0);
    assert_int_equal(load32(operand + 20), (u32)(OPERAND + 8));
    assert_int_equal(RUN(0xdb, 0xe3), -1); /* fninit */
    assert_int_equal(load64(x + FIP) | load64(x + FDP) | load16(x + FOP), 0);
    assert_int_equal(RUN(0xd9, 0x23), -1); /* fldenv */
    assert_int_equal(load64(x + FIP), (u32)RIP);
    assert_int_equal(load16(x + FOP), 0x1e0);
}

static void test_pointers_with_selectors(void **state)
{
    start(X86_MODE32);
    assert_int_equal(RUN(0xdd, 0x03), -1); /* fld qword [ebx] */
    assert_int_equal(RUN(0xd9, 0x33), -1); /* fnstenv, 32-bit protected */
    assert_int_equal(load32(operand + 12), (u32)RIP);
    assert_int_equal(load16(operand + 16), 0x33);
    assert_int_equal(load16(operand + 18), 0x503);
    assert_int_equal(load32(operand + 20), (u32)OPERAND);
    assert_int_equal(load16(operand + 24), 0x2b);
    assert_int_equal(RUN(0x66, 0xd9, 0x33), -1); /* 16-bit protected */
    assert_int_equal(load16(operand + 6), (u16)RIP);
    assert_int_equal(load16(operand + 8), 0x33);
    assert_int_equal(load16(operand + 12), 0x2b);
    rig_cpu.real = 1;
    u32 ip = (u32)RIP + 0x330, dp = (u32)OPERAND + 0x2b0;
    assert_int_equal(RUN(0x66, 0xd9, 0x33), -1); /* 16-bit real */
    assert_int_equal(load16(operand + 6), (u16)ip);
    assert_int_equal(load16(operand + 8), (ip >> 16 & 15) << 12 | 0x503);
    assert_int_equal(load16(operand + 12), (dp >> 16 & 15) << 12);
    assert_int_equal(RUN(0xd9, 0x33), -1); /* 32-bit real */
    assert_int_equal(load32(operand + 16), ip >> 16 << 12 | 0x503);
    assert_int_equal(load32(operand + 24), dp >> 16 << 12);
    assert_int_equal(RUN(0xd9, 0x23), -1); /* and back */
    assert_int_equal((u32)load64(rig_cpu.s.xsave + FIP), ip);
    rig_cpu.real = 0;
}

static void test_fnsave(void **state)
{
    start(X86_MODE64);
    u8 *x = rig_cpu.s.xsave;
    assert_int_equal(RUN(0xd9, 0xe8), -1); /* fld1 */
    assert_int_equal(RUN(0xdd, 0x33), -1); /* fnsave [rbx] */
    assert_int_equal(load16(operand + 28 + 8), 0x3fff);
    assert_int_equal(load16(x + FCW), 0x37f);
    assert_int_equal(x[FTW], 0);
    assert_int_equal(RUN(0xdd, 0x23), -1); /* frstor */
    assert_int_equal(x[FTW], 0x80);
    assert_int_equal(load16(x + ST + 8), 0x3fff);
    rig_cpu.s.gpr[X86_RBX] = RIG_BASE + RIG_HOLE * 4096 - 100;
    assert_int_equal(RUN(0xdd, 0x33), X86_PF_FAULT);
    assert_int_equal(x[FTW], 0x80);
}

/* --- SIMD exceptions --- */

static void test_simd_exception(void **state)
{
    start(X86_MODE64);
    u8 *x = rig_cpu.s.xsave;
    store32(x + MXCSR, 0x1f80 & ~0x200u); /* division by zero unmasked */
    store32(x + XMM, 0x3f800000);
    assert_int_equal(RUN(0xf3, 0x0f, 0x5e, 0xc1), X86_XM); /* divss xmm0, xmm1 */
    assert_int_equal(load32(x + XMM), 0x3f800000);
    assert_int_equal(load32(x + MXCSR), 0x1d84);
    rig_cpu.s.cr4 &= ~X86_CR4_OSXMMEXCPT;
    assert_int_equal(RUN(0xf3, 0x0f, 0x5e, 0xc1), X86_UD);
    assert_int_equal(RUN(0x0f, 0xae, 0x1b), -1); /* stmxcsr */
    assert_int_equal(load32(operand), 0x1d84);
    store32(operand, 0x1f80);
    assert_int_equal(RUN(0x0f, 0xae, 0x13), -1); /* ldmxcsr */
    assert_int_equal(RUN(0xf3, 0x0f, 0x5e, 0xc1), -1);
    assert_int_equal(load32(x + XMM), 0x7f800000);
    assert_int_equal(load32(x + MXCSR), 0x1f84);
    store32(operand, 0x10000);
    assert_int_equal(RUN(0x0f, 0xae, 0x13), X86_GP);
}

static void test_general_registers_survive_exception(void **state)
{
    start(X86_MODE64);
    u8 *x = rig_cpu.s.xsave;
    store32(x + MXCSR, 0x1f00); /* invalid unmasked */
    store32(x + XMM, 0x7f800000);
    rig_cpu.s.gpr[X86_RCX] = 0x1122334455667788;
    rig_cpu.s.rflags |= X86_CF;
    assert_int_equal(RUN(0xf3, 0x0f, 0x2c, 0xc8), X86_XM); /* cvttss2si ecx, xmm0 */
    assert_int_equal(rig_cpu.s.gpr[X86_RCX], 0x1122334455667788);
    store32(x + XMM, 0x7fa00000);
    assert_int_equal(RUN(0x0f, 0x2f, 0xc1), X86_XM); /* comiss */
    assert_true(rig_cpu.s.rflags & X86_CF);
}

/* --- alignment --- */

static void test_alignment(void **state)
{
    start(X86_MODE64);
    rig_cpu.s.gpr[X86_RBX] = OPERAND + 4;
    assert_int_equal(RUN(0x0f, 0x28, 0x03), X86_GP);   /* movaps load */
    assert_int_equal(RUN(0x0f, 0x29, 0x03), X86_GP);   /* and store */
    assert_int_equal(RUN(0x0f, 0x58, 0x03), X86_GP);   /* addps */
    assert_int_equal(RUN(0x0f, 0x10, 0x03), -1);       /* movups */
    assert_int_equal(RUN(0xf3, 0x0f, 0x58, 0x03), -1); /* addss */
    assert_int_equal(RUN(0x0f, 0xae, 0x03), X86_GP);   /* fxsave */
    if (has(X86_FEATURE_AVX)) {
        assert_int_equal(RUN(0xc5, 0xfc, 0x58, 0x03), -1); /* vaddps ymm */
        rig_cpu.s.gpr[X86_RBX] = OPERAND + 16;
        assert_int_equal(RUN(0xc5, 0xfc, 0x28, 0x03), X86_GP); /* vmovaps ymm */
        assert_int_equal(RUN(0xc5, 0xf8, 0x28, 0x03), -1);     /* vmovaps xmm */
        assert_int_equal(RUN(0x0f, 0xae, 0x23), X86_GP);       /* xsave */
    }
}

/* --- the XSAVE family --- */

static void set_mask(u64 mask)
{
    rig_cpu.s.gpr[X86_RAX] = (u32)mask;
    rig_cpu.s.gpr[X86_RDX] = mask >> 32;
}

static void test_xsave_parts(void **state)
{
    start(X86_MODE64);
    if (!has(X86_FEATURE_AVX))
        skip();
    u8 *x = rig_cpu.s.xsave;
    memset(operand, 0xee, 1024);
    store64(operand + BV, 0xe1);
    store32(x + XMM, 0x11111111);
    store32(x + 576, 0x22222222);
    set_mask(4);
    assert_int_equal(RUN(0x0f, 0xae, 0x23), -1);         /* xsave */
    assert_int_equal(load32(operand + XMM), 0xeeeeeeee); /* not asked for */
    assert_int_equal(load32(operand + 576), 0x22222222);
    assert_int_equal(load32(operand + MXCSR), 0x1f80); /* goes with AVX too */
    assert_int_equal(load64(operand + BV), 0xe5);      /* other bits are kept */
    assert_int_equal(load64(operand + COMP), 0xeeeeeeeeeeeeeeee);

    /* Outside XCR0 nothing is written. */
    rig_cpu.s.xcr0 = 1;
    memset(operand, 0xee, 1024);
    set_mask(~(u64)0);
    assert_int_equal(RUN(0x0f, 0xae, 0x23), -1);
    assert_int_equal(load32(operand + XMM), 0xeeeeeeee);
    assert_int_equal(load16(operand + FCW), 0x37f);
}

static void test_xsavec_and_xrstor(void **state)
{
    start(X86_MODE64);
    if (!has(X86_FEATURE_XSAVEC) || !has(X86_FEATURE_AVX512F))
        skip();
    u8 *x = rig_cpu.s.xsave;
    u32 hi = rig_model.xsave[6].offset;
    memset(x + hi, 0x33, 32);
    memset(x + XMM, 0x44, 16);
    store64(operand + BV, 0x55);
    set_mask(0x42);                              /* SSE and ZMM_Hi256 */
    assert_int_equal(RUN(0x0f, 0xc7, 0x23), -1); /* xsavec */
    assert_int_equal(load64(operand + COMP), BIT(63) | 0x42);
    assert_int_equal(load64(operand + BV), 0x42);
    assert_int_equal(load32(operand + 576), 0x33333333); /* packed: the first extended one */
    memset(x + hi, 0, 32);
    memset(x + XMM, 0, 16);
    memset(x + 576, 0x77, 16);
    store64(x + BV, rig_model.xcr0_allowed);
    assert_int_equal(RUN(0x0f, 0xae, 0x2b), -1); /* xrstor */
    assert_int_equal(load32(x + hi), 0x33333333);
    assert_int_equal(load32(x + XMM), 0x44444444);
    assert_int_equal(load32(x + 576), 0x77777777);
    /* A component whose bit is clear is initialised. */
    store64(operand + BV, 2);
    assert_int_equal(RUN(0x0f, 0xae, 0x2b), -1);
    assert_int_equal(load32(x + hi), 0);
}

static void test_xrstor_checks(void **state)
{
    static const struct {
        unsigned at;
        u64 value;
    } bad[] = {
        {BV, BIT(9)},  {BV, BIT(63)},    {COMP, 1}, {COMP, BIT(63) | BIT(9)},
        {COMP + 8, 1}, {MXCSR, 0x10000},
    };
    for (size_t n = 0; n < ARRAY_LEN(bad); n++) {
        start(X86_MODE64);
        if (!has(X86_FEATURE_XSAVE))
            skip();
        set_mask(7);
        store32(operand + MXCSR, 0x1f80);
        assert_int_equal(RUN(0x0f, 0xae, 0x2b), -1);
        store64(operand + bad[n].at, bad[n].value);
        assert_int_equal(RUN(0x0f, 0xae, 0x2b), X86_GP);
    }
    /* Compacted: XSTATE_BV inside XCOMP_BV. */
    start(X86_MODE64);
    set_mask(7);
    store64(operand + BV, 3);
    store64(operand + COMP, BIT(63) | 1);
    assert_int_equal(RUN(0x0f, 0xae, 0x2b), X86_GP);
}

static void test_eight_registers_in_32_bit_mode(void **state)
{
    start(X86_MODE32);
    u8 *x = rig_cpu.s.xsave;
    memset(operand, 0xee, 512);
    memset(x + XMM, 0x11, 256);
    assert_int_equal(RUN(0x0f, 0xae, 0x03), -1); /* fxsave */
    assert_int_equal(load32(operand + XMM + 7 * 16), 0x11111111);
    assert_int_equal(load32(operand + XMM + 8 * 16), 0xeeeeeeee);
    memset(operand + XMM, 0x22, 256);
    assert_int_equal(RUN(0x0f, 0xae, 0x0b), -1); /* fxrstor */
    assert_int_equal(load32(x + XMM + 7 * 16), 0x22222222);
    assert_int_equal(load32(x + XMM + 8 * 16), 0x11111111);
}

/* --- the saved state --- */

static void test_hostile_state(void **state)
{
    start(X86_MODE64);
    u8 *x = rig_cpu.s.xsave;
    memset(x, 0xff, X86_XSAVE_SIZE);
    assert_int_equal(RUN(0x0f, 0x57, 0xc0), -1); /* xorps xmm0, xmm0 */
    assert_int_equal(load64(x + BV) & ~rig_model.xcr0_allowed, 0);
    assert_int_equal(load64(x + COMP), 0);
    assert_int_equal(load32(x + MXCSR) & ~0xffff, 0);
    assert_int_equal(load64(x + XMM), 0);
}

static void test_initial_components(void **state)
{
    start(X86_MODE64);
    u8 *x = rig_cpu.s.xsave;
    memset(x, 0x99, 512);
    store32(x + MXCSR, 0x1f80);
    store64(x + BV, 0);                          /* all initial, whatever the bytes say */
    assert_int_equal(RUN(0x0f, 0x28, 0xc8), -1); /* movaps xmm1, xmm0 */
    assert_int_equal(load64(x + XMM), 0);
    assert_int_equal(load16(x + FCW), 0x37f);
    assert_int_equal(load64(x + FIP), 0);
}

static void test_release_gives_host_defaults(void **state)
{
    u32 mxcsr;
    u16 fcw;
    start(X86_MODE64);
    store16(rig_cpu.s.xsave + FCW, 0xc7f);
    store32(rig_cpu.s.xsave + MXCSR, 0xff80);
    assert_int_equal(RUN(0x0f, 0x57, 0xc0), -1);
    __asm__("stmxcsr %0; fnstcw %1" : "=m"(mxcsr), "=m"(fcw));
    assert_int_equal(mxcsr & ~0x3f, 0x1f80);
    assert_int_equal(fcw, 0x37f);
    assert_int_equal(load16(rig_cpu.s.xsave + FCW), 0xc7f);
    assert_int_equal(load32(rig_cpu.s.xsave + MXCSR), 0xff80);
}

/* Two processors make and run the same stubs at once. */
static void *add_many(void *context)
{
    struct x86_cpu *cpu = context;
    const struct x86_decode_config cfg = {.mode = X86_MODE64, .vendor = rig_model.vendor};
    for (unsigned n = 0; n < 20000; n++) {
        /* pextrw r32, xmm, imm8 */
        const u8 code[16] = {0x66, (u8)(0x40 | (n >> 9 & 4)), 0x0f,
                             0xc5, (u8)(0xc1 | (n & 7) << 3), (u8)(n >> 3)};
        struct x86_insn i;
        if (x86_decode(&i, code, 15, cfg) != X86_DECODE_OK)
            return NULL;
        i.exec = x86_bind_vector(cpu, &i, code);
        if (!i.exec || i.exec(cpu, &i) != X86_OK || cpu->s.gpr[i.reg] != 0x1100 + (n >> 3 & 7))
            return NULL;
    }
    x86_vector_release(cpu);
    return cpu;
}

static struct x86_cpu second;
static void *second_done;

static void *add_many_and_tell(void *context)
{
    second_done = add_many(context);
    return NULL;
}

static void test_two_processors(void **state)
{
    struct os_thread *t;
    start(X86_MODE64);
    for (unsigned n = 0; n < 8; n++)
        store16(rig_cpu.s.xsave + XMM + 16 + 2 * n, (u16)(0x1100 + n));
    memcpy(&second, &rig_cpu, sizeof second);
    assert_int_equal(os_thread_create(&t, "second", add_many_and_tell, &second, NULL), 0);
    void *first_done = add_many(&rig_cpu);
    os_thread_join(t);
    assert_ptr_equal(first_done, &rig_cpu);
    assert_ptr_equal(second_done, &second);
}

/* More instructions than code memory holds: the rest still runs. */
static void test_full_code_memory(void **state)
{
    start(X86_MODE64);
    if (!has(X86_FEATURE_AVX))
        skip();
    /* vblendps xmm a, xmm b, xmm c, imm8 */
    for (unsigned n = 0; n < 160000; n++) {
        const u8 code[16] = {
            0xc4, 0xe3, (u8)(0x01 | (n >> 8 & 15) << 3), 0x0c, (u8)(0xc0 | (n >> 12 & 63)), (u8)n};
        assert_int_equal(rig_decode(code, 15), 0);
    }
    u8 *x = rig_cpu.s.xsave;
    for (unsigned n = 0; n < 4; n++) {
        store32(x + XMM + 16 + 4 * n, 0x10 + n);
        store32(x + XMM + 32 + 4 * n, 0x20 + n);
    }
    /* New ones, and with a memory operand. */
    assert_int_equal(RUN(0xc4, 0xe3, 0x71, 0x0c, 0xc2, 0xa5), -1);
    assert_int_equal(load32(x + XMM), 0x20);
    assert_int_equal(load32(x + XMM + 4), 0x11);
    assert_int_equal(load32(x + XMM + 8), 0x22);
    assert_int_equal(load32(x + XMM + 12), 0x13);
    store32(operand, 0x1234);
    for (unsigned imm = 0x10; imm < 0x100; imm += 0x10) {
        assert_int_equal(RUN(0xc4, 0xe3, 0x71, 0x0c, 0x03, (u8)(imm | 1)), -1);
        assert_int_equal(load32(x + XMM), 0x1234);
        assert_int_equal(load32(x + XMM + 4), 0x11);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gates),
        cmocka_unit_test(test_vex_in_real_mode),
        cmocka_unit_test(test_hidden_feature),
        cmocka_unit_test(test_pending_x87),
        cmocka_unit_test(test_store_suppressed),
        cmocka_unit_test(test_store_fault_does_not_pop),
        cmocka_unit_test(test_pointers),
        cmocka_unit_test(test_pointers_with_selectors),
        cmocka_unit_test(test_fnsave),
        cmocka_unit_test(test_simd_exception),
        cmocka_unit_test(test_general_registers_survive_exception),
        cmocka_unit_test(test_alignment),
        cmocka_unit_test(test_xsave_parts),
        cmocka_unit_test(test_xsavec_and_xrstor),
        cmocka_unit_test(test_xrstor_checks),
        cmocka_unit_test(test_eight_registers_in_32_bit_mode),
        cmocka_unit_test(test_hostile_state),
        cmocka_unit_test(test_initial_components),
        cmocka_unit_test(test_release_gives_host_defaults),
        cmocka_unit_test(test_two_processors),
        cmocka_unit_test(test_full_code_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
