/* SPDX-License-Identifier: BSD-2-Clause */
/* The local APIC's timer: one-shot, periodic, TSC deadline [SDM3 10.5.4]. Its count follows from
 * timer_start_ns; the clock is asked to wake us for the next expiry only. A wake-up that is no
 * longer wanted is let come: it looks and finds nothing (cancelling could wait for ourselves). */
#include "vm/x86/lapic_priv.h"

enum { MODE_ONE_SHOT = 0, MODE_PERIODIC = 1, MODE_DEADLINE = 2 };
/* A guest may ask for a period of nanoseconds; the host's event thread wakes at most this often. */
enum { MIN_WAKE_NS = 50000 };

static unsigned timer_mode(const struct x86_lapic *l)
{
    return l->lvt[LVT_TIMER] >> 17 & 3;
}

static unsigned divider(const struct x86_lapic *l)
{
    unsigned code = (l->timer_divide & 3) | (l->timer_divide >> 1 & 4);
    return 1u << ((code + 1) & 7);
}

static u64 now_ns(const struct vcpu *v)
{
    u64 now = clock_now_ns(v->vm->clock);
    return now ? now : 1; /* 0 in timer_start_ns means stopped */
}

static u64 guest_tsc(struct vcpu *v)
{
    return vcpu_tsc(v) + v->tsc_offset;
}

static u64 period_ns(const struct x86_lapic *l)
{
    return (u64)l->timer_initial * divider(l); /* APIC_TIMER_HZ is one count a nanosecond */
}

u32 lapic_timer_current_locked(struct vcpu *v)
{
    const struct x86_lapic *l = &v->lapic;
    if (!l->timer_start_ns || !l->timer_initial || timer_mode(l) == MODE_DEADLINE)
        return 0;
    u64 now = now_ns(v);
    u64 counted = now > l->timer_start_ns ? (now - l->timer_start_ns) / divider(l) : 0;
    if (timer_mode(l) == MODE_PERIODIC)
        return l->timer_initial - (u32)(counted % l->timer_initial);
    return counted >= l->timer_initial ? 0 : l->timer_initial - (u32)counted;
}

static void wake_at(struct vcpu *v, u64 when, u64 not_before)
{
    vtimer_arm(&v->lapic_timer, MAX(when, not_before));
}

static void run_deadline(struct vcpu *v)
{
    struct x86_lapic *l = &v->lapic;
    if (!l->tsc_deadline)
        return;
    u64 tsc = guest_tsc(v);
    if (tsc >= l->tsc_deadline) {
        l->tsc_deadline = 0;
        lapic_local_locked(v, LVT_TIMER);
        return;
    }
    u64 khz = v->vm->model.tsc_khz ? v->vm->model.tsc_khz : 1000000;
    u128 ns = (u128)(l->tsc_deadline - tsc) * 1000000 / khz + 1;
    u64 now = now_ns(v);
    wake_at(v, ns > UINT64_MAX - now ? UINT64_MAX : now + (u64)ns, 0);
}

static void run_count(struct vcpu *v)
{
    struct x86_lapic *l = &v->lapic;
    u64 period = period_ns(l), now = now_ns(v);
    if (!l->timer_start_ns || !period)
        return;
    u64 elapsed = now > l->timer_start_ns ? now - l->timer_start_ns : 0;
    bool expired = elapsed >= period;
    if (expired && timer_mode(l) == MODE_PERIODIC)
        l->timer_start_ns += elapsed / period * period; /* missed periods are one interrupt */
    else if (expired)
        l->timer_start_ns = 0;
    if (expired)
        lapic_local_locked(v, LVT_TIMER);
    if (l->timer_start_ns)
        wake_at(v, l->timer_start_ns + period, expired ? now + MIN_WAKE_NS : 0);
}

void lapic_timer_run_locked(struct vcpu *v)
{
    if (timer_mode(&v->lapic) == MODE_DEADLINE)
        run_deadline(v);
    else
        run_count(v);
}

void lapic_timer_fired(void *vcpu)
{
    struct vcpu *v = vcpu;
    with_lock(&v->lapic_lock);
    lapic_timer_run_locked(v);
}

void lapic_timer_set_initial_locked(struct vcpu *v, u32 count)
{
    struct x86_lapic *l = &v->lapic;
    if (timer_mode(l) == MODE_DEADLINE) /* "writes to the initial-count register are ignored" */
        return;
    l->timer_initial = count;
    l->timer_start_ns = count ? now_ns(v) : 0;
    lapic_timer_run_locked(v);
}

void lapic_timer_set_divide_locked(struct vcpu *v, u32 divide)
{
    struct x86_lapic *l = &v->lapic;
    u32 counted = l->timer_initial - lapic_timer_current_locked(v);
    l->timer_divide = divide;
    if (!l->timer_start_ns)
        return;
    u64 now = now_ns(v), back = (u64)counted * divider(l);
    l->timer_start_ns = now > back ? now - back : 1;
    lapic_timer_run_locked(v);
}

void lapic_timer_set_lvt_locked(struct vcpu *v, u32 lvt)
{
    struct x86_lapic *l = &v->lapic;
    bool was_deadline = timer_mode(l) == MODE_DEADLINE;
    l->lvt[LVT_TIMER] = lvt;
    if (was_deadline != (timer_mode(l) == MODE_DEADLINE)) /* the change disarms [SDM3 10.5.4.1] */
        l->timer_start_ns = l->tsc_deadline = 0;
    lapic_timer_run_locked(v);
}

u64 lapic_timer_deadline_locked(const struct vcpu *v)
{
    return timer_mode(&v->lapic) == MODE_DEADLINE ? v->lapic.tsc_deadline : 0;
}

void lapic_timer_set_deadline_locked(struct vcpu *v, u64 tsc)
{
    if (timer_mode(&v->lapic) != MODE_DEADLINE)
        return;
    v->lapic.tsc_deadline = tsc;
    lapic_timer_run_locked(v);
}

void lapic_set_tsc_offset(struct vcpu *v, u64 offset)
{
    with_lock(&v->lapic_lock);
    v->tsc_offset = offset;
    lapic_timer_run_locked(v);
}
