/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts of KVM's guest ABI: para_kvm.c (what there is), clock.c, steal.c, calls.c. */
#ifndef HYPERCALL_KVM_PARA_PRIV_H
#define HYPERCALL_KVM_PARA_PRIV_H

#include "hypercall/kvm/abi.h"
#include "hypercall/kvm/para_kvm.h"
#include "vm/vm.h"

/* What one processor's kernel has asked for: the MSRs as written. All but the clock's fields belong
 * to the vCPU's thread. */
struct para_cpu {
    u64 system_time, steal_time, eoi;
    u64 tsc_offset;
    u32 clock_version, steal_version;
    u64 delay_seen; /* the host's delay already accounted for */
    u64 steal_ns;
    u64 steal_due_ns; /* os_clock_ns() from which it is worth asking the host again */
};

struct para_kvm {
    struct vm *vm;
    u32 features;
    struct os_mutex lock; /* wall_clock, and system_time, tsc_offset, clock_version of every cpu */
    u64 wall_clock;
    u32 wall_version;
    struct para_cpu cpu[VM_CPUS_MAX];
};

static inline struct para_cpu *para_cpu(struct para_kvm *p, const struct vcpu *v)
{
    return &p->cpu[v->index];
}

/* clock.c */
void para_set_system_time(struct para_kvm *p, struct vcpu *v, u64 msr);
void para_set_wall_clock(struct para_kvm *p, struct vcpu *v, u64 msr);
void para_set_tsc_offset(struct para_kvm *p, struct vcpu *v, u64 offset);
/* KVM_CALL_CLOCK_PAIRING. */
i64 para_pair_clocks(struct para_kvm *p, struct vcpu *v, u64 addr, u64 type);

/* steal.c */
int para_set_steal_time(struct para_kvm *p, struct vcpu *v, u64 msr);
void para_update_steal(struct para_kvm *p, struct vcpu *v);
/* The processor stops executing until it is woken, and goes on. */
void para_sleep(struct para_kvm *p, struct vcpu *v, bool asleep);

/* calls.c */
int para_call(struct vcpu *v, void *para, struct x86_state *s);

#endif
