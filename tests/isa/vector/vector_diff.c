/* SPDX-License-Identifier: BSD-2-Clause */
/* Every vector and x87 instruction form against the host's own processor: random encodings on
 * random registers, control words and memory, run natively and by the engine, and compared in all
 * that is architecturally defined, faults included.
 *
 *   vector_diff [CASES [SEED [32]]]
 *
 * With 32 the engine runs in compatibility mode, on encodings that mean the same in 64-bit mode,
 * where the host runs them; bits that 32-bit mode ignores are random for the engine only.
 */
#include "base/bits.h"
#include "vector_native.h"
#include "vector_rig.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    FCW = 0,
    FSW = 2,
    FTW = 4,
    FOP = 6,
    FIP = 8,
    MXCSR = 24,
    MXCSR_MASK = 28,
    ST = 32,
    XMM = 160,
    HEADER = 512,
};

/* Sanitizer run-time functions, called where an exception is raised and where a function has large
 * arrays on its stack, use the registers of the guest: they can't be compared then. */
#define SANITIZED BUILT_WITH_SANITIZER

static struct native_state in, native, engine;
static unsigned covered[X86_FORM_COUNT];
static bool compat;

/* --- random encodings --- */

static unsigned rnd(unsigned n)
{
    return (unsigned)(rig_random() >> 20) % n;
}

static u8 *put_operands(u8 *p, bool vsib)
{
    unsigned mod = rnd(2) ? 3 : rnd(3);
    u8 reg = (u8)rnd(8);
    if (vsib) {
        mod %= 3;
        *p++ = (u8)(mod << 6 | reg << 3 | 4);
        *p++ = (u8)(rnd(4) << 6 | rnd(8) << 3 | 3);
    } else {
        *p++ = (u8)(mod << 6 | reg << 3 | (mod == 3 ? rnd(8) : 3));
    }
    for (unsigned n = 0; n < 6; n++)
        *p++ = (u8)rig_random();
    return p;
}

static bool is_vsib(unsigned map, unsigned opcode)
{
    return map == 2 && ((opcode >= 0x90 && opcode <= 0x93) || (opcode >= 0xa0 && opcode <= 0xa3));
}

static void make_legacy(u8 *p)
{
    static const u8 prefix[] = {0x66, 0xf3, 0xf2};
    unsigned map = rnd(10) < 6 ? 1 : rnd(3) ? 2 : 3;
    if (rnd(4))
        *p++ = prefix[rnd(3)];
    if (!rnd(3) && !compat)
        *p++ = (u8)(0x40 | rnd(16));
    *p++ = 0x0f;
    if (map > 1)
        *p++ = map == 2 ? 0x38 : 0x3a;
    *p++ = (u8)rig_random();
    put_operands(p, false);
}

static void make_vex(u8 *p)
{
    unsigned map = 1 + rnd(3);
    u8 opcode = (u8)rig_random();
    *p++ = 0xc4;
    *p++ = (u8)((compat ? 0xe0 : rig_random() & 0xe0) | map);
    /* Half of the forms have no vvvv: all ones then. */
    *p++ = (u8)(rig_random() | (rnd(2) ? 0x78 : 0) | (compat ? 0x40 : 0));
    *p++ = opcode;
    put_operands(p, is_vsib(map, opcode));
}

static void make_evex(u8 *p)
{
    unsigned map = 1 + rnd(3);
    u8 opcode = (u8)rig_random(), last = (u8)rig_random();
    bool no_vvvv = rnd(2);
    *p++ = 0x62;
    *p++ = (u8)((compat ? 0xf0 : rig_random() & 0xf0) | map);
    *p++ = (u8)(rig_random() | 4 | (no_vvvv ? 0x78 : 0) | (compat ? 0x40 : 0));
    if (no_vvvv || compat)
        last |= 8;
    if (rnd(2))
        last &= 0x6f; /* neither zeroing nor broadcast */
    if (rnd(3) == 0)
        last &= 0x78; /* no mask */
    *p++ = last;
    *p++ = opcode;
    put_operands(p, is_vsib(map, opcode));
}

static void make_x87(u8 *p)
{
    if (!rnd(8))
        *p++ = 0x66;
    *p++ = rnd(20) ? (u8)(0xd8 + rnd(8)) : 0x9b;
    put_operands(p, false);
}

