/* SPDX-License-Identifier: BSD-2-Clause */
/* EFLAGS beyond arithmetic: CLI, STI, CLAC, STAC, PUSHF, POPF with IOPL and the virtual interrupt
 * flag [SDM2 POPF table 4-15, SDM3 20.3]. */
#include "isa/x86/exec/system.h"

void x86_set_flags(struct x86_cpu *cpu, u64 mask, u64 value)
{
    u64 *f = &cpu->s.rflags, changed = (*f ^ value) & mask;
    *f ^= changed;
    if (changed & X86_VM)
        x86_cpu_derive(cpu);
    else if (changed & X86_AC)
        x86_cpu_derive_privilege(cpu);
}

u64 x86_writable_flags(const struct x86_cpu *cpu, unsigned osz)
{
    u64 m = X86_STATUS_FLAGS | X86_TF | X86_DF | X86_NT | X86_RF | X86_AC | X86_ID;
    if (cpu->cpl == 0)
        m |= X86_IOPL;
    if (cpu->cpl <= x86_iopl(cpu))
        m |= X86_IF;
    return osz == 2 ? m & 0xffff : m;
}

/* Virtual-8086 mode extensions; protected-mode virtual interrupts. */
static bool has_vme(const struct x86_cpu *cpu)
{
    return cpu->vm86 && (cpu->s.cr4 & X86_CR4_VME);
}
static bool uses_vif(const struct x86_cpu *cpu)
{
    return has_vme(cpu) || (!cpu->vm86 && cpu->cpl == 3 && (cpu->s.cr4 & X86_CR4_PVI));
}

int x86_exec_cli(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    if (likely(cpu->cpl <= x86_iopl(cpu)))
        cpu->s.rflags &= ~(u64)X86_IF;
    else if (uses_vif(cpu))
        cpu->s.rflags &= ~(u64)X86_VIF;
    else
        return x86_gp0(cpu);
    return X86_OK;
}

int x86_exec_sti(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    if (likely(cpu->cpl <= x86_iopl(cpu))) {
        if (!(cpu->s.rflags & X86_IF))
            cpu->s.shadow_sti = 1;
        cpu->s.rflags |= X86_IF;
    } else if (uses_vif(cpu) && !(cpu->s.rflags & X86_VIP)) {
        cpu->s.rflags |= X86_VIF;
    } else {
        return x86_gp0(cpu);
    }
    return X86_END;
}

static int set_ac(struct x86_cpu *cpu, u64 value)
{
    if (cpu->vm86 || cpu->cpl)
        return x86_ud(cpu);
    x86_set_flags(cpu, X86_AC, value);
    return X86_END;
}

int x86_exec_clac(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    return set_ac(cpu, 0);
}

int x86_exec_stac(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    return set_ac(cpu, X86_AC);
}

int x86_exec_pushf(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    u64 image = cpu->s.rflags & ~(u64)(X86_VM | X86_RF);
    if (cpu->vm86 && x86_iopl(cpu) < 3) {
        if (!has_vme(cpu) || insn->osz != 2)
            return x86_gp0(cpu);
        /* The program sees the virtual interrupt flag and IOPL 3 [SDM3 20.2.7]. */
        image |= X86_IOPL;
        image = image & X86_VIF ? image | X86_IF : image & ~(u64)X86_IF;
    }
    return x86_push(cpu, insn->osz, image);
}

static int popf_vme(struct x86_cpu *cpu, u64 image)
{
    if ((image & X86_TF) || ((image & X86_IF) && (cpu->s.rflags & X86_VIP)))
        return x86_gp0(cpu);
    u64 mask = (x86_writable_flags(cpu, 2) & ~(u64)X86_IF) | X86_VIF;
    if (image & X86_IF)
        image |= X86_VIF;
    x86_set_flags(cpu, mask, image);
    return X86_END;
}

int x86_exec_popf(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    u64 image, sp = cpu->s.gpr[X86_RSP];
    bool vme = cpu->vm86 && x86_iopl(cpu) < 3;
    if (vme && (!has_vme(cpu) || insn->osz != 2))
        return x86_gp0(cpu);
    int r = x86_pop(cpu, insn->osz, &image);
    if (r)
        return r;
    if (vme) {
        r = popf_vme(cpu, image);
        if (r == X86_EXCEPTION)
            cpu->s.gpr[X86_RSP] = sp;
        return r;
    }
    image &= ~(u64)X86_RF; /* POPF clears RF */
    x86_set_flags(cpu, x86_writable_flags(cpu, insn->osz) | X86_RF, image);
    return X86_END;
}
