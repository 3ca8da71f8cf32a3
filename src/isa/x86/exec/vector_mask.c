/* SPDX-License-Identifier: BSD-2-Clause */
/* Masked memory operands that are not in one page of plain RAM: only selected elements may be
 * touched, and only they may fault [SDM2 2.8.2; VMASKMOV, MASKMOVDQU]. The instruction itself runs
 * on a copy that holds them. */
#include "isa/x86/exec/vector.h"

/* Bits at the top of each element of a register. */
static u64 sign_bits(const u8 *value, unsigned element, unsigned count)
{
    u64 bits = 0;
    for (unsigned n = 0; n < count; n++)
        bits |= (u64)(value[(n + 1) * element - 1] >> 7) << n;
    return bits;
}

/* MMn is physical x87 register n; the image is in stack order. */
static const u8 *image_mmx(struct x86_cpu *cpu, unsigned reg)
{
    unsigned top = load16(cpu->s.xsave + X86_FX_FSW) >> 11 & 7;
    return cpu->s.xsave + X86_FX_ST + 16 * ((reg - top) & 7);
}

static unsigned count_bits(u64 v)
{
    unsigned n = 0;
    for (; v; v &= v - 1)
        n++;
    return n;
}

/* Elements of the register that repeat those in memory. */
static unsigned spread_count(const struct x86_insn *insn, const struct x86_stub *st)
{
    if (!(insn->flags & X86_I_EVEX_B))
        return insn->vl / st->element;
    switch (x86_forms[insn->form].opnd[x86_vector_memory_operand(insn)].size) {
    case X86_SZ_HX: return insn->vl / 2 / st->element;
    case X86_SZ_QX: return insn->vl / 4 / st->element;
    default: return insn->vl / st->element;
    }
}

static u64 opmask_select(struct x86_cpu *cpu, const struct x86_insn *insn,
                         const struct x86_stub *st, unsigned count)
{
    u64 mask = x86_image_opmask(cpu, insn->aaa), bits = 0;
    if (st->flags & X86_STUB_SPREAD) {
        for (unsigned n = spread_count(insn, st); n-- > 0;)
            bits |= (mask >> n & 1) << n % count;
        return bits;
    }
    mask &= mask_low(count);
    return st->flags & X86_STUB_PACKED ? mask_low(count_bits(mask)) : mask;
}

static u64 selected(struct x86_cpu *cpu, const struct x86_insn *insn, const struct x86_stub *st)
{
    unsigned count = st->bytes / st->element;
    u8 value[64];

    x86_vector_image(cpu);
    if (insn->flags & X86_I_EVEX)
        return opmask_select(cpu, insn, st, count);
    if (!(st->flags & X86_STUB_MDI)) {
        x86_image_get(cpu, insn->vvvv, value);
        return sign_bits(value, st->element, count);
    }
    if (st->gate == X86_GATE_MMX)
        return sign_bits(image_mmx(cpu, insn->rm & 7), 1, count);
    x86_image_get(cpu, insn->rm, value);
    return sign_bits(value, 1, count);
}

static int run(struct x86_cpu *cpu, const struct x86_stub *st, void *mem)
{
    x86_vector_acquire(cpu);
    if (cpu->vector_strict && (st->flags & X86_STUB_SIMD))
        return x86_vector_strict(cpu, st, mem);
    x86_stub_call(cpu, st, mem);
    return X86_OK;
}

int x86_vector_sparse(struct x86_cpu *cpu, const struct x86_insn *insn, const struct x86_stub *st)
{
    alignas(64) u8 copy[64];
    u64 off = x86_vector_offset(cpu, insn, st); /* wraps to the address size, the rest does not */
    unsigned element = st->element, count = st->bytes / element;
    u64 lin, bits = selected(cpu, insn, st);
    bool store = st->access & X86_WR;
    int r = X86_OK;

    if (st->align && bits && x86_linear(cpu, insn->seg, off, 1, X86_READ, &lin) == X86_OK &&
        (lin & st->align))
        return x86_gp0(cpu);
    if (st->flags & X86_STUB_WHOLE) {
        if (x86_linear(cpu, insn->seg, off, st->bytes, X86_WRITE, &lin) == X86_OK &&
            x86_vector_misaligned(cpu, st, lin))
            return x86_raise_error(cpu, X86_AC_FAULT, 0);
        r = x86_probe_write(cpu, insn->seg, off, st->bytes);
    }
    mem_fill(copy, 0, sizeof copy);
    for (unsigned n = 0; n < count && r == X86_OK; n++) {
        u64 at = off + n * element;
        if (!(bits >> n & 1))
            continue;
        r = store ? x86_probe_write(cpu, insn->seg, at, element)
                  : x86_load_bytes(cpu, insn->seg, at, copy + n * element, element);
    }
    if (r == X86_OK)
        r = run(cpu, st, copy);
    for (unsigned n = 0; store && n < count && r == X86_OK; n++)
        if (bits >> n & 1)
            r = x86_store_bytes(cpu, insn->seg, off + n * element, copy + n * element, element);
    return r;
}