/* --- random state --- */

static u64 special64(void)
{
    static const u64 v[] = {
        0,
        0x8000000000000000,
        0x3ff0000000000000,
        0xbff0000000000000,
        0x7ff0000000000000,
        0xfff0000000000000,
        0x7ff8000000000001,
        0x7ff0000000000001,
        0xfff7ffffffffffff,
        0x0000000000000001,
        0x000fffffffffffff,
        0x8008000000000000,
        0x0010000000000000,
        0x7fefffffffffffff,
        0x43e0000000000000,
        0x41dfffffffc00000,
        0xc1e0000000200000,
        0x3fe0000000000000,
        0x4330000000000001,
        0x36a0000000000000,
        0x47efffffe0000000,
    };
    return v[rnd(ARRAY_LEN(v))];
}

static u32 special32(void)
{
    static const u32 v[] = {
        0,          0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000, 0x7fc00001,
        0x7f800001, 0xffbfffff, 0x00000001, 0x007fffff, 0x80400000, 0x00800000, 0x7f7fffff,
        0x4f000000, 0x5f000000, 0x3f000000, 0x4b000001, 0x33800000, 0x477fe000, 0x38800000,
    };
    return v[rnd(ARRAY_LEN(v))];
}

static void fill(u8 *p, unsigned n)
{
    unsigned kind = rnd(6);
    for (unsigned k = 0; k < n; k += 8) {
        u64 v = rig_random();
        if (kind == 1)
            v = special64();
        else if (kind == 2)
            v = special32() | (u64)special32() << 32;
        else if (kind == 3 && rnd(2))
            v = special64() ^ (v & 3);
        else if (kind == 4)
            v &= 0x0101010101010101 * (u64)rnd(256);
        memcpy(p + k, &v, 8);
    }
}

static void random_st(u8 *p)
{
    u64 m = rig_random();
    u16 e = (u16)rig_random();
    switch (rnd(8)) {
    case 0:
        e &= 0x8000;
        m = 0;
        break; /* zero */
    case 1:
        e |= 0x7fff;
        m = rnd(2) ? BIT(63) : m | BIT(63);
        break;                  /* infinity, NaN */
    case 2: e &= 0x8000; break; /* denormal */
    case 3:
        e = (u16)(0x3fff + rnd(70));
        m |= BIT(63);
        break;
    case 4:
        e = (u16)(0xbfff - rnd(4));
        m = (m & ~mask_low(40)) | BIT(63);
        break;
    case 5: break; /* unsupported encodings among them */
    default: m |= BIT(63); break;
    }
    memcpy(p, &m, 8);
    memcpy(p + 8, &e, 2);
}

static void random_state(void)
{
    u8 *x = in.xsave;
    const u64 mask = rig_model.xcr0_allowed;

    memset(x, 0, sizeof in.xsave);
    store16(x + FCW, (u16)(0x37f & ~(0x300 * rnd(2))) | (u16)(rnd(4) << 10));
    if (!rnd(6))
        store16(x + FCW, load16(x + FCW) & ~(1 << rnd(6)) & ~(rnd(2) << rnd(6)));
    u16 flags = rnd(3) ? 0 : (u16)rnd(0x80);
    u16 fsw = (u16)(rnd(8) << 11 | (rig_random() & 0x4700) | flags);
    if (fsw & ~load16(x + FCW) & 0x3f)
        fsw |= 0x8080; /* ES and B */
    store16(x + FSW, fsw);
    x[FTW] = rnd(3) ? 0xff : (u8)rig_random();
    u32 mxcsr = 0x1f80 | (u32)(rnd(4) << 13) | (rnd(4) ? 0 : 0x8000) | (rnd(4) ? 0 : 0x40);
    if (!rnd(3))
        mxcsr |= rnd(64);
    if (!rnd(6))
        mxcsr &= ~(0x80u << rnd(6)) & ~(rnd(2) << (7 + rnd(6)));
    store32(x + MXCSR, mxcsr);
    for (unsigned n = 0; n < 8; n++) {
        if (rnd(4))
            random_st(x + ST + 16 * n);
        else
            fill(x + ST + 16 * n, 8), store16(x + ST + 16 * n + 8, 0xffff);
    }
    for (unsigned n = 0; n < 16; n++)
        fill(x + XMM + 16 * n, 16);
    for (unsigned n = 576; n < rig_model.xsave_size; n += 32)
        fill(x + n, 32);
    store64(x + HEADER, mask);
    for (unsigned n = 0; n < 16; n++)
        in.gpr[n] = (rnd(3) ? rig_random() : special64()) & (compat ? 0xffffffff : ~(u64)0);
    in.rflags = X86_FLAG1 | X86_IF | (rig_random() & X86_STATUS_FLAGS);
}

