/* SPDX-License-Identifier: BSD-2-Clause */
/* What is derived from the canonical state, and raising exceptions. */
#include "isa/x86/exec/cpu.h"

#include "base/mem.h"
#include "isa/x86/exec/place.h"
#include "isa/x86/exec/system.h"

void x86_cpu_init(struct x86_cpu *cpu, const struct x86_ops *ops, void *owner,
                  const struct x86_cpu_model *model, u32 id, bool bsp)
{
    mem_fill(cpu, 0, sizeof *cpu);
    cpu->ops = ops;
    cpu->owner = owner;
    cpu->model = model;
    cpu->vendor = model->vendor;
    x86_tlb_init(cpu);
    x86_state_reset(&cpu->s, id, bsp);
    x86_cpu_derive(cpu);
}

/* A segment whose data accesses need no look at limit and type. */
static bool is_unlimited(const struct x86_segment *s)
{
    unsigned need = X86_SEG_P | X86_SEG_S | X86_SEG_WRITABLE;
    unsigned bad = X86_SEG_CODE | X86_SEG_CONFORMING | X86_SEG_UNUSABLE;
    return s->limit == 0xffffffff && (s->attr & (need | bad)) == need;
}

void x86_cpu_derive_privilege(struct x86_cpu *cpu)
{
    const struct x86_state *s = &cpu->s;
    bool ac = s->rflags & X86_AC;
    cpu->privilege = cpu->cpl == 3                   ? X86_TLB_USER
                     : ac && (s->cr4 & X86_CR4_SMAP) ? X86_TLB_KERNEL_AC
                                                     : X86_TLB_KERNEL;
    cpu->align_check = ac && cpu->cpl == 3 && (s->cr0 & X86_CR0_AM);
    bool checked = cpu->align_check || cpu->data_breaks || cpu->stores;
    cpu->tlb_index = checked ? X86_TLB_CHECKED : cpu->privilege;
}

void x86_cpu_derive(struct x86_cpu *cpu)
{
    const struct x86_state *s = &cpu->s;
    u16 cs = s->seg[X86_CS].attr, ss = s->seg[X86_SS].attr;
    cpu->real = !(s->cr0 & X86_CR0_PE);
    cpu->long_mode = (s->efer & X86_EFER_LMA) != 0;
    cpu->vm86 = !cpu->real && !cpu->long_mode && (s->rflags & X86_VM);
    cpu->mode = cpu->vm86                            ? X86_MODE16
                : cpu->long_mode && (cs & X86_SEG_L) ? X86_MODE64
                : cs & X86_SEG_DB                    ? X86_MODE32
                                                     : X86_MODE16;
    /* CS.RPL is not CPL just after CR0.PE was set; the stack segment's DPL always is. */
    cpu->cpl = cpu->real ? 0 : cpu->vm86 ? 3 : ss >> X86_SEG_DPL_SHIFT & 3;
    cpu->stack_size = cpu->mode == X86_MODE64 ? 8 : ss & X86_SEG_DB ? 4 : 2;
    cpu->rip_mask = cpu->mode == X86_MODE64 ? ~(u64)0 : 0xffffffff;
    cpu->flat = cpu->unlimited = 0;
    for (unsigned i = 0; cpu->mode != X86_MODE64 && i < X86_SREG_COUNT; i++) {
        if (!is_unlimited(&s->seg[i]))
            continue;
        cpu->unlimited |= (u8)(1 << i);
        if (s->seg[i].base == 0)
            cpu->flat |= (u8)(1 << i);
    }
    if (cpu->mode == X86_MODE64) {
        cpu->unlimited = (1 << X86_SREG_COUNT) - 1;
        cpu->flat = 1 << X86_ES | 1 << X86_CS | 1 << X86_SS | 1 << X86_DS;
    }
    x86_debug_derive(cpu);
    x86_cpu_derive_privilege(cpu);
}

int x86_raise(struct x86_cpu *cpu, unsigned vector)
{
    cpu->fault = (struct x86_event){.kind = X86_EVENT_EXCEPTION, .vector = (u8)vector};
    return X86_EXCEPTION;
}

int x86_raise_error(struct x86_cpu *cpu, unsigned vector, u32 error)
{
    cpu->fault = (struct x86_event){
        .kind = X86_EVENT_EXCEPTION, .vector = (u8)vector, .has_error = 1, .error = error};
    return X86_EXCEPTION;
}

int x86_require_cpl0(struct x86_cpu *cpu)
{
    if (unlikely(cpu->cpl != 0))
        return x86_gp0(cpu);
    return x86_intercept(cpu, X86_ICPT_PRIVILEGED);
}

void x86_flush_all(struct x86_cpu *cpu, bool global_too)
{
    x86_tlb_flush(cpu, global_too);
    if (cpu->ops->tlb_flushed)
        cpu->ops->tlb_flushed(cpu, true, 0);
}

void x86_flush_switch(struct x86_cpu *cpu, bool keep)
{
    x86_tlb_switch(cpu, keep);
    if (cpu->ops->tlb_flushed)
        cpu->ops->tlb_flushed(cpu, true, 0);
}

void x86_flush_page(struct x86_cpu *cpu, u64 va)
{
    x86_tlb_flush_page(cpu, va);
    if (cpu->ops->tlb_flushed)
        cpu->ops->tlb_flushed(cpu, false, va);
}

void x86_write_gpr(struct x86_cpu *cpu, unsigned reg, unsigned size, u64 value)
{
    u64 *r = &cpu->s.gpr[reg];
    *r = size == 8 ? value : size == 4 ? (u32)value : (*r & ~(u64)0xffff) | (u16)value;
}

int x86_read_rm16(struct x86_cpu *cpu, const struct x86_insn *insn, u16 *value)
{
    if (insn->flags & X86_I_MEM)
        return x86_load16(cpu, insn->seg, x86_effective(cpu, insn), value);
    *value = (u16)cpu->s.gpr[insn->rm];
    return X86_OK;
}

int x86_write_rm16(struct x86_cpu *cpu, const struct x86_insn *insn, u64 value)
{
    if (insn->flags & X86_I_MEM)
        return x86_store16(cpu, insn->seg, x86_effective(cpu, insn), (u16)value);
    x86_write_gpr(cpu, insn->rm, insn->osz, value);
    return X86_OK;
}
