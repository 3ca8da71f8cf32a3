/* SPDX-License-Identifier: BSD-2-Clause */
/* Registers and priorities of the local APIC [SDM3 10.4, 10.8]. */
#include "vm/x86/lapic_priv.h"

#include "base/mem.h"

enum {
    /* Integrated; all entries but CMCI; broadcasts of EOIs cannot be suppressed. */
    VERSION = 0x14 | (LVT_ERROR - 1) << 16,
    SVR_WRITABLE = 0x1ff,
    EXTINT_UNMASKED = APIC_EXTINT << 8,
};
/* [SDM3 figure 10-8] vector, delivery mode, polarity, trigger mode, mask, timer mode. */
static const u32 lvt_writable[7] = {0, 0x700ff, 0x107ff, 0x107ff, 0x1a7ff, 0x1a7ff, 0x100ff};

static bool vector_test(const u32 set[8], u8 n)
{
    return set[n >> 5] >> (n & 31) & 1;
}

static void vector_put(u32 set[8], u8 n, bool on)
{
    u32 bit = 1u << (n & 31);
    set[n >> 5] = on ? set[n >> 5] | bit : set[n >> 5] & ~bit;
}

/* Highest vector of the set, or -1. */
static int vector_highest(const u32 set[8])
{
    for (int i = 7; i >= 0; i--)
        if (set[i])
            return 32 * i + 31 - __builtin_clz(set[i]);
    return -1;
}

/* [SDM3 10.8.3.1] */
static u8 processor_priority(const struct x86_lapic *l)
{
    int isr = vector_highest(l->isr);
    u8 serving = isr < 0 ? 0 : (u8)isr;
    return l->tpr >> 4 >= serving >> 4 ? (u8)l->tpr : serving & 0xf0;
}

static int pending_vector(const struct x86_lapic *l)
{
    int irr = lapic_enabled(l) ? vector_highest(l->irr) : -1;
    return irr >= 0 && irr >> 4 > processor_priority(l) >> 4 ? irr : -1;
}

bool lapic_waiting_locked(const struct x86_lapic *l)
{
    return vector_highest(l->irr) >= 0;
}

/* What seems to wait for an end of interrupt may have had it, by memory: the vCPU has to look. */
void lapic_notify_locked(struct vcpu *v)
{
    if (pending_vector(&v->lapic) >= 0 || (v->eoi_word.offered && lapic_waiting_locked(&v->lapic)))
        vcpu_post(v, VCPU_REQ_INTERRUPT);
}

void lapic_error_locked(struct vcpu *v, u32 esr_bit)
{
    if (v->lapic.esr_pending & esr_bit)
        return;
    v->lapic.esr_pending |= esr_bit;
    lapic_local_locked(v, LVT_ERROR);
}

void lapic_accept_locked(struct vcpu *v, u8 vector, bool level)
{
    struct x86_lapic *l = &v->lapic;
    if (!lapic_enabled(l) || !lapic_software_enabled(l))
        return;
    if (vector < VECTOR_FIRST)
        return lapic_error_locked(v, ESR_RECEIVE_ILLEGAL);
    vector_put(l->irr, vector, true);
    vector_put(l->tmr, vector, level);
    lapic_notify_locked(v);
}

void lapic_local_locked(struct vcpu *v, unsigned entry)
{
    u32 lvt = v->lapic.lvt[entry];
    if (lvt & LVT_MASKED)
        return;
    unsigned mode = entry == LVT_TIMER || entry == LVT_ERROR ? APIC_FIXED : lvt >> 8 & 7;
    if (mode == APIC_FIXED)
        lapic_accept_locked(v, (u8)lvt, false);
    else if (mode == APIC_NMI)
        vcpu_post(v, VCPU_REQ_NMI);
    else if (mode == APIC_EXTINT)
        vcpu_post(v, VCPU_REQ_INTERRUPT);
}

bool lapic_pending(struct vcpu *v)
{
    lapic_eoi_settle(v, false);
    with_lock(&v->lapic_lock);
    return pending_vector(&v->lapic) >= 0;
}

