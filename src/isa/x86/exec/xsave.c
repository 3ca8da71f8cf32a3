/* SPDX-License-Identifier: BSD-2-Clause */
/* FXSAVE, FXRSTOR and the XSAVE family, LDMXCSR and STMXCSR: from and to the saved image, whose
 * format is the one of memory, so the guest's XCR0 and the requested mask choose pieces of it.
 * [SDM1 10.5, 13.5 to 13.12] */
#include "isa/x86/exec/vector.h"

#define COMPACTED BIT(63)
enum { FCW_INITIAL = 0x37f, MXCSR_INITIAL = 0x1f80 };

/* --- the legacy region --- */

/* FIP and FDP in the 32-bit format have a selector above them, which in 64-bit mode is not kept. */
static u64 pointer_format(const struct x86_cpu *cpu, const struct x86_insn *insn, u64 pointer)
{
    return cpu->mode == X86_MODE64 && !(insn->flags & X86_I_W) ? (u32)pointer : pointer;
}

/* Bytes of a component that the current mode can reach: eight registers outside 64-bit mode. */
static unsigned reachable(const struct x86_cpu *cpu, unsigned component)
{
    unsigned size = x86_xsave_layout()->size[component];
    if (cpu->mode == X86_MODE64)
        return size;
    switch (component) {
    case X86_XC_SSE:
    case X86_XC_AVX:
    case X86_XC_ZMM_HI256: return size / 2;
    case X86_XC_HI16_ZMM: return 0;
    default: return size;
    }
}

/* The x87 part of the image with pointers in this instruction's format. */
static void put_x87(const struct x86_cpu *cpu, const struct x86_insn *insn, u8 out[X86_FX_XMM])
{
    const u8 *area = cpu->s.xsave;
    mem_copy(out, area, X86_FX_XMM);
    store64(out + X86_FX_FIP, pointer_format(cpu, insn, load64(area + X86_FX_FIP)));
    store64(out + X86_FX_FDP, pointer_format(cpu, insn, load64(area + X86_FX_FDP)));
    store32(out + X86_FX_MXCSR_MASK, X86_MXCSR_VALID);
}

/* All but MXCSR and its mask. */
static void get_x87(struct x86_cpu *cpu, const struct x86_insn *insn, const u8 in[X86_FX_XMM])
{
    u8 *area = cpu->s.xsave;
    mem_copy(area, in, X86_FX_MXCSR);
    mem_copy(area + X86_FX_ST, in + X86_FX_ST, X86_FX_XMM - X86_FX_ST);
    area[X86_FX_FTW + 1] = 0;
    store64(area + X86_FX_FIP, pointer_format(cpu, insn, load64(in + X86_FX_FIP)));
    store64(area + X86_FX_FDP, pointer_format(cpu, insn, load64(in + X86_FX_FDP)));
}

static void set_present(struct x86_cpu *cpu, u64 components)
{
    u8 *bv = cpu->s.xsave + X86_XSAVE_BV;
    store64(bv, load64(bv) | (components & x86_vector_components(cpu)));
}

/* Address checks that all share: r is X86_OK when [off, off+size) is aligned. */
static int aligned(struct x86_cpu *cpu, const struct x86_insn *insn, u64 off, unsigned align,
                   enum x86_access access)
{
    u64 lin;
    int r = x86_linear(cpu, insn->seg, off, align, access, &lin);
    if (r)
        return r;
    return lin & (align - 1) ? x86_gp0(cpu) : X86_OK;
}

static int exec_fxsave(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    u64 off = x86_effective(cpu, insn);
    u8 out[X86_FX_XMM + 256];
    unsigned size = X86_FX_XMM + reachable(cpu, X86_XC_SSE);

    int r = x86_vector_enter(cpu, X86_GATE_FXSR, false);
    if (r == X86_OK)
        r = aligned(cpu, insn, off, 16, X86_WRITE);
    if (r)
        return r;
    x86_vector_image(cpu);
    put_x87(cpu, insn, out);
    mem_copy(out + X86_FX_XMM, cpu->s.xsave + X86_FX_XMM, size - X86_FX_XMM);
    return x86_store_bytes(cpu, insn->seg, off, out, size);
}

