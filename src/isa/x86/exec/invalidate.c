/* SPDX-License-Identifier: BSD-2-Clause */
/* Cache and TLB maintenance, HLT, serialization, hypercalls, and the instructions that are always
 * undefined. */
#include "base/bits.h"
#include "isa/x86/exec/system.h"

/* INVD, WBINVD, WBNOINVD: caches are the host's and coherent. */
int x86_exec_cache(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    return x86_require_cpl0(cpu);
}

int x86_exec_invlpg(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    int r = x86_require_cpl0(cpu);
    if (r)
        return r;
    u64 lin = cpu->s.seg[insn->seg].base + x86_effective(cpu, insn);
    if (cpu->mode == X86_MODE64) {
        lin = x86_effective(cpu, insn);
        if (insn->seg >= X86_FS)
            lin += cpu->s.seg[insn->seg].base;
        if (!x86_canonical(lin)) /* no fault, no effect [SDM2 INVLPG] */
            return X86_OK;
    } else {
        lin = (u32)lin;
    }
    x86_flush_page(cpu, lin);
    return X86_END;
}

enum invpcid { INVPCID_ADDRESS, INVPCID_CONTEXT, INVPCID_ALL_GLOBAL, INVPCID_ALL };

int x86_exec_invpcid(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    u64 desc[2];
    int r = x86_require_cpl0(cpu);
    if (r)
        return r;
    u64 type = cpu->s.gpr[insn->reg];
    if (cpu->mode != X86_MODE64)
        type = (u32)type;
    if (type > INVPCID_ALL)
        return x86_gp0(cpu);
    r = x86_load_bytes(cpu, insn->seg, x86_effective(cpu, insn), desc, sizeof desc);
    if (r)
        return r;
    if (desc[0] >> 12)
        return x86_gp0(cpu);
    bool running = desc[0] == (cpu->s.cr4 & X86_CR4_PCIDE ? cpu->s.cr3 & 0xfff : 0);
    bool pcid_used = type == INVPCID_ADDRESS || type == INVPCID_CONTEXT;
    if (pcid_used && desc[0] && !(cpu->s.cr4 & X86_CR4_PCIDE))
        return x86_gp0(cpu);
    if (type == INVPCID_ADDRESS) {
        if (cpu->mode == X86_MODE64 && !x86_canonical(desc[1]))
            return x86_gp0(cpu);
        if (!running)
            x86_tlb_flush_pcid(cpu, (unsigned)desc[0]); /* more than asked is allowed */
        else
            x86_flush_page(cpu, desc[1]);
    } else if (type == INVPCID_CONTEXT) {
        if (!running)
            x86_tlb_flush_pcid(cpu, (unsigned)desc[0]);
        else
            x86_flush_switch(cpu, false);
    } else {
        x86_flush_all(cpu, type == INVPCID_ALL_GLOBAL);
    }
    return X86_END;
}

int x86_exec_hlt(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    int r = x86_require_cpl0(cpu);
    if (r)
        return r;
    cpu->s.run_state = X86_HALTED;
    return X86_HALT;
}

int x86_exec_serialize(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return X86_END;
}

int x86_exec_hypercall(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    if (!cpu->ops->hypercall)
        return x86_ud(cpu);
    int r = cpu->ops->hypercall(cpu);
    if (r < 0)
        return x86_ud(cpu);
    return r == X86_OK ? X86_END : r;
}

/* UD0, UD1, UD2, RSM outside SMM, and whatever the model does not show. */
int x86_exec_undefined(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    return x86_ud(cpu);
}
