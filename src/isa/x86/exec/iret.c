/* SPDX-License-Identifier: BSD-2-Clause */
/* IRET in all modes [SDM2 IRET]. */
#include "isa/x86/exec/descriptor.h"

static int peek(struct x86_cpu *cpu, unsigned n, unsigned size, u64 *v)
{
    return x86_load(cpu, X86_SS, x86_sp_add(cpu, (i64)(n * size)), size, v);
}

struct frame {
    u64 rip, cs, flags, rsp, ss;
};

static int iret_real(struct x86_cpu *cpu, const struct frame *f, unsigned size)
{
    if (f->rip > (cpu->vm86 ? 0xffff : cpu->s.seg[X86_CS].limit))
        return x86_gp0(cpu);
    u64 mask = x86_writable_flags(cpu, size);
    x86_set_sp(cpu, x86_sp_add(cpu, 3 * (i64)size));
    x86_segment_load_real(cpu, X86_CS, (u16)f->cs);
    cpu->s.rip = f->rip;
    x86_set_flags(cpu, mask, f->flags);
    x86_cpu_derive(cpu);
    return X86_END;
}

/* Virtual-8086 mode, IOPL below 3: the program's IF is VIF [SDM3 20.3.2]. */
static int iret_vme(struct x86_cpu *cpu, const struct frame *f)
{
    if ((f->flags & X86_TF) || ((f->flags & X86_IF) && (cpu->s.rflags & X86_VIP)) ||
        f->rip > 0xffff)
        return x86_gp0(cpu);
    u64 mask = (x86_writable_flags(cpu, 2) & ~(u64)(X86_IF | X86_IOPL)) | X86_VIF;
    x86_set_sp(cpu, x86_sp_add(cpu, 6));
    x86_segment_load_real(cpu, X86_CS, (u16)f->cs);
    cpu->s.rip = f->rip;
    x86_set_flags(cpu, mask, f->flags & X86_IF ? f->flags | X86_VIF : f->flags);
    x86_cpu_derive(cpu);
    return X86_END;
}

/* From ring 0 into virtual-8086 mode: nine words. */
static int iret_to_vm86(struct x86_cpu *cpu, const struct frame *f)
{
    static const u8 order[] = {X86_SS, X86_ES, X86_DS, X86_FS, X86_GS};
    u64 esp, sel[5];
    int r = peek(cpu, 3, 4, &esp);
    for (unsigned i = 0; i < 5 && r == X86_OK; i++)
        r = peek(cpu, 4 + i, 4, &sel[i]);
    if (r == X86_OK && (f->rip >> 16))
        r = x86_gp0(cpu);
    if (r)
        return r;
    u64 mask = x86_writable_flags(cpu, 4) | X86_IOPL | X86_IF | X86_VIF | X86_VIP | X86_VM;
    cpu->s.rflags = (cpu->s.rflags & ~mask) | (f->flags & mask);
    for (unsigned i = 0; i < 5; i++)
        x86_segment_load_real(cpu, order[i], (u16)sel[i]);
    x86_segment_load_real(cpu, X86_CS, (u16)f->cs);
    cpu->s.rip = f->rip;
    cpu->s.gpr[X86_RSP] = (u32)esp;
    cpu->s.nmi_blocked = 0;
    x86_cpu_derive(cpu);
    return X86_END;
}

static int load_code(struct x86_cpu *cpu, unsigned sel, u64 rip, struct x86_descriptor *d)
{
    unsigned rpl = sel & 3;
    if (x86_null_selector(sel))
        return x86_gp0(cpu);
    int r = x86_descriptor_load(cpu, sel, X86_GP, 0, d);
    if (r)
        return r;
    bool ok = x86_desc_is_code(d) && !x86_desc_bad_long_code(cpu, d) && rpl >= cpu->cpl &&
              (x86_desc_conforming(d) ? x86_desc_dpl(d) <= rpl : x86_desc_dpl(d) == rpl);
    if (!ok)
        return x86_selector_fault(cpu, X86_GP, sel, 0);
    if (!x86_desc_present(d))
        return x86_selector_fault(cpu, X86_NP, sel, 0);
    bool to64 = cpu->long_mode && (x86_desc_attr(d) & X86_SEG_L);
    return (to64 ? !x86_canonical(rip) : rip > x86_desc_limit(d)) ? x86_gp0(cpu) : X86_OK;
}

