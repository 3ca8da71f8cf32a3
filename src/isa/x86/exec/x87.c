/* SPDX-License-Identifier: BSD-2-Clause */
/* x87 instruction and data pointers, and FWAIT. The host's pointers would be addresses of stubs, so
 * the guest's live in s.xsave, where every non-control instruction records them [SDM1 8.1.8].
 *
 * The upper halves of FIP and FDP hold, as in an FXSAVE image, the selectors when the instruction
 * ran outside 64-bit mode, and bits 63:32 of the address in it. */
#include "isa/x86/exec/vector.h"

static u64 pointer(const struct x86_cpu *cpu, u64 off, unsigned seg)
{
    return cpu->mode == X86_MODE64 ? off : (u32)off | (u64)cpu->s.seg[seg].sel << 32;
}

void x87_set_pointers(struct x86_cpu *cpu, const struct x86_insn *insn, u64 off)
{
    u8 *area = cpu->s.xsave;
    store16(area + X86_FX_FOP, (u16)((insn->opcode & 7) << 8 | insn->modrm));
    store64(area + X86_FX_FIP, pointer(cpu, cpu->fault_rip, X86_CS));
    if (insn->flags & X86_I_MEM)
        store64(area + X86_FX_FDP, pointer(cpu, off, insn->seg));
}

void x87_clear_pointers(struct x86_cpu *cpu)
{
    u8 *area = cpu->s.xsave;
    store16(area + X86_FX_FOP, 0);
    store64(area + X86_FX_FIP, 0);
    store64(area + X86_FX_FDP, 0);
}

static int exec_wait(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    u64 both = X86_CR0_MP | X86_CR0_TS;
    if ((cpu->s.cr0 & both) == both)
        return x86_raise(cpu, X86_NM);
    x86_vector_acquire(cpu);
    return x86_host_fsw() & X86_FSW_ES ? x86_raise(cpu, X86_MF) : X86_OK;
}

x86_exec_fn x86_bind_x87(const struct x86_insn *insn)
{
    switch (insn->op) {
    case X86_OP_FWAIT: return exec_wait;
    case X86_OP_FLDENV:
    case X86_OP_FRSTOR: return x87_exec_load_env;
    case X86_OP_FNSTENV:
    case X86_OP_FNSAVE: return x87_exec_store_env;
    default: return NULL;
    }
}
