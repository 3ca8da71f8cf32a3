/* SPDX-License-Identifier: BSD-2-Clause */
/* Steal time: how long the host kept a processor from running, and whether it runs at all. Of a
 * sleeping processor the others know that its TLB can wait: they leave a note instead of
 * interrupting it, and it drops its translations before it executes again. */
#include "base/bits.h"
#include "hypercall/kvm/para_priv.h"

static gpa_t address(const struct para_cpu *c)
{
    return gpa(c->steal_time & ~(u64)0x3f);
}

/* The record, if the guest wants one and it is in RAM. */
static u8 *record(struct para_kvm *p, const struct para_cpu *c)
{
    if (!(c->steal_time & KVM_MSR_ENABLE))
        return NULL;
    return dma_ptr(&p->vm->dma, address(c), sizeof(struct kvm_steal_time));
}

int para_set_steal_time(struct para_kvm *p, struct vcpu *v, u64 msr)
{
    struct para_cpu *c = para_cpu(p, v);
    if (msr & 0x3e)
        return -1;
    c->steal_time = msr;
    c->steal_ns = 0;
    c->steal_due_ns = 0;
    if (msr & KVM_MSR_ENABLE)
        c->delay_seen = os_thread_delay_ns();
    para_update_steal(p, v);
    return 0;
}

void para_update_steal(struct para_kvm *p, struct vcpu *v)
{
    struct para_cpu *c = para_cpu(p, v);
    u8 *r = record(p, c);
    if (!r)
        return;
    u64 delay = os_thread_delay_ns();
    c->steal_ns += delay > c->delay_seen ? delay - c->delay_seen : 0;
    c->delay_seen = delay;
    u32 *version = (u32 *)(void *)(r + offsetof(struct kvm_steal_time, version));
    __atomic_store_n(version, c->steal_version | 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    __atomic_store_n((u64 *)(void *)(r + offsetof(struct kvm_steal_time, steal)), c->steal_ns,
                     __ATOMIC_RELAXED);
    store32(r + offsetof(struct kvm_steal_time, flags), 0);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    c->steal_version = (c->steal_version | 1) + 1;
    __atomic_store_n(version, c->steal_version, __ATOMIC_RELAXED);
    dma_written(&p->vm->dma, address(c), sizeof(struct kvm_steal_time));
}

/* The exchange orders what other processors wrote to their page tables before they saw
 * KVM_PREEMPTED against this processor's next walk. */
void para_sleep(struct para_kvm *p, struct vcpu *v, bool asleep)
{
    struct para_cpu *c = para_cpu(p, v);
    u8 *r = record(p, c);
    if (!r)
        return;
    u64 offset = offsetof(struct kvm_steal_time, preempted);
    u8 old = __atomic_exchange_n(r + offset, asleep ? KVM_PREEMPTED : 0, __ATOMIC_SEQ_CST);
    dma_written(&p->vm->dma, gpa(address(c).v + offset), 1);
    if (asleep)
        return;
    if (old & KVM_FLUSH_WANTED)
        vcpu_post(v, VCPU_REQ_TLB);
    para_update_steal(p, v);
}
