/* SPDX-License-Identifier: BSD-2-Clause */
/* Segment registers: MOV, PUSH, POP, LDS to LGS, and the 64-bit bases [SDM3 5.6, 5.7]. */
#include "isa/x86/exec/descriptor.h"

/* After a load: the shadow of SS, and what depends on the hidden parts. */
static int loaded(struct x86_cpu *cpu, unsigned seg)
{
    x86_cpu_derive(cpu);
    if (seg == X86_SS) {
        cpu->s.shadow_mov_ss = 1;
        return X86_END;
    }
    return X86_OK;
}

int x86_exec_mov_from_sreg(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    return x86_write_rm16(cpu, insn, cpu->s.seg[insn->reg].sel);
}

int x86_exec_mov_to_sreg(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    u16 sel;
    if (insn->reg == X86_CS || insn->reg >= X86_SREG_COUNT)
        return x86_ud(cpu);
    int r = x86_read_rm16(cpu, insn, &sel);
    if (r == X86_OK)
        r = x86_segment_load(cpu, insn->reg, sel, cpu->cpl, X86_GP, 0);
    if (r)
        return r;
    loaded(cpu, insn->reg);
    return X86_END;
}

/* The segment register that a PUSH or POP names in its opcode. */
static unsigned fixed_sreg(const struct x86_insn *insn)
{
    return x86_forms[insn->form].opnd[0].reg - X86_FIX_ES + X86_ES;
}

int x86_exec_push_sreg(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    return x86_push(cpu, insn->osz, cpu->s.seg[fixed_sreg(insn)].sel);
}

int x86_exec_pop_sreg(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    u64 sel;
    unsigned seg = fixed_sreg(insn);
    u64 sp = x86_sp_add(cpu, insn->osz);
    int r = x86_load(cpu, X86_SS, x86_sp(cpu), insn->osz, &sel);
    if (r)
        return r;
    /* The new stack segment may have another width; rSP moves by the old one. */
    u64 rsp = cpu->s.gpr[X86_RSP];
    x86_set_sp(cpu, sp);
    r = x86_segment_load(cpu, seg, (u16)sel, cpu->cpl, X86_GP, 0);
    if (r) {
        cpu->s.gpr[X86_RSP] = rsp;
        return r;
    }
    return loaded(cpu, seg);
}

int x86_exec_load_far_pointer(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    unsigned seg;
    switch (insn->op) {
    case X86_OP_LDS: seg = X86_DS; break;
    case X86_OP_LES: seg = X86_ES; break;
    case X86_OP_LFS: seg = X86_FS; break;
    case X86_OP_LGS: seg = X86_GS; break;
    default: seg = X86_SS; break;
    }
    u8 pointer[10];
    int r = x86_load_bytes(cpu, insn->seg, x86_effective(cpu, insn), pointer, insn->osz + 2u);
    if (r == X86_OK)
        r = x86_segment_load(cpu, seg, load16(pointer + insn->osz), cpu->cpl, X86_GP, 0);
    if (r)
        return r;
    u64 off = insn->osz == 8 ? load64(pointer) : insn->osz == 4 ? load32(pointer) : load16(pointer);
    x86_write_gpr(cpu, insn->reg, insn->osz, off);
    x86_cpu_derive(cpu);
    return seg == X86_SS ? X86_END : X86_OK; /* LSS has no shadow: it loads ESP too */
}

int x86_exec_swapgs(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    int r = x86_require_cpl0(cpu);
    if (r)
        return r;
    u64 base = cpu->s.seg[X86_GS].base;
    cpu->s.seg[X86_GS].base = cpu->s.kernel_gs_base;
    cpu->s.kernel_gs_base = base;
    return X86_OK;
}

static int read_base(struct x86_cpu *cpu, const struct x86_insn *insn, unsigned seg)
{
    if (!(cpu->s.cr4 & X86_CR4_FSGSBASE))
        return x86_ud(cpu);
    x86_write_gpr(cpu, insn->rm, insn->osz, cpu->s.seg[seg].base);
    return X86_OK;
}

static int write_base(struct x86_cpu *cpu, const struct x86_insn *insn, unsigned seg)
{
    if (!(cpu->s.cr4 & X86_CR4_FSGSBASE))
        return x86_ud(cpu);
    u64 v = insn->osz == 8 ? cpu->s.gpr[insn->rm] : (u32)cpu->s.gpr[insn->rm];
    if (!x86_canonical(v))
        return x86_gp0(cpu);
    cpu->s.seg[seg].base = v;
    return X86_OK;
}

int x86_exec_rdfsbase(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    return read_base(cpu, insn, X86_FS);
}
int x86_exec_rdgsbase(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    return read_base(cpu, insn, X86_GS);
}
int x86_exec_wrfsbase(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    return write_base(cpu, insn, X86_FS);
}
int x86_exec_wrgsbase(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    return write_base(cpu, insn, X86_GS);
}
