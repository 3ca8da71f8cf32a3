/* SPDX-License-Identifier: BSD-2-Clause */
/* The guest's time-stamp counter: a function of the virtual clock at the model's frequency. Where
 * the host's counter is invariant, it is read in the clock's place between two stops of the machine
 * and scaled; otherwise, and under a test's clock, the clock itself is read. */
#include "vm/vcpu_priv.h"
#include "vm/vm_priv.h"
#include "vm/x86/lapic.h"

#include <cpuid.h>

enum { CALIBRATION_NS = 2000000 };

static u64 host_tsc(void)
{
    u32 lo, hi;
    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
    return (u64)hi << 32 | lo;
}

static bool host_tsc_is_invariant(void)
{
    u32 a, b, c, d;
    return __get_cpuid(0x80000007, &a, &b, &c, &d) && d >> 8 & 1;
}

static u64 ticks_of(const struct vm *vm, u64 ns)
{
    return (u64)((u128)ns * vm_tsc_khz(vm) / 1000000);
}

void vm_tsc_sample(struct vm *vm)
{
    vm->priv->tsc_sample_ns = os_clock_ns();
    vm->priv->tsc_sample = host_tsc();
}

/* Guest ticks in one host tick, 32.32: from the time since the first sample, of which there must be
 * enough for a reading error of some tens of nanoseconds. */
static u64 measure_ratio(const struct vm *vm)
{
    const struct vm_priv *p = vm->priv;
    u64 ns, host;
    do {
        ns = os_clock_ns() - p->tsc_sample_ns;
        host = host_tsc() - p->tsc_sample;
    } while (ns < CALIBRATION_NS);
    return host ? (u64)(((u128)ticks_of(vm, ns) << 32) / host) : 0;
}

static u64 read_map(const struct vm *vm, const struct tsc_map *t)
{
    if (unlikely(!t->native))
        return ticks_of(vm, clock_now_ns(vm->clock));
    return t->guest_base + (u64)((u128)(host_tsc() - t->host_base) * t->ratio >> 32);
}

void vm_tsc_run(struct vm *vm, bool run)
{
    struct vm_priv *p = vm->priv;
    struct tsc_map *next = &p->tsc[!p->tsc_current];
    *next = (struct tsc_map){0};
    if (!p->own_clock)
        return;
    next->native = !run || host_tsc_is_invariant();
    if (run && next->native)
        next->ratio = measure_ratio(vm);
    /* The two clocks drift by the calibration's error; the counter must never go back for it. */
    u64 last = read_map(vm, &p->tsc[p->tsc_current]);
    next->guest_base = MAX(last, ticks_of(vm, clock_now_ns(vm->clock)));
    next->host_base = host_tsc();
    __atomic_store_n(&p->tsc_current, !p->tsc_current, __ATOMIC_RELEASE);
}

u64 vcpu_tsc(struct vcpu *v)
{
    const struct vm_priv *p = v->vm->priv;
    return read_map(v->vm, &p->tsc[__atomic_load_n(&p->tsc_current, __ATOMIC_ACQUIRE)]);
}

void vcpu_set_tsc_offset(struct vcpu *v, u64 offset)
{
    if (v->tsc_offset == offset)
        return;
    lapic_set_tsc_offset(v, offset);
    vcpu_para_tsc_offset(v, offset);
}