static int exec_fxrstor(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    u64 off = x86_effective(cpu, insn);
    u8 in[X86_XSAVE_LEGACY];

    int r = x86_vector_enter(cpu, X86_GATE_FXSR, false);
    if (r == X86_OK)
        r = aligned(cpu, insn, off, 16, X86_READ);
    if (r == X86_OK)
        r = x86_load_bytes(cpu, insn->seg, off, in, sizeof in);
    if (r)
        return r;
    if (load32(in + X86_FX_MXCSR) & ~(u32)X86_MXCSR_VALID)
        return x86_gp0(cpu);
    x86_vector_image(cpu);
    get_x87(cpu, insn, in);
    store32(cpu->s.xsave + X86_FX_MXCSR, load32(in + X86_FX_MXCSR));
    mem_copy(cpu->s.xsave + X86_FX_XMM, in + X86_FX_XMM, reachable(cpu, X86_XC_SSE));
    set_present(cpu, BIT(X86_XC_X87) | BIT(X86_XC_SSE));
    x86_vector_acquire(cpu); /* the host normalises reserved bits */
    return X86_OK;
}

/* --- XSAVE --- */

/* XSAVES and XRSTORS are the system's. */
static int enter_xsave(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    int r = x86_vector_enter(cpu, X86_GATE_XSAVE, false);
    if (r == X86_OK && cpu->cpl != 0 && (x86_forms[insn->form].flags & X86_F_PRIV))
        return x86_gp0(cpu);
    return r;
}

/* Components to act on: those the guest enabled and EDX:EAX asks for. No supervisor component is
 * offered, so IA32_XSS adds nothing. */
static u64 requested(const struct x86_cpu *cpu)
{
    return cpu->s.xcr0 & ((u64)(u32)cpu->s.gpr[X86_RDX] << 32 | (u32)cpu->s.gpr[X86_RAX]) &
           x86_vector_components(cpu);
}

/* Offset of an extended component in memory: fixed, or packed in the compacted format. */
static u64 component_offset(unsigned component, u64 xcomp)
{
    const struct x86_xsave_layout *l = x86_xsave_layout();
    if (!(xcomp & COMPACTED))
        return l->offset[component];
    u64 off = X86_XSAVE_EXTENDED;
    for (unsigned c = X86_XC_AVX; c < component; c++)
        if (xcomp >> c & 1)
            off += l->size[c];
    return off;
}

static int store_component(struct x86_cpu *cpu, const struct x86_insn *insn, u64 off,
                           unsigned component, u64 xcomp)
{
    const u8 *area = cpu->s.xsave;
    u8 x87[X86_FX_XMM];
    int r;

    switch (component) {
    case X86_XC_X87:
        put_x87(cpu, insn, x87);
        r = x86_store_bytes(cpu, insn->seg, off, x87, X86_FX_MXCSR);
        return r ? r
                 : x86_store_bytes(cpu, insn->seg, off + X86_FX_ST, x87 + X86_FX_ST,
                                   X86_FX_XMM - X86_FX_ST);
    case X86_XC_SSE:
        return x86_store_bytes(cpu, insn->seg, off + X86_FX_XMM, area + X86_FX_XMM,
                               reachable(cpu, component));
    default:
        if (!reachable(cpu, component))
            return X86_OK;
        return x86_store_bytes(cpu, insn->seg, off + component_offset(component, xcomp),
                               area + x86_xsave_layout()->offset[component],
                               reachable(cpu, component));
    }
}

static int store_mxcsr(struct x86_cpu *cpu, const struct x86_insn *insn, u64 off)
{
    u8 both[8];
    store32(both, load32(cpu->s.xsave + X86_FX_MXCSR));
    store32(both + 4, X86_MXCSR_VALID);
    return x86_store_bytes(cpu, insn->seg, off + X86_FX_MXCSR, both, sizeof both);
}

