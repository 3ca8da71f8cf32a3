/* SPDX-License-Identifier: BSD-2-Clause */
/* SYSCALL, SYSRET, SYSENTER, SYSEXIT, with the differences of the vendors [SDM2, AMD3]. */
#include "isa/x86/exec/system.h"

enum {
    FLAT_CODE = X86_SEG_P | X86_SEG_S | X86_SEG_G | 0xb,
    FLAT_DATA = X86_SEG_P | X86_SEG_S | X86_SEG_G | X86_SEG_DB | 0x3,
};

static void load_flat(struct x86_cpu *cpu, unsigned seg, unsigned sel, unsigned attr, unsigned dpl)
{
    cpu->s.seg[seg] = (struct x86_segment){
        .base = 0,
        .limit = 0xffffffff,
        .sel = (u16)sel,
        .attr = (u16)(attr | dpl << X86_SEG_DPL_SHIFT),
    };
}

int x86_exec_syscall(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    struct x86_state *s = &cpu->s;
    bool from64 = cpu->mode == X86_MODE64;
    if (!(s->efer & X86_EFER_SCE) || cpu->real || cpu->vm86)
        return x86_ud(cpu);
    /* Intel: 64-bit mode only. */
    if (cpu->vendor == X86_VENDOR_INTEL && !from64)
        return x86_ud(cpu);
    int r = x86_intercept(cpu, X86_ICPT_SYSCALL);
    if (r)
        return r;
    unsigned cs = s->star >> 32 & 0xfffc;
    if (cpu->long_mode) {
        s->gpr[X86_RCX] = s->rip;
        s->gpr[X86_R11] = s->rflags & ~(u64)X86_RF;
        s->rip = from64 ? s->lstar : s->cstar;
        s->rflags = (s->rflags & ~s->sfmask & ~(u64)X86_RF) | X86_FLAG1;
        load_flat(cpu, X86_CS, cs, FLAT_CODE | X86_SEG_L, 0);
    } else {
        s->gpr[X86_RCX] = (u32)s->rip;
        s->rip = (u32)s->star;
        s->rflags &= ~(u64)(X86_VM | X86_IF | X86_RF);
        load_flat(cpu, X86_CS, cs, FLAT_CODE | X86_SEG_DB, 0);
    }
    load_flat(cpu, X86_SS, cs + 8, FLAT_DATA, 0);
    x86_cpu_derive(cpu);
    return X86_END;
}

int x86_exec_sysret(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    struct x86_state *s = &cpu->s;
    bool intel = cpu->vendor == X86_VENDOR_INTEL;
    if (!(s->efer & X86_EFER_SCE) || cpu->real || cpu->vm86 || (intel && cpu->mode != X86_MODE64))
        return x86_ud(cpu);
    int r = x86_require_cpl0(cpu);
    if (r)
        return r;
    bool to64 = insn->osz == 8;
    unsigned sel = s->star >> 48;
    u64 target = s->gpr[X86_RCX];
    /* Intel faults here, still in ring 0; AMD faults on the fetch at the target. */
    if (to64 && intel && !x86_canonical(target))
        return x86_gp0(cpu);
    if (to64)
        load_flat(cpu, X86_CS, (sel + 16) | 3, FLAT_CODE | X86_SEG_L, 3);
    else
        load_flat(cpu, X86_CS, sel | 3, FLAT_CODE | X86_SEG_DB, 3);
    s->rip = to64 ? target : (u32)target;
    if (cpu->long_mode) {
        u64 keep = X86_RF | X86_VM;
        s->rflags = (s->gpr[X86_R11] & 0x3c7fd7 & ~keep) | X86_FLAG1;
    } else {
        s->rflags |= X86_IF;
    }
    if (intel) {
        load_flat(cpu, X86_SS, (sel + 8) | 3, FLAT_DATA, 3);
    } else {
        /* AMD loads the selector alone; base, limit and attributes stay as they are. */
        struct x86_segment *ss = &s->seg[X86_SS];
        ss->sel = (u16)((sel + 8) | 3);
        ss->attr |= 3 << X86_SEG_DPL_SHIFT;
    }
    x86_cpu_derive(cpu);
    return X86_END;
}

int x86_exec_sysenter(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    struct x86_state *s = &cpu->s;
    if (cpu->real)
        return x86_gp0(cpu);
    if (cpu->vendor == X86_VENDOR_AMD && cpu->long_mode)
        return x86_ud(cpu);
    if (!(s->sysenter_cs & 0xfffc))
        return x86_gp0(cpu);
    int r = x86_intercept(cpu, X86_ICPT_SYSCALL);
    if (r)
        return r;
    unsigned cs = s->sysenter_cs & 0xfffc;
    s->rflags &= ~(u64)(X86_VM | X86_IF | X86_RF);
    load_flat(cpu, X86_CS, cs, FLAT_CODE | (cpu->long_mode ? X86_SEG_L : X86_SEG_DB), 0);
    load_flat(cpu, X86_SS, cs + 8, FLAT_DATA, 0);
    s->rip = cpu->long_mode ? s->sysenter_eip : (u32)s->sysenter_eip;
    s->gpr[X86_RSP] = cpu->long_mode ? s->sysenter_esp : (u32)s->sysenter_esp;
    x86_cpu_derive(cpu);
    return X86_END;
}

int x86_exec_sysexit(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    struct x86_state *s = &cpu->s;
    if (cpu->real)
        return x86_gp0(cpu);
    int r = x86_require_cpl0(cpu);
    if (r)
        return r;
    if (cpu->vendor == X86_VENDOR_AMD && cpu->long_mode)
        return x86_ud(cpu);
    if (!(s->sysenter_cs & 0xfffc))
        return x86_gp0(cpu);
    bool to64 = insn->osz == 8;
    u64 rip = s->gpr[X86_RDX], rsp = s->gpr[X86_RCX];
    if (to64 && !(x86_canonical(rip) && x86_canonical(rsp)))
        return x86_gp0(cpu);
    unsigned cs = ((s->sysenter_cs & 0xfffc) + (to64 ? 32 : 16)) | 3;
    load_flat(cpu, X86_CS, cs, FLAT_CODE | (to64 ? X86_SEG_L : X86_SEG_DB), 3);
    load_flat(cpu, X86_SS, cs + 8, FLAT_DATA, 3);
    s->rip = to64 ? rip : (u32)rip;
    s->gpr[X86_RSP] = to64 ? rsp : (u32)rsp;
    x86_cpu_derive(cpu);
    return X86_END;
}
