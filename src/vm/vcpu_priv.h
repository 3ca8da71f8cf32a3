/* SPDX-License-Identifier: BSD-2-Clause */
/* What a vCPU is to vm/ itself: its thread, its sleep, start-up and the parts behind MSRs. */
#ifndef VM_VCPU_PRIV_H
#define VM_VCPU_PRIV_H

#include "base/os.h"
#include "vm/vcpu.h"

enum { VCPU_MSRS_MAX = 64 };

struct vcpu_priv {
    struct os_thread *thread;
    struct os_mutex lock; /* guards the sleep below; a leaf lock */
    struct os_cond wake;
    bool sleeping;        /* atomic: the poster looks at it after setting a request bit */
    bool init_done;       /* engine->vcpu_init has succeeded */

    u64 msr[VCPU_MSRS_MAX]; /* values of the rows of x86/msr.c, by row; the vCPU's thread */
    u64 exit_started_ns;
};

/* vcpu.c */
struct vcpu *vcpu_alloc(struct vm *vm, unsigned index);
/* Starts the thread, which makes the engine's part and waits to be let go. */
int vcpu_start_thread(struct vcpu *v, struct err *e) must_check;
void vcpu_destroy(struct vcpu *v);

/* x86/msr.c: reset values, and the open list of the canonical state. */
void vcpu_msr_reset(struct vcpu *v);
void vcpu_msr_save(struct vcpu *v, struct x86_state *s);
int vcpu_msr_load(struct vcpu *v, const struct x86_state *s, struct err *e) must_check;

#endif