int lapic_take(struct vcpu *v)
{
    struct x86_lapic *l = &v->lapic;
    bool offer = false;
    os_mutex_lock(&v->lapic_lock);
    bool withdraw = lapic_eoi_settle_locked(v, false);
    int vector = pending_vector(l);
    if (vector >= 0) {
        bool alone = vector_highest(l->isr) < 0 && !vector_test(l->tmr, (u8)vector);
        vector_put(l->irr, (u8)vector, false);
        vector_put(l->isr, (u8)vector, true);
        offer = alone && lapic_eoi_offer_locked(v);
    }
    os_mutex_unlock(&v->lapic_lock);
    if (offer || withdraw)
        lapic_eoi_mark(v, offer);
    return vector;
}

int lapic_finish_locked(struct vcpu *v)
{
    int isr = vector_highest(v->lapic.isr);
    if (isr >= 0) {
        vector_put(v->lapic.isr, (u8)isr, false);
        lapic_notify_locked(v);
    }
    return isr;
}

/* The number of a level interrupt that has ended, which the I/O APIC must be told; or -1. */
static int finish_level(struct vcpu *v)
{
    with_lock(&v->lapic_lock);
    int vector = lapic_finish_locked(v);
    return vector >= 0 && vector_test(v->lapic.tmr, (u8)vector) ? vector : -1;
}

void lapic_end_of_interrupt(struct vcpu *v)
{
    vcpu_count(v, EXIT_EOI);
    lapic_eoi_settle(v, true);
    int vector = finish_level(v);
    if (vector >= 0 && v->vm->eoi)
        v->vm->eoi(v->vm->eoi_ctx, (u8)vector);
}

static void write_svr(struct vcpu *v, u32 val)
{
    struct x86_lapic *l = &v->lapic;
    l->svr = val & SVR_WRITABLE;
    for (unsigned i = 0; i < 7 && !lapic_software_enabled(l); i++)
        l->lvt[i] |= LVT_MASKED; /* [SDM3 10.4.7.2] */
}

static void write_lvt(struct vcpu *v, unsigned entry, u32 val)
{
    val &= lvt_writable[entry];
    if (!lapic_software_enabled(&v->lapic))
        val |= LVT_MASKED;
    if (entry == LVT_TIMER)
        return lapic_timer_set_lvt_locked(v, val);
    v->lapic.lvt[entry] = val;
    if (entry == LVT_LINT0 && !(val & LVT_MASKED)) /* the PIC may be waiting behind it */
        vcpu_post(v, VCPU_REQ_INTERRUPT);
}

void lapic_reg_write_locked(struct vcpu *v, unsigned reg, u32 val)
{
    struct x86_lapic *l = &v->lapic;
    switch (reg) {
    case LAPIC_TPR:
        l->tpr = val & 0xff;
        lapic_notify_locked(v);
        break;
    case LAPIC_LDR: l->ldr = val & 0xff000000; break;
    case LAPIC_DFR: l->dfr = val | 0x0fffffff; break;
    case LAPIC_SVR: write_svr(v, val); break;
    case LAPIC_ESR: /* a write latches what was found since the last one [SDM3 10.5.3] */
        l->esr = l->esr_pending;
        l->esr_pending = 0;
        break;
    case LAPIC_ICR_HIGH: l->icr_high = val & 0xff000000; break;
    case LAPIC_INITIAL: lapic_timer_set_initial_locked(v, val); break;
    case LAPIC_DIVIDE: lapic_timer_set_divide_locked(v, val & 0xb); break;
    default:
        if (reg >= LAPIC_LVT_TIMER && reg <= LAPIC_LVT_ERROR)
            write_lvt(v, reg - LAPIC_LVT_TIMER + LVT_TIMER, val);
        break;
    }
}