static int exec_xsave(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    u64 off = x86_effective(cpu, insn), rfbm = requested(cpu), in_use, old = 0;
    bool compact = insn->op == X86_OP_XSAVEC || insn->op == X86_OP_XSAVES;
    bool skip_initial = insn->op != X86_OP_XSAVE;
    u8 header[16];

    int r = enter_xsave(cpu, insn);
    if (r == X86_OK)
        r = aligned(cpu, insn, off, 64, X86_WRITE);
    if (r)
        return r;
    u8 *area = x86_vector_image(cpu);
    in_use = load64(area + X86_XSAVE_BV);
    if (compact && load32(area + X86_FX_MXCSR) != MXCSR_INITIAL)
        in_use |= BIT(X86_XC_SSE);
    if (!compact) {
        r = x86_load_bytes(cpu, insn->seg, off + X86_XSAVE_BV, &old, sizeof old);
        if (r)
            return r;
    }
    u64 xcomp = compact ? rfbm | COMPACTED : 0;
    u64 write = skip_initial ? rfbm & in_use : rfbm;
    /* The header first: it faults before anything is written if the area can't be. */
    store64(header, compact ? rfbm & in_use : (old & ~rfbm) | (rfbm & in_use));
    store64(header + 8, xcomp);
    r = x86_store_bytes(cpu, insn->seg, off + X86_XSAVE_BV, header, compact ? 16 : 8);
    if (r == X86_OK &&
        (compact ? write & BIT(X86_XC_SSE) : rfbm & (BIT(X86_XC_SSE) | BIT(X86_XC_AVX))))
        r = store_mxcsr(cpu, insn, off);
    for (unsigned c = 0; c < X86_XC_COUNT && r == X86_OK; c++)
        if (write >> c & 1)
            r = store_component(cpu, insn, off, c, xcomp);
    return r;
}

/* --- XRSTOR --- */

struct restore {
    u64 rfbm, bv, xcomp;
    u8 area[X86_XSAVE_SIZE]; /* standard format */
};

static int load_header(struct x86_cpu *cpu, const struct x86_insn *insn, u64 off, bool supervisor,
                       struct restore *x)
{
    u8 header[64];
    u64 zero = 0;
    int r = x86_load_bytes(cpu, insn->seg, off + X86_XSAVE_BV, header, sizeof header);
    if (r)
        return r;
    x->bv = load64(header);
    x->xcomp = load64(header + 8);
    for (unsigned n = 16; n < (x->xcomp & COMPACTED ? 64 : 24); n += 8)
        zero |= load64(header + n);
    u64 format = x->xcomp & ~COMPACTED;
    bool bad = zero || (x->bv & ~cpu->s.xcr0);
    if (x->xcomp & COMPACTED)
        bad |= (format & ~cpu->s.xcr0) || (x->bv & ~format) ||
               !x86_model_has(cpu->model, X86_FEATURE_XSAVEC);
    else
        bad |= supervisor || format;
    return bad ? x86_gp0(cpu) : X86_OK;
}

static int load_components(struct x86_cpu *cpu, const struct x86_insn *insn, u64 off,
                           struct restore *x)
{
    u64 sse_avx = BIT(X86_XC_SSE) | BIT(X86_XC_AVX), load = x->rfbm & x->bv;
    bool compact = x->xcomp & COMPACTED;
    int r = X86_OK;

    store32(x->area + X86_FX_MXCSR, MXCSR_INITIAL);
    if (load & BIT(X86_XC_X87)) {
        r = x86_load_bytes(cpu, insn->seg, off, x->area, X86_FX_MXCSR);
        if (r == X86_OK)
            r = x86_load_bytes(cpu, insn->seg, off + X86_FX_ST, x->area + X86_FX_ST,
                               X86_FX_XMM - X86_FX_ST);
    }
    if (r == X86_OK && (compact ? load & BIT(X86_XC_SSE) : x->rfbm & sse_avx))
        r = x86_load_bytes(cpu, insn->seg, off + X86_FX_MXCSR, x->area + X86_FX_MXCSR, 4);
    if (r == X86_OK && (load & BIT(X86_XC_SSE)))
        r = x86_load_bytes(cpu, insn->seg, off + X86_FX_XMM, x->area + X86_FX_XMM,
                           reachable(cpu, X86_XC_SSE));
    for (unsigned c = X86_XC_AVX; c < X86_XC_COUNT && r == X86_OK; c++)
        if ((load >> c & 1) && reachable(cpu, c))
            r = x86_load_bytes(cpu, insn->seg, off + component_offset(c, x->xcomp),
                               x->area + x86_xsave_layout()->offset[c], reachable(cpu, c));
    if (r == X86_OK && (load32(x->area + X86_FX_MXCSR) & ~(u32)X86_MXCSR_VALID))
        return x86_gp0(cpu);
    return r;
}

