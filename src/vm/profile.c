/* SPDX-License-Identifier: BSD-2-Clause */
/* Samples of the vCPUs' threads. A sample is counted in the signal handler that takes it, in arrays
 * that only this thread writes: nothing is queued, so nothing is lost. */
#include "vm/profile.h"

#include "base/log.h"
#include "base/mem.h"
#include "vm/vm.h"

const char *const vcpu_tier_name[TIER_COUNT] = {
#define X(id, text) [TIER_##id] = text,
    VM_TIERS(X)
#undef X
};

struct vcpu_profile {
    struct os_sampler *sampler;
    u64 tier[TIER_COUNT];
    u32 places;
    u64 place[];
};

static void add(u64 *count, unsigned n)
{
    __atomic_store_n(count, *count + n, __ATOMIC_RELAXED);
}

static u32 symbol_at(const struct guest_symbols *s, u64 addr)
{
    u32 lo = 0, hi = s ? s->count : 0;
    while (lo < hi) {
        u32 mid = lo + (hi - lo) / 2;
        if (s->start[mid] <= addr)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo && s->name[lo - 1] ? PLACE_SYMBOL + lo - 1 : PLACE_NAMELESS;
}

/* In a signal handler. */
static void take_sample(void *ctx, const struct os_sample *s)
{
    struct vcpu *v = ctx;
    struct vcpu_profile *p = v->profile;
    enum vcpu_tier doing = v->tier;
    struct guest_place at = {.tier = TIER_GUEST};
    if (v->vm->engine->sample)
        v->vm->engine->sample(v, s, &at);
    u32 place = at.user     ? PLACE_USER
                : !at.known ? PLACE_UNKNOWN
                            : symbol_at(v->vm->config.symbols, at.addr);
    add(&p->tier[doing == TIER_GUEST ? at.tier : doing], s->periods);
    add(&p->place[place], s->periods);
}

void profile_start(struct vcpu *v)
{
    const struct vm_config *c = &v->vm->config;
    if (!c->sample_ns)
        return;
    u32 places = PLACE_SYMBOL + (c->symbols ? c->symbols->count : 0);
    v->profile = mem_alloc(sizeof *v->profile + places * sizeof v->profile->place[0]);
    if (!v->profile) {
        log_warn("vm", "vCPU %u is not sampled: out of memory", v->index);
        return;
    }
    struct err e = {0};
    v->profile->places = places;
    if (os_sampler_start(&v->profile->sampler, c->sample_ns, take_sample, v, &e))
        log_warn("vm", "vCPU %u is not sampled: %s", v->index, e.text);
}

void profile_stop(struct vcpu *v)
{
    if (v->profile)
        os_sampler_stop(v->profile->sampler);
}

void profile_free(struct vcpu *v)
{
    mem_free(v->profile);
}

static const struct vcpu_profile *profile_of(const struct vm *vm, unsigned cpu)
{
    return vm->vcpu[cpu] ? vm->vcpu[cpu]->profile : NULL;
}

u64 profile_tier(const struct vm *vm, enum vcpu_tier tier)
{
    u64 sum = 0;
    for (unsigned i = 0; i < vm->cpus; i++) {
        const struct vcpu_profile *p = profile_of(vm, i);
        if (p)
            sum += __atomic_load_n(&p->tier[tier], __ATOMIC_RELAXED);
    }
    return sum;
}

u64 profile_place(const struct vm *vm, u32 place)
{
    u64 sum = 0;
    for (unsigned i = 0; i < vm->cpus; i++) {
        const struct vcpu_profile *p = profile_of(vm, i);
        if (p && place < p->places)
            sum += __atomic_load_n(&p->place[place], __ATOMIC_RELAXED);
    }
    return sum;
}
