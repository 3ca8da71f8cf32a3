/* SPDX-License-Identifier: BSD-2-Clause */
/* The local APIC as MSRs: IA32_APIC_BASE, x2APIC mode, the TSC deadline [SDM3 10.12]. */
#include "vm/x86/lapic_priv.h"

enum { MSR_APIC_BASE = 0x1b, MSR_TSC_DEADLINE = 0x6e0, MSR_X2APIC = 0x800 };
enum { X2_ICR_RESERVED = 0xfff33000 };

/* [SDM3 figure 10-27]: disabled -> xAPIC -> x2APIC, back only through disabled. */
static bool transition_allowed(u64 from, u64 to)
{
    const u64 both = APIC_BASE_ENABLE | APIC_BASE_X2APIC;
    from &= both;
    to &= both;
    if (to == APIC_BASE_X2APIC)
        return false;
    if (to == both)
        return from != 0;
    return !(from == both && to == APIC_BASE_ENABLE);
}

static int write_base(struct vcpu *v, u64 val)
{
    const struct x86_cpu_model *m = &v->vm->model;
    unsigned bits = m->physical_bits ? m->physical_bits : 36;
    u64 allowed = (mask_low(bits) & ~(u64)0xfff) | APIC_BASE_BSP | APIC_BASE_ENABLE;
    if (x86_model_has(m, X86_FEATURE_X2APIC))
        allowed |= APIC_BASE_X2APIC;
    with_lock(&v->lapic_lock);
    struct x86_lapic *l = &v->lapic;
    if ((val & ~allowed) || !transition_allowed(l->base, val))
        return -1;
    bool was_enabled = lapic_enabled(l), was_x2 = lapic_x2(l);
    l->base = val;
    if (was_enabled && !lapic_enabled(l)) { /* "loses its state" [SDM3 10.12.5.1] */
        lapic_registers_reset_locked(v);
        vcpu_post(v, VCPU_REQ_INTERRUPT); /* INTR goes around it now */
    }
    if (!was_x2 && lapic_x2(l)) {
        l->ldr = (l->id >> 4) << 16 | 1u << (l->id & 15);
        l->icr_high = 0;
    }
    return 0;
}

static int deadline(struct vcpu *v, bool write, u64 *val)
{
    if (!x86_model_has(&v->vm->model, X86_FEATURE_TSC_DEADLINE))
        return -1;
    with_lock(&v->lapic_lock);
    if (write)
        lapic_timer_set_deadline_locked(v, *val);
    else
        *val = lapic_timer_deadline_locked(v);
    return 0;
}

/* Reserved bits make #GP instead of vanishing [SDM3 10.12.1.3]. */
static bool x2_value_allowed(unsigned reg, u64 val)
{
    if (reg == LAPIC_ICR_LOW)
        return !(val & X2_ICR_RESERVED);
    if (val >> 32)
        return false;
    switch (reg) {
    case LAPIC_EOI:
    case LAPIC_ESR: return val == 0;
    case LAPIC_TPR:
    case LAPIC_SELF_IPI: return val <= 0xff;
    default: return true;
    }
}

static int x2_write(struct vcpu *v, unsigned reg, u64 val)
{
    os_mutex_lock(&v->lapic_lock);
    bool ok =
        lapic_x2(&v->lapic) && lapic_reg_writable(&v->lapic, reg) && x2_value_allowed(reg, val);
    bool leaves = reg == LAPIC_EOI || reg == LAPIC_ICR_LOW || reg == LAPIC_SELF_IPI;
    if (ok && !leaves)
        lapic_reg_write_locked(v, reg, (u32)val);
    if (ok && reg == LAPIC_ICR_LOW)
        v->lapic.icr_high = (u32)(val >> 32);
    os_mutex_unlock(&v->lapic_lock);
    if (!ok)
        return -1;
    if (reg == LAPIC_EOI)
        lapic_end_of_interrupt(v);
    else if (reg == LAPIC_ICR_LOW)
        lapic_send_ipi(v, (u32)val, (u32)(val >> 32));
    else if (reg == LAPIC_SELF_IPI)
        lapic_deliver(v->vm, v->index, false, APIC_FIXED, (u8)val, true, false);
    return 0;
}

static int x2_read(struct vcpu *v, unsigned reg, u64 *val)
{
    with_lock(&v->lapic_lock);
    if (!lapic_x2(&v->lapic) || !lapic_reg_readable(&v->lapic, reg))
        return -1;
    *val = lapic_reg_read_locked(v, reg);
    if (reg == LAPIC_ICR_LOW)
        *val |= (u64)v->lapic.icr_high << 32;
    return 0;
}

int lapic_msr(struct vcpu *v, u32 index, bool write, u64 *val)
{
    lapic_eoi_settle(v, false);
    if (index == MSR_APIC_BASE && write)
        return write_base(v, *val);
    if (index == MSR_APIC_BASE) {
        *val = v->lapic.base;
        return 0;
    }
    if (index == MSR_TSC_DEADLINE)
        return deadline(v, write, val);
    if (index - MSR_X2APIC > 0xff)
        return -1;
    return write ? x2_write(v, index - MSR_X2APIC, *val) : x2_read(v, index - MSR_X2APIC, val);
}