static void commit_component(struct x86_cpu *cpu, const struct x86_insn *insn,
                             const struct restore *x, unsigned c)
{
    u8 *area = cpu->s.xsave, *bv = area + X86_XSAVE_BV;
    unsigned at = x86_xsave_layout()->offset[c], size = reachable(cpu, c);

    if (x->bv >> c & 1) {
        if (c == X86_XC_X87)
            get_x87(cpu, insn, x->area);
        else
            mem_copy(area + at, x->area + at, size);
        set_present(cpu, BIT(c));
        return;
    }
    if (c == X86_XC_X87) {
        mem_fill(area, 0, X86_FX_MXCSR);
        mem_fill(area + X86_FX_ST, 0, X86_FX_XMM - X86_FX_ST);
        store16(area + X86_FX_FCW, FCW_INITIAL);
    } else {
        mem_fill(area + at, 0, size);
    }
    if (size == x86_xsave_layout()->size[c])
        store64(bv, load64(bv) & ~BIT(c));
}

static int exec_xrstor(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    u64 off = x86_effective(cpu, insn), sse_avx = BIT(X86_XC_SSE) | BIT(X86_XC_AVX);
    struct restore x;

    int r = enter_xsave(cpu, insn);
    if (r == X86_OK)
        r = aligned(cpu, insn, off, 64, X86_READ);
    if (r)
        return r;
    x.rfbm = requested(cpu);
    r = load_header(cpu, insn, off, insn->op == X86_OP_XRSTORS, &x);
    if (r == X86_OK)
        r = load_components(cpu, insn, off, &x);
    if (r)
        return r;
    u8 *area = x86_vector_image(cpu);
    for (unsigned c = 0; c < X86_XC_COUNT; c++)
        if (x.rfbm >> c & 1)
            commit_component(cpu, insn, &x, c);
    if (x.rfbm & (x.xcomp & COMPACTED ? BIT(X86_XC_SSE) : sse_avx))
        store32(area + X86_FX_MXCSR, load32(x.area + X86_FX_MXCSR));
    x86_vector_acquire(cpu);
    return X86_OK;
}

/* --- MXCSR --- */

static enum x86_gate mxcsr_gate(const struct x86_insn *insn)
{
    return insn->flags & X86_I_VEX ? X86_GATE_VEX : X86_GATE_SSE;
}

static int exec_ldmxcsr(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    u32 v;
    int r = x86_vector_enter(cpu, mxcsr_gate(insn), false);
    if (r == X86_OK)
        r = x86_load32(cpu, insn->seg, x86_effective(cpu, insn), &v);
    if (r)
        return r;
    if (v & ~(u32)X86_MXCSR_VALID)
        return x86_gp0(cpu);
    x86_vector_set_mxcsr(cpu, v);
    return X86_OK;
}

static int exec_stmxcsr(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    int r = x86_vector_enter(cpu, mxcsr_gate(insn), false);
    if (r)
        return r;
    return x86_store32(cpu, insn->seg, x86_effective(cpu, insn), x86_vector_mxcsr(cpu));
}

x86_exec_fn x86_bind_xsave(const struct x86_insn *insn)
{
    switch (insn->op) {
    case X86_OP_FXSAVE: return exec_fxsave;
    case X86_OP_FXRSTOR: return exec_fxrstor;
    case X86_OP_XSAVE:
    case X86_OP_XSAVEOPT:
    case X86_OP_XSAVEC:
    case X86_OP_XSAVES: return exec_xsave;
    case X86_OP_XRSTOR:
    case X86_OP_XRSTORS: return exec_xrstor;
    case X86_OP_LDMXCSR:
    case X86_OP_VLDMXCSR: return exec_ldmxcsr;
    case X86_OP_STMXCSR:
    case X86_OP_VSTMXCSR: return exec_stmxcsr;
    default: return NULL;
    }
}
