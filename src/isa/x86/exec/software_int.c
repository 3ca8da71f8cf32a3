/* SPDX-License-Identifier: BSD-2-Clause */
/* INT n, INT3, INTO, INT1 [SDM2 INT]. The handlers run with rip past the instruction, which is what
 * is saved. */
#include "isa/x86/exec/system.h"

static int enter(struct x86_cpu *cpu, enum x86_event_kind kind, unsigned vector)
{
    int r = x86_intercept(cpu, X86_ICPT_INT);
    if (r)
        return r;
    if (kind != X86_EVENT_SOFT_INT && (cpu->intercepts.exceptions >> vector & 1)) {
        cpu->fault = (struct x86_event){.kind = (u8)kind, .vector = (u8)vector};
        cpu->intercept = X86_ICPT_EXCEPTION;
        return X86_INTERCEPT;
    }
    struct x86_event ev = {.kind = (u8)kind, .vector = (u8)vector};
    return x86_enter_handler(cpu, &ev);
}

/* Virtual-8086 mode with VME: the TSS's redirection bitmap, below the I/O bitmap, says which
 * interrupts go to the program's own table at linear 0 [SDM3 20.3.3]. */
static int redirected(struct x86_cpu *cpu, unsigned vector, bool *yes)
{
    u64 base, byte;
    *yes = false;
    if (cpu->s.tr.limit < 0x67)
        return X86_OK;
    int r = x86_sys_load(cpu, cpu->s.tr.base + 0x66, 2, &base);
    if (r)
        return r;
    u64 at = base - 32 + vector / 8;
    if (base < 32 || at > cpu->s.tr.limit)
        return x86_gp0(cpu);
    r = x86_sys_load(cpu, cpu->s.tr.base + at, 1, &byte);
    *yes = r == X86_OK && !(byte >> (vector & 7) & 1);
    return r;
}

static int enter_redirected(struct x86_cpu *cpu, unsigned vector)
{
    bool virtual_if = x86_iopl(cpu) < 3;
    u64 image = cpu->s.rflags & ~(u64)(X86_VM | X86_RF);
    if (virtual_if) {
        image |= X86_IOPL;
        image = image & X86_VIF ? image | X86_IF : image & ~(u64)X86_IF;
    }
    int r = x86_enter_ivt(cpu, 0, vector, cpu->s.rip, image);
    if (r == X86_END) {
        cpu->s.rflags &= ~(u64)(X86_TF | (virtual_if ? X86_VIF : X86_IF));
        x86_cpu_derive(cpu);
    }
    return r;
}

int x86_exec_int(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    unsigned vector = (u8)insn->imm;
    if (cpu->vm86) {
        if (cpu->s.cr4 & X86_CR4_VME) {
            bool yes;
            int r = redirected(cpu, vector, &yes);
            if (r)
                return r;
            if (yes)
                return enter_redirected(cpu, vector);
        }
        if (x86_iopl(cpu) < 3)
            return x86_gp0(cpu);
    }
    return enter(cpu, X86_EVENT_SOFT_INT, vector);
}

int x86_exec_int3(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    return enter(cpu, X86_EVENT_SOFT_EXC, X86_BP);
}

int x86_exec_into(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    return cpu->s.rflags & X86_OF ? enter(cpu, X86_EVENT_SOFT_EXC, X86_OF_TRAP) : X86_OK;
}

int x86_exec_int1(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    return enter(cpu, X86_EVENT_PRIV_EXC, X86_DB);
}
