/* SPDX-License-Identifier: BSD-2-Clause */
/* Control registers: MOV CR, CLTS, LMSW, SMSW, XCR0, and the mode switches that come with them
 * [SDM3 2.5, 4.1.2, 9.8.5]. */
#include "base/bits.h"
#include "isa/x86/exec/place.h"
#include "isa/x86/exec/system.h"

#define CR0_KNOWN                                                                                  \
    (X86_CR0_PE | X86_CR0_MP | X86_CR0_EM | X86_CR0_TS | X86_CR0_ET | X86_CR0_NE | X86_CR0_WP |    \
     X86_CR0_AM | X86_CR0_NW | X86_CR0_CD | X86_CR0_PG)
#define CR3_NOFLUSH BIT(63)
#define CR3_PCID    ((u64)0xfff)
/* Bits whose change makes translations stale [SDM3 4.10.4.1]. */
#define CR4_PAGING                                                                                 \
    (X86_CR4_PSE | X86_CR4_PAE | X86_CR4_PGE | X86_CR4_PCIDE | X86_CR4_SMEP | X86_CR4_SMAP)

/* PAE paging with these registers? */
static bool is_pae(u64 cr0, u64 cr4, u64 efer)
{
    return (cr0 & X86_CR0_PG) && (cr4 & X86_CR4_PAE) && !(efer & X86_EFER_LMA);
}

static int reload_pdptrs(struct x86_cpu *cpu, u64 cr3)
{
    u64 pdptr[4];
    if (!x86_load_pdptrs(cpu, cr3, pdptr))
        return x86_gp0(cpu);
    for (unsigned i = 0; i < 4; i++)
        cpu->s.pdptr[i] = pdptr[i];
    return X86_OK;
}

int x86_write_cr0(struct x86_cpu *cpu, u64 value)
{
    struct x86_state *s = &cpu->s;
    if (value >> 32)
        return x86_gp0(cpu);
    value = (value & CR0_KNOWN) | X86_CR0_ET;
    u64 efer = s->efer, changed = value ^ s->cr0;
    bool pg = value & X86_CR0_PG;
    if ((pg && !(value & X86_CR0_PE)) || ((value & X86_CR0_NW) && !(value & X86_CR0_CD)))
        return x86_gp0(cpu);
    if (changed & X86_CR0_PG) {
        if (pg && (efer & X86_EFER_LME)) {
            if (!(s->cr4 & X86_CR4_PAE) || (s->seg[X86_CS].attr & X86_SEG_L))
                return x86_gp0(cpu);
            efer |= X86_EFER_LMA;
        } else if (!pg) {
            if (cpu->mode == X86_MODE64 || (s->cr4 & X86_CR4_PCIDE))
                return x86_gp0(cpu);
            efer &= ~X86_EFER_LMA;
        }
    }
    if (is_pae(value, s->cr4, efer) && (changed & (X86_CR0_PG | X86_CR0_CD | X86_CR0_NW))) {
        int r = reload_pdptrs(cpu, s->cr3);
        if (r)
            return r;
    }
    s->cr0 = value;
    s->efer = efer;
    if (changed & (X86_CR0_PG | X86_CR0_PE | X86_CR0_WP))
        x86_flush_all(cpu, true);
    x86_cpu_derive(cpu);
    return X86_END;
}

int x86_write_cr3(struct x86_cpu *cpu, u64 value)
{
    struct x86_state *s = &cpu->s;
    bool pcid = s->cr4 & X86_CR4_PCIDE;
    bool keep = pcid && (value & CR3_NOFLUSH);
    if (cpu->long_mode) {
        if (pcid)
            value &= ~CR3_NOFLUSH;
        if (value & ~x86_physical_mask(cpu))
            return x86_gp0(cpu);
    } else if (is_pae(s->cr0, s->cr4, s->efer)) {
        int r = reload_pdptrs(cpu, value);
        if (r)
            return r;
    }
    s->cr3 = value;
    x86_flush_switch(cpu, keep);
    return X86_END;
}

int x86_write_cr4(struct x86_cpu *cpu, u64 value)
{
    struct x86_state *s = &cpu->s;
    u64 changed = value ^ s->cr4;
    if (value & ~cpu->model->cr4_allowed)
        return x86_gp0(cpu);
    if (cpu->long_mode && !(value & X86_CR4_PAE))
        return x86_gp0(cpu);
    if ((changed & value & X86_CR4_PCIDE) && (!cpu->long_mode || (s->cr3 & CR3_PCID)))
        return x86_gp0(cpu);
    if (is_pae(s->cr0, value, s->efer) && (changed & CR4_PAGING)) {
        int r = reload_pdptrs(cpu, s->cr3);
        if (r)
            return r;
    }
    s->cr4 = value;
    if (changed & CR4_PAGING)
        x86_flush_all(cpu, true);
    x86_cpu_derive(cpu);
    return X86_END;
}