/* --- the memory operand --- */

static u64 choose_address(unsigned bytes)
{
    switch (rnd(12)) {
    case 0: return RIG_BASE + 2 * 4096 - rnd(bytes + 1);        /* across two pages */
    case 1: return RIG_BASE + RIG_HOLE * 4096 - rnd(bytes + 1); /* into the hole */
    case 2: return RIG_BASE + RIG_MMIO * 4096 + rnd(32) * 64;
    case 3: return RIG_BASE + (RIG_HOLE + 1) * 4096 - rnd(bytes + 1); /* out of the hole */
    case 4: return RIG_BASE + 4096 + rnd(2048);
    default: return RIG_BASE + 4096 + rnd(16) * 64;
    }
}

/* Where 16 bytes of a vector register are in the XSAVE area; XMM when it has no such part. */
static unsigned vector_offset(unsigned reg, unsigned piece)
{
    if (reg >= 16)
        return rig_model.xsave[7].offset + 64 * (reg - 16) + 16 * piece;
    if (piece == 1)
        return rig_model.xsave[2].offset + 16 * reg;
    if (piece >= 2 && rig_model.xsave[6].size)
        return rig_model.xsave[6].offset + 32 * reg + 16 * (piece - 2);
    return XMM + 16 * reg;
}

static void vsib_registers(const struct x86_insn *i)
{
    /* Indices that stay inside the mapped range, some in the hole. */
    bool wide = i->opcode & 1;
    for (unsigned piece = 0; piece < 4; piece++) {
        u8 *p = in.xsave + vector_offset(i->index, piece);
        for (unsigned n = 0; n < 16; n += wide ? 8 : 4) {
            i64 v = (i64)rnd(2000) - 1000;
            memcpy(p + n, &v, wide ? 8 : 4);
        }
    }
}

/* Gives the base register a value that puts the operand where it is wanted. */
static bool place_operand(const struct x86_insn *i, unsigned bytes)
{
    const struct x86_form *f = &x86_forms[i->form];
    bool mdi = f->opnd[2].kind == X86_OPND_MDI;
    u64 target = choose_address(bytes), wrap = compat ? 0xffffffff : ~(u64)0;

    if (mdi) {
        in.gpr[X86_RDI] = target;
        return true;
    }
    if (!(i->flags & X86_I_MEM))
        return true;
    if (i->base >= 16 || (i->index != X86_NO_REG && !is_vsib(i->map, i->opcode)))
        return false;
    if (compat && target - (u64)(i64)i->disp > 0xf0000000)
        return false; /* 32-bit addresses wrap */
    if (i->index != X86_NO_REG) {
        vsib_registers(i);
        target = RIG_BASE + (RIG_HOLE - (rnd(4) ? 4 : 1)) * 4096 - rnd(512);
        in.gpr[i->base] = (target - (u64)(i64)i->disp) & wrap;
        return true;
    }
    in.gpr[i->base] = (target - (u64)(i64)i->disp) & wrap;
    return true;
}

/* --- comparison --- */

/* The native copy of memory becomes the guest's. */
static void copy_memory(void)
{
    for (unsigned n = 0; n < RIG_PAGES; n++)
        if (n != RIG_HOLE)
            memcpy((u8 *)(uintptr_t)RIG_BASE + n * 4096, rig_memory + n * 4096, 4096);
}