u32 lapic_reg_read_locked(struct vcpu *v, unsigned reg)
{
    struct x86_lapic *l = &v->lapic;
    switch (reg) {
    case LAPIC_ID: return lapic_x2(l) ? l->id : l->id << 24;
    case LAPIC_VERSION: return VERSION;
    case LAPIC_TPR: return l->tpr;
    case LAPIC_PPR: return processor_priority(l);
    case LAPIC_LDR: return l->ldr;
    case LAPIC_DFR: return l->dfr;
    case LAPIC_SVR: return l->svr;
    case LAPIC_ESR: return l->esr;
    case LAPIC_ICR_LOW: return l->icr_low;
    case LAPIC_ICR_HIGH: return l->icr_high;
    case LAPIC_INITIAL: return l->timer_initial;
    case LAPIC_CURRENT: return lapic_timer_current_locked(v);
    case LAPIC_DIVIDE: return l->timer_divide;
    default: break;
    }
    if (reg >= LAPIC_LVT_TIMER && reg <= LAPIC_LVT_ERROR)
        return l->lvt[reg - LAPIC_LVT_TIMER + LVT_TIMER];
    if (reg >= LAPIC_ISR && reg < LAPIC_ESR) {
        const u32 *set = reg < LAPIC_TMR ? l->isr : reg < LAPIC_IRR ? l->tmr : l->irr;
        return set[reg & 7];
    }
    return 0; /* APR and RRD: arbitration is over at once here */
}

bool lapic_reg_writable(const struct x86_lapic *l, unsigned reg)
{
    switch (reg) {
    case LAPIC_LDR:
    case LAPIC_DFR:
    case LAPIC_ICR_HIGH: return !lapic_x2(l);
    case LAPIC_SELF_IPI: return lapic_x2(l);
    case LAPIC_TPR:
    case LAPIC_EOI:
    case LAPIC_SVR:
    case LAPIC_ESR:
    case LAPIC_ICR_LOW:
    case LAPIC_INITIAL:
    case LAPIC_DIVIDE: return true;
    default: return reg >= LAPIC_LVT_TIMER && reg <= LAPIC_LVT_ERROR;
    }
}

bool lapic_reg_readable(const struct x86_lapic *l, unsigned reg)
{
    switch (reg) {
    case LAPIC_APR:
    case LAPIC_RRD:
    case LAPIC_DFR:
    case LAPIC_ICR_HIGH: return !lapic_x2(l);
    case LAPIC_ID:
    case LAPIC_VERSION:
    case LAPIC_TPR:
    case LAPIC_PPR:
    case LAPIC_LDR:
    case LAPIC_SVR:
    case LAPIC_DIVIDE: return true;
    case LAPIC_EOI: return false;
    default:
        return (reg >= LAPIC_ISR && reg <= LAPIC_ESR) ||
               (reg >= LAPIC_ICR_LOW && reg <= LAPIC_CURRENT);
    }
}

bool lapic_has_mmio(struct vcpu *v)
{
    const struct x86_lapic *l = &v->lapic; /* its base is written by this vCPU alone */
    return lapic_enabled(l) && !lapic_x2(l);
}

static u32 mmio_read(struct vcpu *v, unsigned reg)
{
    with_lock(&v->lapic_lock);
    if (lapic_reg_readable(&v->lapic, reg))
        return lapic_reg_read_locked(v, reg);
    if (reg != LAPIC_EOI) /* reading it is harmless on every processor */
        lapic_error_locked(v, ESR_ILLEGAL_REGISTER);
    return 0;
}

static void mmio_write(struct vcpu *v, unsigned reg, u32 val)
{
    with_lock(&v->lapic_lock);
    if (lapic_reg_writable(&v->lapic, reg))
        lapic_reg_write_locked(v, reg, val);
    else if (!lapic_reg_readable(&v->lapic, reg)) /* writes to read-only ones vanish */
        lapic_error_locked(v, ESR_ILLEGAL_REGISTER);
}

void lapic_mmio(struct vcpu *v, u32 off, unsigned size, bool write, u64 *val)
{
    unsigned reg = off >> 4 & 0xff;
    lapic_eoi_settle(v, false);
    if (!write) {
        /* "must be accessed using 128-bit aligned 32-bit loads" [SDM3 10.4.1]; the rest is
         * undefined: pieces of the register here. */
        unsigned shift = 8 * (off & 15);
        u64 v64 = mmio_read(v, reg);
        *val = (shift < 32 ? v64 >> shift : 0) & mask_low(8 * size);
        return;
    }
    if (size < 4 || (off & 15))
        return;
    if (reg == LAPIC_EOI)
        lapic_end_of_interrupt(v);
    else if (reg == LAPIC_ICR_LOW)
        lapic_send_ipi(v, (u32)*val, v->lapic.icr_high >> 24);
    else
        mmio_write(v, reg, (u32)*val);
}

