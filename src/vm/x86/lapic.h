/* SPDX-License-Identifier: BSD-2-Clause */
/* The local APIC of engines that have none of their own: xAPIC registers in memory, x2APIC
 * registers as MSRs, the timer, and the delivery of interrupts between processors [SDM3 10].
 *
 * State lives in vcpu->lapic and is guarded by vcpu->lapic_lock; every function here takes the
 * locks it needs, one at a time, and none may be held by the caller. An interrupt controller may
 * call in with its own lock held; end-of-interrupt broadcasts leave without any. */
#ifndef VM_X86_LAPIC_H
#define VM_X86_LAPIC_H

#include "base/types.h"

struct vm;
struct vcpu;
struct x86_lapic;

/* Delivery modes of the ICR, LVT entries, I/O APIC entries and MSI data [SDM3 10.6.1]. */
enum apic_delivery {
    APIC_FIXED = 0,
    APIC_LOWEST = 1,
    APIC_SMI = 2,
    APIC_NMI = 4,
    APIC_INIT = 5,
    APIC_STARTUP = 6,
    APIC_EXTINT = 7,
};
enum {
    APIC_BASE_BSP = 1 << 8,
    APIC_BASE_X2APIC = 1 << 10,
    APIC_BASE_ENABLE = 1 << 11,
    APIC_DEFAULT_BASE = 0xfee00000,
    APIC_SIZE = 0x1000,
    /* The timer counts at 1 GHz before its divider; CPUID leaf 0x15 tells the guest so. */
    APIC_TIMER_HZ = 1000000000,
};

/* Once per vCPU, when vcpu->vm, index and the machine's clock are set; resets. */
void lapic_init(struct vcpu *v);
void lapic_fini(struct vcpu *v);
/* Power-up state; the processor with index 0 is the bootstrap processor. */
void lapic_reset(struct vcpu *v);
/* What INIT does to it: IA32_APIC_BASE and the ID stay [SDM3 10.4.7.3]. */
void lapic_reset_by_init(struct vcpu *v);

/* True when the register page is enabled at lapic.base (not in x2APIC mode). */
bool lapic_has_mmio(struct vcpu *v);
/* An access to the register page at off, by its own vCPU. */
void lapic_mmio(struct vcpu *v, u32 off, unsigned size, bool write, u64 *val);
/* IA32_APIC_BASE (0x1b), IA32_TSC_DEADLINE (0x6e0), 0x800-0x8ff: 0, or -1 for #GP. */
int lapic_msr(struct vcpu *v, u32 index, bool write, u64 *val);
/* The offset the guest's TSC has to vcpu_tsc() changed: the deadline timer counts with it. */
void lapic_set_tsc_offset(struct vcpu *v, u64 offset);

/* A bus message to every local APIC that dest names; INIT and SIPI become vcpu requests, the SIPI
 * vector goes to vcpu->sipi_vector first. Any thread. */
void lapic_deliver(struct vm *vm, u32 dest, bool logical, unsigned mode, u8 vector, bool level,
                   bool trigger_level);
/* The write of a message-signalled interrupt [SDM3 10.11]. Any thread. */
void lapic_msi(struct vm *vm, u64 addr, u32 data);
/* Input pin LINT0 or LINT1 changed. ExtINT only wakes the vCPU: the vector comes from the PIC. */
void lapic_lint(struct vcpu *v, unsigned pin, bool level);

/* A vector that the priorities let through is waiting. */
bool lapic_pending(struct vcpu *v);
/* Acknowledges it: its number, or -1. */
int lapic_take(struct vcpu *v);
/* The PIC's INTR reaches this processor: LINT0 is an unmasked ExtINT, or the APIC is disabled. */
bool lapic_accepts_extint(struct vcpu *v);

/* The task priority as CR8 shows it: bits 7:4 of the TPR. */
void lapic_set_tpr(struct vcpu *v, u64 cr8);
u64 lapic_get_tpr(struct vcpu *v);

/* Names a word in guest memory whose bit 0 is set while the guest may end the interrupt in service
 * by clearing it, or none. By its own vCPU, or while that is outside run(). */
void lapic_set_eoi_word(struct vcpu *v, bool on, gpa_t addr);

void lapic_save(struct vcpu *v, struct x86_lapic *out);
/* Any content is safe: fields are masked to what the registers can hold. */
void lapic_load(struct vcpu *v, const struct x86_lapic *in);

#endif
