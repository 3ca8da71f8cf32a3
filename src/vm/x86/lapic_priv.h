/* SPDX-License-Identifier: BSD-2-Clause */
/* Shared by the files of the local APIC: lapic.c (priorities, registers), lapic_msr.c (x2APIC and
 * mode changes), lapic_timer.c, lapic_bus.c (messages). Functions ending in _locked are called with
 * vcpu->lapic_lock held; all may post requests to their vCPU, whose lock is a leaf. */
#ifndef VM_X86_LAPIC_PRIV_H
#define VM_X86_LAPIC_PRIV_H

#include "base/bits.h"
#include "vm/vcpu.h"
#include "vm/vm.h"
#include "vm/x86/lapic.h"

/* Register numbers: offset / 16 in memory, index - 0x800 as MSR [SDM3 table 10-1, 10-6]. */
enum lapic_reg {
    LAPIC_ID = 0x02,
    LAPIC_VERSION = 0x03,
    LAPIC_TPR = 0x08,
    LAPIC_APR = 0x09,
    LAPIC_PPR = 0x0a,
    LAPIC_EOI = 0x0b,
    LAPIC_RRD = 0x0c,
    LAPIC_LDR = 0x0d,
    LAPIC_DFR = 0x0e,
    LAPIC_SVR = 0x0f,
    LAPIC_ISR = 0x10,
    LAPIC_TMR = 0x18,
    LAPIC_IRR = 0x20,
    LAPIC_ESR = 0x28,
    LAPIC_ICR_LOW = 0x30,
    LAPIC_ICR_HIGH = 0x31,
    LAPIC_LVT_TIMER = 0x32,
    LAPIC_LVT_LINT0 = 0x35,
    LAPIC_LVT_ERROR = 0x37,
    LAPIC_INITIAL = 0x38,
    LAPIC_CURRENT = 0x39,
    LAPIC_DIVIDE = 0x3e,
    LAPIC_SELF_IPI = 0x3f,
};
/* Index into x86_lapic.lvt. CMCI has no register: there are no machine-check banks. */
enum { LVT_CMCI, LVT_TIMER, LVT_THERMAL, LVT_PERFORMANCE, LVT_LINT0, LVT_LINT1, LVT_ERROR };
enum {
    LVT_MASKED = 1 << 16,
    SVR_ENABLE = 1 << 8,
    ESR_SEND_ILLEGAL = 1 << 5,
    ESR_RECEIVE_ILLEGAL = 1 << 6,
    ESR_ILLEGAL_REGISTER = 1 << 7,
    VECTOR_FIRST = 16, /* lower ones are illegal for APIC interrupts */
};

static inline bool lapic_enabled(const struct x86_lapic *l)
{
    return l->base & APIC_BASE_ENABLE;
}
static inline bool lapic_x2(const struct x86_lapic *l)
{
    return (l->base & (APIC_BASE_ENABLE | APIC_BASE_X2APIC)) ==
           (APIC_BASE_ENABLE | APIC_BASE_X2APIC);
}
static inline bool lapic_software_enabled(const struct x86_lapic *l)
{
    return l->svr & SVR_ENABLE;
}
/* Whether reg is a readable or writable register of the present mode. */
bool lapic_reg_readable(const struct x86_lapic *l, unsigned reg);
bool lapic_reg_writable(const struct x86_lapic *l, unsigned reg);
u32 lapic_reg_read_locked(struct vcpu *v, unsigned reg);
/* All but EOI, ICR_LOW and SELF_IPI, which leave the APIC and so are done without its lock. */
void lapic_reg_write_locked(struct vcpu *v, unsigned reg, u32 val);
/* What those three do; without the lock. */
void lapic_end_of_interrupt(struct vcpu *v);
void lapic_send_ipi(struct vcpu *v, u32 icr_low, u32 dest);

/* Takes a fixed interrupt into IRR. */
void lapic_accept_locked(struct vcpu *v, u8 vector, bool level);
void lapic_error_locked(struct vcpu *v, u32 esr_bit);
/* Sends the interrupt of a local vector table entry, if it is not masked. */
void lapic_local_locked(struct vcpu *v, unsigned entry);
/* Tells the vCPU when a vector can be taken now. */
void lapic_notify_locked(struct vcpu *v);
void lapic_registers_reset_locked(struct vcpu *v);

/* lapic_eoi.c: the end of an interrupt by memory. */
/* After a vector went into service alone (with nothing waiting): true when the guest may end it by
 * memory, and lapic_eoi_mark(v, true) is due without the lock. */
bool lapic_eoi_offer_locked(struct vcpu *v);
/* Ends the interrupt if the guest has ended it. Otherwise the offer is withdrawn when something
 * waits behind it, or in any case (always): then lapic_eoi_mark(v, false) is due. */
bool lapic_eoi_settle_locked(struct vcpu *v, bool always);
void lapic_eoi_mark(struct vcpu *v, bool set);
void lapic_eoi_settle(struct vcpu *v, bool always);
/* Something is in IRR. */
bool lapic_waiting_locked(const struct x86_lapic *l);
/* Clears the highest bit in service; -1: there was none. */
int lapic_finish_locked(struct vcpu *v);

/* lapic_timer.c */
void lapic_timer_fired(void *vcpu);
u32 lapic_timer_current_locked(struct vcpu *v);
void lapic_timer_set_initial_locked(struct vcpu *v, u32 count);
void lapic_timer_set_divide_locked(struct vcpu *v, u32 divide);
void lapic_timer_set_lvt_locked(struct vcpu *v, u32 lvt);
u64 lapic_timer_deadline_locked(const struct vcpu *v);
void lapic_timer_set_deadline_locked(struct vcpu *v, u64 tsc);
/* Looks whether it has expired, and arms the clock for the next expiry. */
void lapic_timer_run_locked(struct vcpu *v);

#endif