static int iret_protected(struct x86_cpu *cpu, const struct frame *f, unsigned size)
{
    unsigned sel = (u16)f->cs, rpl = sel & 3, old_cpl = cpu->cpl;
    /* 64-bit mode always returns with a stack, the others only to an outer level. */
    bool with_stack = cpu->mode == X86_MODE64 || rpl > old_cpl;
    u64 rsp = 0, ss_sel = 0;
    struct x86_descriptor code;
    struct x86_segment ss = cpu->s.seg[X86_SS];
    int r = load_code(cpu, sel, f->rip, &code);
    if (r == X86_OK && with_stack) {
        r = peek(cpu, 3, size, &rsp);
        if (r == X86_OK)
            r = peek(cpu, 4, size, &ss_sel);
        bool to64 = cpu->long_mode && (x86_desc_attr(&code) & X86_SEG_L);
        if (r == X86_OK)
            r = x86_segment_check_stack(cpu, (u16)ss_sel, rpl, X86_GP, 0, to64, &ss);
    }
    if (r == X86_OK)
        r = x86_descriptor_mark_accessed(cpu, &code);
    if (r)
        return r;
    u64 mask = x86_writable_flags(cpu, size);
    if (old_cpl == 0 && size > 2)
        mask |= X86_VIF | X86_VIP;
    if (!with_stack)
        x86_set_sp(cpu, x86_sp_add(cpu, 3 * (i64)size));
    cpu->s.seg[X86_SS] = ss;
    cpu->s.seg[X86_CS] = x86_segment_from(sel, &code);
    cpu->s.rip = f->rip;
    cpu->s.rflags = (cpu->s.rflags & ~mask) | (f->flags & mask);
    cpu->s.nmi_blocked = 0;
    x86_cpu_derive(cpu);
    if (with_stack)
        x86_set_sp(cpu, rsp);
    if (rpl > old_cpl) {
        x86_segments_drop_inner(cpu, rpl);
        x86_cpu_derive(cpu);
    }
    return X86_END;
}

/* Back to the task that the link field names. */
static int iret_task(struct x86_cpu *cpu)
{
    u64 link;
    if (cpu->long_mode)
        return x86_gp0(cpu);
    int r = x86_sys_load(cpu, cpu->s.tr.base, 2, &link);
    if (r == X86_OK)
        r = x86_task_switch(cpu, (u16)link, X86_TASK_IRET, 0, NULL);
    if (r == X86_END)
        cpu->s.nmi_blocked = 0;
    return r;
}

int x86_exec_iret(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    unsigned size = insn->osz;
    struct frame f;
    bool vme = cpu->vm86 && x86_iopl(cpu) < 3;
    int r = x86_intercept(cpu, X86_ICPT_IRET);
    if (r)
        return r;
    if (vme && (!(cpu->s.cr4 & X86_CR4_VME) || size != 2))
        return x86_gp0(cpu);
    if (!cpu->real && !cpu->vm86 && (cpu->s.rflags & X86_NT))
        return iret_task(cpu);
    r = peek(cpu, 0, size, &f.rip);
    if (r == X86_OK)
        r = peek(cpu, 1, size, &f.cs);
    if (r == X86_OK)
        r = peek(cpu, 2, size, &f.flags);
    if (r)
        return r;
    if (vme)
        return iret_vme(cpu, &f);
    if (cpu->real || cpu->vm86) {
        r = iret_real(cpu, &f, size);
        if (r == X86_END)
            cpu->s.nmi_blocked = 0;
        return r;
    }
    if ((f.flags & X86_VM) && size == 4 && cpu->cpl == 0 && !cpu->long_mode)
        return iret_to_vm86(cpu, &f);
    return iret_protected(cpu, &f, size);
}
