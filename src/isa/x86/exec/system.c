/* SPDX-License-Identifier: BSD-2-Clause */
/* Which handler a system instruction gets. */
#include "isa/x86/exec/system.h"

static unsigned kind(const struct x86_insn *insn, unsigned n)
{
    return x86_forms[insn->form].opnd[n].kind;
}

static bool is_fixed_sreg(const struct x86_insn *insn)
{
    const struct x86_opnd *o = &x86_forms[insn->form].opnd[0];
    return o->kind == X86_OPND_FIX && o->reg >= X86_FIX_ES && o->reg <= X86_FIX_GS;
}

/* MOV to or from segment, control and debug registers; the others are integer instructions. */
static x86_exec_fn bind_mov(const struct x86_insn *insn)
{
    unsigned dst = kind(insn, 0), src = kind(insn, 1);
    if (dst == X86_OPND_S)
        return x86_exec_mov_to_sreg;
    if (src == X86_OPND_S)
        return x86_exec_mov_from_sreg;
    if (dst == X86_OPND_C)
        return x86_exec_mov_to_cr;
    if (src == X86_OPND_C)
        return x86_exec_mov_from_cr;
    if (dst == X86_OPND_D)
        return x86_exec_mov_to_dr;
    if (src == X86_OPND_D)
        return x86_exec_mov_from_dr;
    return NULL;
}

x86_exec_fn x86_bind_system(struct x86_cpu *cpu, struct x86_insn *insn)
{
    switch (insn->op) {
    case X86_OP_MOV: return bind_mov(insn);
    case X86_OP_PUSH: return is_fixed_sreg(insn) ? x86_exec_push_sreg : NULL;
    case X86_OP_POP: return is_fixed_sreg(insn) ? x86_exec_pop_sreg : NULL;
    case X86_OP_LDS:
    case X86_OP_LES:
    case X86_OP_LFS:
    case X86_OP_LGS:
    case X86_OP_LSS: return x86_exec_load_far_pointer;
    case X86_OP_IN: return kind(insn, 1) == X86_OPND_I ? x86_exec_in_imm : x86_exec_in_dx;
    case X86_OP_OUT: return kind(insn, 0) == X86_OPND_I ? x86_exec_out_imm : x86_exec_out_dx;
    case X86_OP_INS: return x86_exec_ins;
    case X86_OP_OUTS: return x86_exec_outs;
    case X86_OP_CLTS: return x86_exec_clts;
    case X86_OP_LMSW: return x86_exec_lmsw;
    case X86_OP_SMSW: return x86_exec_smsw;
    case X86_OP_RDMSR: return x86_exec_rdmsr;
    case X86_OP_WRMSR: return x86_exec_wrmsr;
    case X86_OP_XGETBV: return x86_exec_xgetbv;
    case X86_OP_XSETBV: return x86_exec_xsetbv;
    case X86_OP_CPUID: return x86_exec_cpuid;
    case X86_OP_RDTSC: return x86_exec_rdtsc;
    case X86_OP_RDTSCP: return x86_exec_rdtscp;
    case X86_OP_RDPID: return x86_exec_rdpid;
    case X86_OP_RDPMC: return x86_exec_rdpmc;
    case X86_OP_INVD:
    case X86_OP_WBINVD:
    case X86_OP_WBNOINVD: return x86_exec_cache;
    case X86_OP_INVLPG: return x86_exec_invlpg;
    case X86_OP_INVPCID: return x86_exec_invpcid;
    case X86_OP_HLT: return x86_exec_hlt;
    case X86_OP_CLI: return x86_exec_cli;
    case X86_OP_STI: return x86_exec_sti;
    case X86_OP_CLAC: return x86_exec_clac;
    case X86_OP_STAC: return x86_exec_stac;
    case X86_OP_PUSHF: return x86_exec_pushf;
    case X86_OP_POPF: return x86_exec_popf;
    case X86_OP_SGDT: return x86_exec_sgdt;
    case X86_OP_SIDT: return x86_exec_sidt;
    case X86_OP_LGDT: return x86_exec_lgdt;
    case X86_OP_LIDT: return x86_exec_lidt;
    case X86_OP_SLDT: return x86_exec_sldt;
    case X86_OP_LLDT: return x86_exec_lldt;
    case X86_OP_STR: return x86_exec_str;
    case X86_OP_LTR: return x86_exec_ltr;
    case X86_OP_VERR: return x86_exec_verr;
    case X86_OP_VERW: return x86_exec_verw;
    case X86_OP_LAR: return x86_exec_lar;
    case X86_OP_LSL: return x86_exec_lsl;
    case X86_OP_ARPL: return x86_exec_arpl;
    case X86_OP_SWAPGS: return x86_exec_swapgs;
    case X86_OP_RDFSBASE: return x86_exec_rdfsbase;
    case X86_OP_RDGSBASE: return x86_exec_rdgsbase;
    case X86_OP_WRFSBASE: return x86_exec_wrfsbase;
    case X86_OP_WRGSBASE: return x86_exec_wrgsbase;
    case X86_OP_SYSCALL: return x86_exec_syscall;
    case X86_OP_SYSRET: return x86_exec_sysret;
    case X86_OP_SYSENTER: return x86_exec_sysenter;
    case X86_OP_SYSEXIT: return x86_exec_sysexit;
    case X86_OP_JMPF: return x86_exec_far_jmp;
    case X86_OP_CALLF: return x86_exec_far_call;
    case X86_OP_RETF: return x86_exec_far_ret;
    case X86_OP_IRET: return x86_exec_iret;
    case X86_OP_INT: return x86_exec_int;
    case X86_OP_INT3: return x86_exec_int3;
    case X86_OP_INTO: return x86_exec_into;
    case X86_OP_INT1: return x86_exec_int1;
    case X86_OP_VMCALL:
    case X86_OP_VMMCALL: return x86_exec_hypercall;
    case X86_OP_SERIALIZE: return x86_exec_serialize;
    default: return NULL;
    }
}