/* Bytes that the pointers occupy in what these instructions store: not compared here. */
static void blank_pointers(const struct x86_insn *i, u8 *memory)
{
    u64 ea = (u32)(in.gpr[i->base < 16 ? i->base : 0] + (u64)(i64)i->disp) - RIG_BASE;
    unsigned from = 0, to = 0;
    if (ea >= RIG_SIZE - 1024)
        return;
    switch (i->op) {
    case X86_OP_FNSTENV:
    case X86_OP_FNSAVE:
        from = i->osz == 2 ? 6 : 12;
        to = i->osz == 2 ? 14 : 28;
        break;
    case X86_OP_FXSAVE:
    case X86_OP_XSAVE:
    case X86_OP_XSAVEC:
    case X86_OP_XSAVEOPT:
        memset(memory + ea + 6, 0, 18);
        memset(memory + ea + 28, 0, 4);
        from = 416;
        to = 512;
        break;
    default: return;
    }
    memset(memory + ea + from, 0, to - from);
}

static void dump(const char *what, const struct native_state *s)
{
    fprintf(stderr, "%s: fcw %04x fsw %04x ftw %02x mxcsr %04x flags %03lx bv %lx\n", what,
            load16(s->xsave + FCW), load16(s->xsave + FSW), s->xsave[FTW], load32(s->xsave + MXCSR),
            (unsigned long)(s->rflags & X86_STATUS_FLAGS),
            (unsigned long)load64(s->xsave + HEADER));
}

static int report(const char *what, const u8 *code, int fn, int fe)
{
    fprintf(stderr, "DIFFERS in %s: %s [", what, x86_forms[rig_insn.form].name);
    for (unsigned n = 0; n < rig_insn.len; n++)
        fprintf(stderr, "%02x", code[n]);
    fprintf(stderr, "] exception native %d engine %d\n", fn, fe);
    dump("  before", &in);
    dump("  native", &native);
    dump("  engine", &engine);
    return 1;
}

static bool uses_mmx(const struct x86_form *f)
{
    for (int n = 0; n < X86_OPND_MAX; n++)
        if (f->opnd[n].kind >= X86_OPND_P && f->opnd[n].kind <= X86_OPND_N)
            return true;
    return false;
}

/* An interrupted gather leaves the destination beyond its elements as it was, or clears it. */
static void ignore_upper(const struct x86_insn *i)
{
    unsigned element = i->flags & X86_I_W ? 8 : 4, index = i->opcode & 1 ? 8 : 4;
    unsigned used = i->vl / MAX(element, index) * element;
    for (unsigned n = used; n < 64; n++) {
        unsigned at = vector_offset(i->reg, n / 16) + n % 16;
        if (at >= XMM + 256 || n < 16)
            native.xsave[at] = engine.xsave[at];
    }
}