int x86_write_efer(struct x86_cpu *cpu, u64 value)
{
    struct x86_state *s = &cpu->s;
    if (value & ~(cpu->model->efer_allowed | X86_EFER_LMA))
        return x86_gp0(cpu);
    if (((value ^ s->efer) & X86_EFER_LME) && (s->cr0 & X86_CR0_PG))
        return x86_gp0(cpu);
    u64 changed = (value ^ s->efer) & X86_EFER_NXE;
    s->efer = (value & ~X86_EFER_LMA) | (s->efer & X86_EFER_LMA);
    if (changed)
        x86_flush_all(cpu, true);
    x86_cpu_derive(cpu);
    return X86_END;
}

int x86_exec_mov_from_cr(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    u64 v;
    if (insn->reg > 4 && insn->reg != 8)
        return x86_ud(cpu);
    int r = x86_require_cpl0(cpu);
    if (r)
        return r;
    switch (insn->reg) {
    case 0: v = cpu->s.cr0; break;
    case 2: v = cpu->s.cr2; break;
    case 3: v = cpu->s.cr3; break;
    case 4: v = cpu->s.cr4; break;
    case 8: v = cpu->ops->tpr_read ? cpu->ops->tpr_read(cpu) : cpu->s.cr8; break;
    default: return x86_ud(cpu);
    }
    cpu->s.gpr[insn->rm] = cpu->mode == X86_MODE64 ? v : (u32)v;
    return X86_OK;
}

int x86_exec_mov_to_cr(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    if (insn->reg > 4 && insn->reg != 8)
        return x86_ud(cpu);
    int r = x86_require_cpl0(cpu);
    if (r)
        return r;
    u64 v = cpu->s.gpr[insn->rm];
    if (cpu->mode != X86_MODE64)
        v = (u32)v;
    switch (insn->reg) {
    case 0: return x86_write_cr0(cpu, v);
    case 2: cpu->s.cr2 = v; return X86_OK;
    case 3: return x86_write_cr3(cpu, v);
    case 4: return x86_write_cr4(cpu, v);
    case 8:
        if (v > 15)
            return x86_gp0(cpu);
        cpu->s.cr8 = v;
        if (cpu->ops->tpr_write)
            cpu->ops->tpr_write(cpu, v);
        return X86_END;
    default: return x86_ud(cpu);
    }
}

int x86_exec_clts(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    int r = x86_require_cpl0(cpu);
    if (r)
        return r;
    cpu->s.cr0 &= ~X86_CR0_TS;
    return X86_END;
}

int x86_exec_lmsw(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    u16 v;
    int r = x86_require_cpl0(cpu);
    if (r == X86_OK)
        r = x86_read_rm16(cpu, insn, &v);
    if (r)
        return r;
    /* Sets PE but never clears it. */
    u64 cr0 = (cpu->s.cr0 & ~(u64)0xe) | (v & 0xf);
    return x86_write_cr0(cpu, cr0);
}

int x86_exec_smsw(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    if ((cpu->s.cr4 & X86_CR4_UMIP) && cpu->cpl)
        return x86_gp0(cpu);
    return x86_write_rm16(cpu, insn, cpu->s.cr0);
}

int x86_exec_xgetbv(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    if (!(cpu->s.cr4 & X86_CR4_OSXSAVE))
        return x86_ud(cpu);
    u32 index = (u32)cpu->s.gpr[X86_RCX];
    /* XCR1: XCR0 & XINUSE; all that is enabled may be in use. */
    if (index > 1 || (index == 1 && !x86_model_has(cpu->model, X86_FEATURE_XGETBV1)))
        return x86_gp0(cpu);
    cpu->s.gpr[X86_RAX] = (u32)cpu->s.xcr0;
    cpu->s.gpr[X86_RDX] = cpu->s.xcr0 >> 32;
    return X86_OK;
}

/* State components of XCR0 [SDM1 13.3] */
enum { XCR0_X87 = 1, XCR0_SSE = 2, XCR0_AVX = 4, XCR0_AVX512 = 0xe0 };

int x86_exec_xsetbv(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    if (!(cpu->s.cr4 & X86_CR4_OSXSAVE))
        return x86_ud(cpu);
    int r = x86_require_cpl0(cpu);
    if (r)
        return r;
    u64 v = (u32)cpu->s.gpr[X86_RAX] | cpu->s.gpr[X86_RDX] << 32;
    u64 avx512 = v & XCR0_AVX512;
    if ((u32)cpu->s.gpr[X86_RCX] != 0 || !(v & XCR0_X87) || (v & ~cpu->model->xcr0_allowed) ||
        ((v & XCR0_AVX) && !(v & XCR0_SSE)) ||
        (avx512 && (avx512 != XCR0_AVX512 || !(v & XCR0_AVX))))
        return x86_gp0(cpu);
    x86_vector_release(cpu); /* the components that live in registers are chosen by XCR0 */
    cpu->s.xcr0 = v;
    return X86_END;
}