bool lapic_accepts_extint(struct vcpu *v)
{
    with_lock(&v->lapic_lock);
    const struct x86_lapic *l = &v->lapic;
    return !lapic_enabled(l) || (l->lvt[LVT_LINT0] & (LVT_MASKED | 0x700)) == EXTINT_UNMASKED;
}

void lapic_lint(struct vcpu *v, unsigned pin, bool level)
{
    if (!level || pin > 1)
        return;
    with_lock(&v->lapic_lock);
    if (lapic_enabled(&v->lapic))
        lapic_local_locked(v, LVT_LINT0 + pin);
    else /* the pins are INTR and NMI [SDM3 10.4.3] */
        vcpu_post(v, pin ? VCPU_REQ_NMI : VCPU_REQ_INTERRUPT);
}

void lapic_set_tpr(struct vcpu *v, u64 cr8)
{
    with_lock(&v->lapic_lock);
    lapic_reg_write_locked(v, LAPIC_TPR, (u32)(cr8 & 15) << 4);
}

u64 lapic_get_tpr(struct vcpu *v)
{
    with_lock(&v->lapic_lock);
    return v->lapic.tpr >> 4 & 15;
}

/* [SDM3 10.4.7.1]. The bootstrap processor's LINT0 passes the PIC on, although the manual has it
 * masked: that is how firmware hands the machine over, and none may have run. */
void lapic_registers_reset_locked(struct vcpu *v)
{
    struct x86_lapic *l = &v->lapic;
    u64 base = l->base;
    v->eoi_word.offered = false;
    mem_fill(l, 0, sizeof *l);
    l->base = base;
    l->id = v->index;
    l->dfr = 0xffffffff;
    l->svr = 0xff;
    for (unsigned i = 0; i < 7; i++)
        l->lvt[i] = LVT_MASKED;
    if (base & APIC_BASE_BSP)
        l->lvt[LVT_LINT0] = EXTINT_UNMASKED;
    if (lapic_x2(l))
        l->ldr = (l->id >> 4) << 16 | 1u << (l->id & 15);
}

void lapic_reset_by_init(struct vcpu *v)
{
    with_lock(&v->lapic_lock);
    v->eoi_word.on = false;
    lapic_registers_reset_locked(v);
}

void lapic_reset(struct vcpu *v)
{
    with_lock(&v->lapic_lock);
    v->eoi_word.on = false;
    v->lapic.base = APIC_DEFAULT_BASE | APIC_BASE_ENABLE | (v->index ? 0 : APIC_BASE_BSP);
    v->tsc_offset = 0;
    lapic_registers_reset_locked(v);
}

void lapic_init(struct vcpu *v)
{
    vtimer_init(&v->lapic_timer, v->vm->clock, lapic_timer_fired, v);
    lapic_reset(v);
}

void lapic_fini(struct vcpu *v)
{
    vtimer_cancel(&v->lapic_timer);
}

void lapic_save(struct vcpu *v, struct x86_lapic *out)
{
    lapic_eoi_settle(v, true);
    with_lock(&v->lapic_lock);
    *out = v->lapic;
}

void lapic_load(struct vcpu *v, const struct x86_lapic *in)
{
    with_lock(&v->lapic_lock);
    struct x86_lapic *l = &v->lapic;
    v->eoi_word.offered = false;
    *l = *in;
    l->id = v->index;
    l->tpr &= 0xff;
    l->svr &= SVR_WRITABLE;
    l->timer_divide &= 0xb;
    for (unsigned i = 0; i < 7; i++)
        l->lvt[i] &= lvt_writable[i] | LVT_MASKED;
    l->isr[0] &= 0xffff0000; /* vectors below 16 are never pending or in service */
    l->irr[0] &= 0xffff0000;
    lapic_timer_run_locked(v);
    lapic_notify_locked(v);
}