static int compare_state(const u8 *code, int fn, int fe)
{
    const struct x86_form *f = &x86_forms[rig_insn.form];
    char text[64];
    u64 defined = X86_STATUS_FLAGS & ~(u64)f->flags_undefined;

    /* A byte that is not selected may or may not fault [SDM2 MASKMOVDQU]. */
    bool may_fault = f->opnd[2].kind == X86_OPND_MDI && fn == X86_PF_FAULT && fe < 0;
    if (may_fault)
        return copy_memory(), 0;
    if (fn != fe)
        return report("exception", code, fn, fe);
    if (SANITIZED && (fn >= 0 || rig_insn.op == X86_OP_FXRSTOR || rig_insn.op == X86_OP_XRSTOR))
        return copy_memory(), 0;
    for (unsigned n = 0; n < 16; n++)
        if (native.gpr[n] != engine.gpr[n]) {
            snprintf(text, sizeof text, "gpr %u: %lx, engine %lx", n, (unsigned long)native.gpr[n],
                     (unsigned long)engine.gpr[n]);
            return report(text, code, fn, fe);
        }
    if ((native.rflags ^ engine.rflags) & defined)
        return report("flags", code, fn, fe);
    /* This host goes to MMX state even when the instruction then faults. */
    bool mmx_fault = fn >= 0 && uses_mmx(f);
    if (!mmx_fault && memcmp(native.xsave, engine.xsave, 5))
        return report("x87 control", code, fn, fe);
    if (fn == X86_PF_FAULT && is_vsib(rig_insn.map, rig_insn.opcode) && rig_insn.opcode < 0xa0)
        ignore_upper(&rig_insn);
    u32 mn = load32(native.xsave + MXCSR), me = load32(engine.xsave + MXCSR);
    if (fn == X86_XM && (mn & ~mn >> 7 & 0x18))
        me = (me & ~0x20u) | (mn & 0x20); /* PE beside an unmasked OE or UE: vector_strict.c */
    if (mn != me)
        return report("mxcsr", code, fn, fe);
    for (unsigned n = mmx_fault ? XMM : ST; n < rig_model.xsave_size; n++) {
        if (n < XMM && (n & 15) > 9)
            continue;
        if (n == 416)
            n = 576;
        if (native.xsave[n] != engine.xsave[n]) {
            snprintf(text, sizeof text, "state byte %u: in %02x native %02x engine %02x", n,
                     in.xsave[n], native.xsave[n], engine.xsave[n]);
            return report(text, code, fn, fe);
        }
    }
    u8 *mine = rig_memory, *theirs = (u8 *)(uintptr_t)RIG_BASE;
    if (fn >= 0 && rig_insn.op >= X86_OP_XSAVE && rig_insn.op <= X86_OP_XSAVES) {
        copy_memory(); /* how much was written before the fault is undefined */
        return 0;
    }
    if (fn < 0) {
        blank_pointers(&rig_insn, mine);
        blank_pointers(&rig_insn, theirs);
    }
    for (unsigned n = 0; n < RIG_PAGES; n++)
        if (n != RIG_HOLE && memcmp(mine + n * 4096, theirs + n * 4096, 4096)) {
            unsigned k = 0;
            while (mine[n * 4096 + k] == theirs[n * 4096 + k])
                k++;
            snprintf(text, sizeof text, "memory %u+%u: %02x, engine %02x", n, k,
                     theirs[n * 4096 + k], mine[n * 4096 + k]);
            return report(text, code, fn, fe);
        }
    return 0;
}

/* Not compared, each with its reason. */
static bool excluded(const struct x86_insn *i)
{
    switch (i->op) {
    case X86_OP_SHA1NEXTE:
    case X86_OP_SHA1MSG1:
    case X86_OP_SHA1MSG2:
    case X86_OP_SHA1RNDS4:
    case X86_OP_SHA256RNDS2:
    case X86_OP_SHA256MSG1:
    case X86_OP_SHA256MSG2:
        /* AMD accepts unaligned operands; the engine raises #GP as SDM2 2.4 has it. */
        return (i->flags & X86_I_MEM) && (in.gpr[i->base] + (u64)(i64)i->disp) % 16;
    case X86_OP_XSAVES:
    case X86_OP_XRSTORS: /* privileged */ return true;
    case X86_OP_CVTPI2PS:
    case X86_OP_CVTPI2PD:
        /* Whether a memory operand waits for x87 exceptions differs between processors. */
        return (i->flags & X86_I_MEM) && (load16(in.xsave + FSW) & 0x80);
    case X86_OP_DPPS:
    case X86_OP_DPPD:
    case X86_OP_VDPPS:
    case X86_OP_VDPPD:
        /* Several operations in one: which of them sees an unmasked exception first is not told. */
        return (~load32(in.xsave + MXCSR) & 0x1f80) != 0;
    case X86_OP_VCVTPS2PH: /* exact tiny results with UM clear: vector_strict.c */
        return !(load32(in.xsave + MXCSR) & 0x800);
    case X86_OP_FXSAVE:
    case X86_OP_FXRSTOR:
    case X86_OP_XSAVE:
    case X86_OP_XSAVEC:
    case X86_OP_XSAVEOPT:
    case X86_OP_XRSTOR: return compat; /* eight registers instead of sixteen */
    default: return false;
    }
}

/* Which registers VZEROALL clears and how wide the lengths of VPCMPESTRI are depends on the mode:
 * tests/isa/native runs those in 32-bit code. */
static bool depends_on_mode(const struct x86_insn *i)
{
    return i->op == X86_OP_VZEROALL || i->op == X86_OP_VZEROUPPER || i->op == X86_OP_VPCMPESTRI ||
           i->op == X86_OP_VPCMPESTRM;
}

