/* SPDX-License-Identifier: BSD-2-Clause */
/* What of KVM's guest ABI there is: the CPUID leaves and the MSRs. */
#include "base/mem.h"
#include "hypercall/kvm/para_priv.h"
#include "vm/x86/lapic.h"

#include <errno.h>

static const u32 features = KVM_FEATURE_CLOCK_OLD | KVM_FEATURE_CLOCK | KVM_FEATURE_STABLE_CLOCK |
                            KVM_FEATURE_NO_IO_DELAY | /* a port access takes as long as it takes */
                            KVM_FEATURE_STEAL_TIME | KVM_FEATURE_EOI | KVM_FEATURE_UNHALT |
                            KVM_FEATURE_TLB_FLUSH | KVM_FEATURE_SEND_IPI;

/* A guest that is not shown a part does not use it; the MSRs and calls stay. */
static const struct part {
    const char *name;
    u32 features;
} parts[] = {
    {"clock", KVM_FEATURE_CLOCK_OLD | KVM_FEATURE_CLOCK | KVM_FEATURE_STABLE_CLOCK},
    {"io-delay", KVM_FEATURE_NO_IO_DELAY},
    {"steal-time", KVM_FEATURE_STEAL_TIME},
    {"eoi", KVM_FEATURE_EOI},
    {"unhalt", KVM_FEATURE_UNHALT},
    {"tlb-flush", KVM_FEATURE_TLB_FLUSH},
    {"ipi", KVM_FEATURE_SEND_IPI},
};

static bool starts_with(const char *s, const char *head)
{
    size_t n = str_length(head);
    return str_length(s) >= n && !mem_compare(s, head, n);
}

/* "kvm,PART=off,...": the features that stay. */
static int parse_spec(const char *spec, u32 *left, struct err *e)
{
    static const char off[] = "=off";
    *left = features;
    const char *s = spec && starts_with(spec, "kvm") ? spec + 3 : spec ? spec : "";
    while (*s == ',') {
        const struct part *p = parts, *end = parts + ARRAY_LEN(parts);
        s++;
        while (p < end && !(starts_with(s, p->name) && starts_with(s + str_length(p->name), off)))
            p++;
        if (p == end) {
            s--;
            break;
        }
        *left &= ~p->features;
        s += str_length(p->name) + sizeof off - 1;
    }
    if (!*s)
        return 0;
    err_set(e, -EINVAL, "paravirtual interface %s: don't know what \"%s\" is", spec, s);
    err_hint(e, "kvm, kvm,PART=off with PART clock, io-delay, steal-time, eoi, unhalt, tlb-flush "
                "or ipi, or none");
    return -EINVAL;
}

int para_kvm_check(const char *spec, struct err *e)
{
    u32 left;
    return parse_spec(spec, &left, e);
}

static bool para_cpuid(struct vcpu *v, void *para, u32 leaf, u32 subleaf, u32 out[4])
{
    const struct para_kvm *p = para;
    if (leaf != KVM_LEAF_SIGNATURE && leaf != KVM_LEAF_FEATURES)
        return false;
    out[0] = out[1] = out[2] = out[3] = 0;
    if (leaf == KVM_LEAF_FEATURES) {
        out[0] = p->features;
        return true;
    }
    out[0] = KVM_LEAF_FEATURES;
    out[1] = 0x4b4d564b; /* KVMK VMKV M */
    out[2] = 0x564b4d56;
    out[3] = 0x0000004d;
    return true;
}

static int set_eoi(struct para_kvm *p, struct vcpu *v, u64 msr)
{
    if (msr & 2)
        return -1;
    para_cpu(p, v)->eoi = msr;
    lapic_set_eoi_word(v, msr & KVM_MSR_ENABLE, gpa(msr & ~(u64)KVM_MSR_ENABLE));
    return 0;
}

static int write_msr(struct para_kvm *p, struct vcpu *v, u32 index, u64 value)
{
    switch (index) {
    case KVM_MSR_WALL_CLOCK:
    case KVM_MSR_WALL_CLOCK_OLD: para_set_wall_clock(p, v, value); return 0;
    case KVM_MSR_SYSTEM_TIME:
    case KVM_MSR_SYSTEM_TIME_OLD: para_set_system_time(p, v, value); return 0;
    case KVM_MSR_STEAL_TIME: return para_set_steal_time(p, v, value);
    case KVM_MSR_EOI: return set_eoi(p, v, value);
    default: return 1;
    }
}

static int read_msr(struct para_kvm *p, struct vcpu *v, u32 index, u64 *value)
{
    const struct para_cpu *c = para_cpu(p, v);
    with_lock(&p->lock);
    switch (index) {
    case KVM_MSR_WALL_CLOCK:
    case KVM_MSR_WALL_CLOCK_OLD: *value = p->wall_clock; return 0;
    case KVM_MSR_SYSTEM_TIME:
    case KVM_MSR_SYSTEM_TIME_OLD: *value = c->system_time; return 0;
    case KVM_MSR_STEAL_TIME: *value = c->steal_time; return 0;
    case KVM_MSR_EOI: *value = c->eoi; return 0;
    default: return 1;
    }
}

static int para_msr(struct vcpu *v, void *para, u32 index, bool write, u64 *value)
{
    return write ? write_msr(para, v, index, *value) : read_msr(para, v, index, value);
}

/* The kernel that comes next must not find its memory written to. The wall clock is written once,
 * when it is asked for. */
static void para_reset(struct vcpu *v, void *para)
{
    para_set_system_time(para, v, 0);
    (void)para_set_steal_time(para, v, 0);
    (void)set_eoi(para, v, 0);
}

static void para_sleeps(struct vcpu *v, void *para, bool asleep)
{
    para_sleep(para, v, asleep);
}

static void para_interrupt(struct vcpu *v, void *para)
{
    enum { STEAL_INTERVAL_NS = 1000000 }; /* a question to the host costs a microsecond */
    struct para_cpu *c = para_cpu(para, v);
    if (!(c->steal_time & KVM_MSR_ENABLE))
        return;
    u64 now = os_clock_ns();
    if (now < c->steal_due_ns)
        return;
    c->steal_due_ns = now + STEAL_INTERVAL_NS;
    para_update_steal(para, v);
}

static void para_tsc_offset(struct vcpu *v, void *para, u64 offset)
{
    para_set_tsc_offset(para, v, offset);
}

static const u32 saved_msrs[] = {KVM_MSR_SYSTEM_TIME, KVM_MSR_STEAL_TIME, KVM_MSR_EOI, 0};

static const struct hypercall_ops para_ops = {
    .name = "kvm",
    .call = para_call,
    .cpuid = para_cpuid,
    .msr = para_msr,
    .msrs = saved_msrs,
    .reset = para_reset,
    .sleep = para_sleeps,
    .interrupt = para_interrupt,
    .tsc_offset = para_tsc_offset,
};

int para_kvm_create(struct para_kvm **out, struct vm *vm, const char *spec, struct err *e)
{
    u32 left;
    int r = parse_spec(spec, &left, e);
    if (r)
        return r;
    struct para_kvm *p = mem_alloc(sizeof *p);
    if (!p)
        return err_set(e, -ENOMEM, "making KVM's guest interface: out of memory");
    p->vm = vm;
    p->features = left;
    vm->hypercall = &para_ops;
    vm->hypercall_ctx = p;
    *out = p;
    return 0;
}

void para_kvm_destroy(struct para_kvm *p)
{
    mem_free(p);
}
