/* SPDX-License-Identifier: BSD-2-Clause */
/* CPUID, the time-stamp counter, processor IDs, performance counters. */
#include "isa/x86/exec/system.h"

static void set_pair(struct x86_cpu *cpu, u64 v)
{
    cpu->s.gpr[X86_RAX] = (u32)v;
    cpu->s.gpr[X86_RDX] = v >> 32;
}

int x86_exec_cpuid(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    static const u8 place[4] = {X86_RAX, X86_RBX, X86_RCX, X86_RDX};
    u32 out[4], leaf = (u32)cpu->s.gpr[X86_RAX], subleaf = (u32)cpu->s.gpr[X86_RCX];
    if (cpu->ops->cpuid)
        cpu->ops->cpuid(cpu, leaf, subleaf, out);
    else
        x86_cpuid(cpu->model, &cpu->s, leaf, subleaf, out);
    for (unsigned i = 0; i < 4; i++)
        cpu->s.gpr[place[i]] = out[i];
    return X86_OK;
}

static int read_tsc(struct x86_cpu *cpu)
{
    if ((cpu->s.cr4 & X86_CR4_TSD) && cpu->cpl)
        return x86_gp0(cpu);
    set_pair(cpu, cpu->ops->tsc(cpu) + cpu->s.tsc_offset);
    return X86_OK;
}

int x86_exec_rdtsc(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    return read_tsc(cpu);
}

int x86_exec_rdtscp(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    int r = read_tsc(cpu);
    if (r == X86_OK)
        cpu->s.gpr[X86_RCX] = (u32)cpu->s.tsc_aux;
    return r;
}

int x86_exec_rdpid(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    cpu->s.gpr[insn->rm] = cpu->s.tsc_aux;
    return X86_OK;
}

/* No performance counters are offered: every index is beyond the last. */
int x86_exec_rdpmc(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    return x86_gp0(cpu);
}