static bool shown(const struct x86_insn *i)
{
    const struct x86_form *f = &x86_forms[i->form];
    return !(compat && depends_on_mode(i)) &&
           (!f->feature || x86_model_has(&rig_model, f->feature)) &&
           (!f->feature2 || x86_model_has(&rig_model, f->feature2));
}

static bool is_vector_form(const struct x86_form *f)
{
    if (f->feature == X86_FEATURE_X87)
        return true;
    for (int n = 0; n < X86_OPND_MAX; n++) {
        u8 kind = f->opnd[n].kind;
        if (kind >= X86_OPND_V && kind <= X86_OPND_KH)
            return true;
    }
    return false;
}

/* Forms that this host has and no case met. */
static unsigned count_missed(void)
{
    unsigned missed = 0;
    for (unsigned n = 1; n < X86_FORM_COUNT; n++) {
        const struct x86_form *f = &x86_forms[n];
        rig_insn.form = (u16)n;
        rig_insn.op = f->op;
        if (covered[n] || !is_vector_form(f) || !shown(&rig_insn))
            continue;
        printf("missed: %s (form %u)\n", f->name, n);
        missed++;
    }
    return missed;
}

static void fill_operand(const struct x86_insn *i)
{
    static u8 random[4096];
    fill(random, sizeof random);
    u64 at = i->base < 16 ? (u32)(in.gpr[i->base] + (u64)(i64)i->disp) : in.gpr[X86_RDI];
    if (at < RIG_BASE || at >= RIG_BASE + RIG_SIZE)
        return;
    unsigned first = (unsigned)((at - RIG_BASE) >> 12);
    for (unsigned n = first; n <= first + 1 && n < RIG_PAGES; n++) {
        if (n == RIG_HOLE)
            continue;
        fill(random, 512);
        memcpy(rig_memory + n * 4096, random, 4096);
        memcpy(rig_memory + n * 4096 + 4096 - 512, random, 512);
        memcpy((u8 *)(uintptr_t)RIG_BASE + n * 4096, rig_memory + n * 4096, 4096);
    }
    /* AMD's MXCSR.MM (bit 17) is not offered to guests. */
    if ((i->op == X86_OP_LDMXCSR || i->op == X86_OP_VLDMXCSR) && at < RIG_BASE + RIG_SIZE - 4) {
        u32 keep = rnd(2) ? 0xffff : ~0x20000u;
        u8 *p[2] = {rig_memory + (at - RIG_BASE), (u8 *)(uintptr_t)at};
        for (unsigned n = 0; n < 2 && (at + 3 - RIG_BASE) >> 12 != RIG_HOLE && first != RIG_HOLE;
             n++)
            store32(p[n], load32(p[n]) & keep);
    }
    if (i->op == X86_OP_XRSTOR || i->op == X86_OP_FXRSTOR) {
        u64 off = at - RIG_BASE;
        u64 header[8] = {rig_random() & rig_model.xcr0_allowed};
        if (rnd(2))
            header[1] = BIT(63) | header[0] | (rig_random() & rig_model.xcr0_allowed);
        if (!rnd(8))
            header[rnd(8)] ^= BIT(rnd(64));
        if (off + 1024 > RIG_SIZE || off >> 12 == RIG_HOLE || (off + 1024) >> 12 == RIG_HOLE)
            return;
        memcpy(rig_memory + off + HEADER, header, sizeof header);
        store32(rig_memory + off + MXCSR, rnd(8) ? 0x1f80 | rnd(64) : rnd(0x20000));
        memcpy((u8 *)(uintptr_t)RIG_BASE + off, rig_memory + off, 1024);
    }
}

/* The engine's bytes: in 32-bit mode these bits are ignored, native execution has them clear. */
static void vary_ignored(u8 *code, u8 *engine_code)
{
    const struct x86_form *f = &x86_forms[rig_insn.form];
    u8 *w = &code[2], *vvvv = &engine_code[2];

    memcpy(engine_code, code, 24);
    if (!compat || !(rig_insn.flags & (X86_I_VEX | X86_I_EVEX)))
        return;
    for (int n = 0; n < X86_OPND_MAX; n++) {
        u8 kind = f->opnd[n].kind;
        if (kind == X86_OPND_E || kind == X86_OPND_G || kind == X86_OPND_R || kind == X86_OPND_B)
            *w &= 0x7f;
        if (kind == X86_OPND_L) {
            engine_code[rig_insn.off_imm] ^= (u8)(rnd(2) << 7);
            code[rig_insn.off_imm] &= 0x7f;
        }
        if (kind == X86_OPND_H && (rig_insn.flags & X86_I_VEX))
            *vvvv ^= (u8)(rnd(2) << 6);
    }
}

