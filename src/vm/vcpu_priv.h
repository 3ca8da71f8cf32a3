/* SPDX-License-Identifier: BSD-2-Clause */
/* What a vCPU is to vm/ itself: its thread, its sleep and the registers behind x86/msr.c. */
#ifndef VM_VCPU_PRIV_H
#define VM_VCPU_PRIV_H

#include "base/os.h"
#include "vm/vcpu.h"

enum { VCPU_MSRS_MAX = 64 };

struct vcpu_priv {
    struct os_thread *thread;
    struct os_mutex lock; /* guards the sleep and init fields; a leaf lock */
    struct os_cond wake;
    bool sleeping;  /* atomic: the poster looks at it after setting a request bit */
    bool init_done; /* engine->vcpu_init has returned init_result */
    int init_result;
    u64 msr[VCPU_MSRS_MAX]; /* by row of the table in x86/msr.c; the vCPU's thread */
};

/* vcpu.c */
struct vcpu *vcpu_alloc(struct vm *vm, unsigned index);
/* Prepares the local APIC and starts the thread, which makes the engine's part and then waits at
 * the gate. */
int vcpu_start_thread(struct vcpu *v, struct err *e) must_check;
/* Waits for the thread's end (the machine must have ended) and frees. */
void vcpu_destroy(struct vcpu *v);

/* x86/para.c: to the paravirtual interface, if there is one (struct hypercall_ops). */
void vcpu_para_reset(struct vcpu *v);
void vcpu_para_sleep(struct vcpu *v, bool asleep);
void vcpu_para_interrupt(struct vcpu *v);
void vcpu_para_tsc_offset(struct vcpu *v, u64 offset);
void vcpu_para_save(struct vcpu *v, struct x86_state *s);
void vcpu_para_load(struct vcpu *v, const struct x86_state *s);

/* x86/msr.c: reset values, and the open list of the canonical state. */
void vcpu_msr_reset(struct vcpu *v);
void vcpu_msr_save(struct vcpu *v, struct x86_state *s);
int vcpu_msr_load(struct vcpu *v, const struct x86_state *s, struct err *e) must_check;

#endif
