/* SPDX-License-Identifier: BSD-2-Clause */
/* The gate at which vCPU threads wait, and what else of a machine is vm/'s own.
 *
 * hold is a set of reasons to keep every vCPU outside run(). Who sets one stores it and posts
 * VCPU_REQ_KICK; a vCPU looks at it after it consumed the kick, so a hold is never missed. lock is
 * a leaf: nothing is called with it held. */
#ifndef VM_VM_PRIV_H
#define VM_VM_PRIV_H

#include "base/os.h"
#include "vm/vm.h"

enum vm_hold {
    HOLD_START = 1 << 0, /* vm_start has not been called */
    HOLD_PAUSE = 1 << 1, /* pauses > 0 */
    HOLD_RESET = 1 << 2, /* vCPU 0's thread resets the machine when all the others are parked */
    HOLD_END = 1 << 3,
};

/* Guest TSC = guest_base + (host TSC - host_base) * ratio / 2^32 while the clock runs. */
struct tsc_map {
    bool native; /* false: computed from the clock */
    u64 host_base, guest_base, ratio;
};

struct vm_priv {
    struct os_mutex lock;
    struct os_cond changed; /* any of the fields below */
    u32 hold;               /* enum vm_hold; written under lock, read atomically */
    unsigned pauses;
    unsigned parked; /* vCPU threads outside run() that won't enter it while hold is set */
    bool resetting;
    enum vm_end end;
    int status;
    struct err error;
    struct os_thread *io;
    struct clock *own_clock; /* NULL when a test gave one */
    bool engine_ready;       /* engine->vm_init has succeeded */
    bool extint;             /* atomic: level of the PIC's output */
    struct tsc_map tsc[2];   /* readers use tsc[tsc_current]; changed by writing the other */
    unsigned tsc_current;
    u64 tsc_sample_ns, tsc_sample; /* first point of the host TSC's calibration */
};

/* gate.c: on the vCPU's thread. Returns true when it may enter run(), false at the machine's end.
 */
bool vm_gate(struct vcpu *v);
/* True when a vCPU should leave run() soon. */
static inline bool vm_held(const struct vm *vm)
{
    return __atomic_load_n(&vm->priv->hold, __ATOMIC_ACQUIRE) != 0;
}
void vm_hold(struct vm *vm, enum vm_hold why);

/* dma.c */
extern const struct dma_ops vm_dma_ops;

/* x86/tsc.c: the first sample; then at every start and stop of the clock. */
void vm_tsc_sample(struct vm *vm);
void vm_tsc_run(struct vm *vm, bool run);

#endif