/* 1 when the case differed, 0 when it agreed, -1 when it was none. */
static int run_case(void)
{
    u8 code[24] = {0}, engine_code[24];
    switch (rnd(8)) {
    case 0: make_x87(code); break;
    case 1:
    case 2: make_legacy(code); break;
    case 3:
    case 4: make_vex(code); break;
    default: make_evex(code); break;
    }
    if (rig_decode(code, 15) || !shown(&rig_insn))
        return -1;
    vary_ignored(code, engine_code);
    random_state();
    int m = -1;
    for (int n = 0; n < X86_OPND_MAX; n++)
        if (x86_forms[rig_insn.form].opnd[n].kind == X86_OPND_M)
            m = n;
    if (!place_operand(&rig_insn, m >= 0 ? MAX(x86_opnd_bytes(&rig_insn, (unsigned)m), 1u) : 64))
        return -1;
    if (excluded(&rig_insn))
        return -1;
    if ((rig_insn.flags & X86_I_MEM) || x86_forms[rig_insn.form].opnd[2].kind == X86_OPND_MDI)
        fill_operand(&rig_insn);

    int fn = native_run(code, rig_insn.len, &in, &native);
    memcpy(rig_cpu.s.xsave, in.xsave, sizeof in.xsave);
    memcpy(rig_cpu.s.gpr, in.gpr, sizeof in.gpr);
    rig_cpu.s.rflags = in.rflags;
    int fe = rig_run(engine_code, rig_insn.len, native_address());
    memcpy(engine.xsave, rig_cpu.s.xsave, sizeof engine.xsave);
    memcpy(engine.gpr, rig_cpu.s.gpr, sizeof engine.gpr);
    engine.rflags = rig_cpu.s.rflags;
    covered[rig_insn.form]++;
    int r = compare_state(code, fn, fe);
    if (r) /* the next case starts equal */
        copy_memory();
    return r;
}

/* The processor runs with any stack pointer while nothing uses it; some virtual machines without
 * its help cannot come back from an interrupt to such code. */
static bool host_keeps_any_stack_pointer(void)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        u64 sp, loops = 500000000; /* many interrupts */
        signal(SIGSEGV, SIG_DFL);
        __asm__ volatile("mov %%rsp, %0; mov %2, %%rsp; 1: dec %1; jnz 1b; mov %0, %%rsp"
                         : "=&r"(sp), "+r"(loops)
                         : "r"(0x3c1bd207154524d4)
                         : "cc");
        _exit(0);
    }
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

int main(int argc, char **argv)
{
    unsigned long cases = argc > 1 ? strtoul(argv[1], NULL, 0) : 100000, differ = 0;
    rig_seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 0x9e3779b97f4a7c15;
    printf("seed %#lx\n", (unsigned long)rig_seed);
    compat = argc > 3 && !strcmp(argv[3], "32");
    rig_init(compat ? X86_MODE32 : X86_MODE64);
    if (native_init(rig_model.xcr0_allowed, rig_model.xsave_size) < 0 || rig_map_native() < 0) {
        puts("skipped: no executable or no fixed memory on this host");
        return 77;
    }
    if (!compat && !host_keeps_any_stack_pointer()) {
        puts("skipped: this host's kernel ends programs whose stack pointer is no address");
        return 77;
    }
    for (unsigned long n = 0; n < cases;) {
        int r = run_case();
        if (r < 0)
            continue;
        n++;
        differ += (unsigned long)r;
        if (differ == 20)
            break;
    }
    unsigned forms = 0;
    for (unsigned n = 0; n < X86_FORM_COUNT; n++)
        forms += covered[n] != 0;
    unsigned missed = cases >= 2000000 && !compat ? count_missed() : 0;
    printf("%lu cases, %u forms, %u missed, %lu differ\n", cases, forms, missed, differ);
    return differ != 0 || missed != 0;
}
