/* SPDX-License-Identifier: BSD-2-Clause */
/* kvmclock: time that the guest reads from its TSC without an exit.
 *
 * The TSC of a vCPU is a function of the machine's clock (vm/x86/tsc.c) plus the vCPU's offset, and
 * stands still with it. So time is the same linear function of the TSC for ever and for all
 * processors, its page is written when the guest asks for it and when the guest moves a TSC, and
 * carries the stable bit as long as all offsets are equal: Linux then uses one page everywhere. */
#include "base/bits.h"
#include "hypercall/kvm/para_priv.h"

enum { NS_PER_S = 1000000000 };

/* Stores a structure whose version is odd while it changes; readers are on other threads. p is
 * aligned to 4 and inside RAM. */
static void begin_change(void *version, u32 *count)
{
    __atomic_store_n((u32 *)version, *count | 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static void end_change(void *version, u32 *count)
{
    *count = (*count | 1) + 1;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    __atomic_store_n((u32 *)version, *count, __ATOMIC_RELAXED);
}

/* ns = (ticks << shift) * mul / 2^32 with the most precise mul. */
static void scale_of(u32 khz, u32 *mul, i8 *shift)
{
    u64 hz = (u64)khz * 1000;
    int s = -31;
    u128 m;
    do {
        s++;
        u128 ns = (u128)NS_PER_S << (s < 0 ? 32 - s : 32);
        m = ns / (s > 0 ? (u128)hz << s : hz);
    } while (m >> 32 && s < 31);
    *mul = (u32)m;
    *shift = (i8)s;
}

/* Nanoseconds of the machine's clock at a reading of the TSC without offset. */
static u64 time_at(const struct vm *vm, u64 tsc)
{
    return (u64)((u128)tsc * 1000000 / vm_tsc_khz(vm));
}

static bool offsets_equal(const struct para_kvm *p)
{
    for (unsigned i = 1; i < p->vm->config.cpus; i++)
        if (p->cpu[i].tsc_offset != p->cpu[0].tsc_offset)
            return false;
    return true;
}

/* With the lock held. An address that is not RAM gets nothing. */
static void write_page_locked(struct para_kvm *p, struct para_cpu *c)
{
    gpa_t addr = gpa(c->system_time & ~(u64)3);
    struct kvm_system_time t = {.tsc = c->tsc_offset, .system_time = 0};
    u8 *page = c->system_time & KVM_MSR_ENABLE ? dma_ptr(&p->vm->dma, addr, sizeof t) : NULL;
    if (!page)
        return;
    scale_of(vm_tsc_khz(p->vm), &t.mul, &t.shift);
    t.flags = offsets_equal(p) ? KVM_TIME_STABLE : 0;
    begin_change(page, &c->clock_version);
    store32(page + offsetof(struct kvm_system_time, pad), 0);
    store64(page + offsetof(struct kvm_system_time, tsc), t.tsc);
    store64(page + offsetof(struct kvm_system_time, system_time), t.system_time);
    store32(page + offsetof(struct kvm_system_time, mul), t.mul);
    store32(page + offsetof(struct kvm_system_time, shift), (u8)t.shift | (u32)t.flags << 8);
    end_change(page, &c->clock_version);
    dma_written(&p->vm->dma, addr, sizeof t);
}

void para_set_system_time(struct para_kvm *p, struct vcpu *v, u64 msr)
{
    struct para_cpu *c = para_cpu(p, v);
    with_lock(&p->lock);
    c->system_time = msr;
    write_page_locked(p, c);
}

void para_set_tsc_offset(struct para_kvm *p, struct vcpu *v, u64 offset)
{
    with_lock(&p->lock);
    para_cpu(p, v)->tsc_offset = offset;
    for (unsigned i = 0; i < p->vm->config.cpus; i++) /* the stable bit of all may change */
        write_page_locked(p, &p->cpu[i]);
}

void para_set_wall_clock(struct para_kvm *p, struct vcpu *v, u64 msr)
{
    gpa_t addr = gpa(msr & ~(u64)3);
    u64 wall = clock_wall_ns(p->vm->clock), since = time_at(p->vm, vcpu_tsc(v));
    u64 start = wall > since ? wall - since : 0;
    with_lock(&p->lock);
    p->wall_clock = msr;
    u8 *page = msr ? dma_ptr(&p->vm->dma, addr, sizeof(struct kvm_wall_clock)) : NULL;
    if (!page)
        return;
    begin_change(page, &p->wall_version);
    store32(page + offsetof(struct kvm_wall_clock, seconds), (u32)(start / NS_PER_S));
    store32(page + offsetof(struct kvm_wall_clock, nanoseconds), (u32)(start % NS_PER_S));
    end_change(page, &p->wall_version);
    dma_written(&p->vm->dma, addr, sizeof(struct kvm_wall_clock));
}

i64 para_pair_clocks(struct para_kvm *p, struct vcpu *v, u64 addr, u64 type)
{
    enum { REAL_TIME = 0 };
    if (type != REAL_TIME)
        return -KVM_EOPNOTSUPP;
    u64 wall = clock_wall_ns(p->vm->clock);
    struct kvm_clock_pairing pair = {.seconds = (i64)(wall / NS_PER_S),
                                     .nanoseconds = (i64)(wall % NS_PER_S),
                                     .tsc = vcpu_tsc(v) + para_cpu(p, v)->tsc_offset};
    return dma_write(&p->vm->dma, gpa(addr), &pair, sizeof pair) ? -KVM_EFAULT : 0;
}
