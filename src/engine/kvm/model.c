/* SPDX-License-Identifier: BSD-2-Clause */
/* The processor model KVM can show: what the host's user mode executes, less what KVM does not
 * support, with KVM's own CPUID as the judge. */
#include "engine/kvm/kvm_priv.h"

#include "base/mem.h"

#include <asm/kvm_para.h>
#include <errno.h>
#include <unistd.h>

struct supported {
    struct kvm_cpuid2 head;
    struct kvm_cpuid_entry2 entry[192];
    bool tsc_deadline; /* KVM has a capability for it instead of the CPUID bit */
};

static void supported_leaf(void *ctx, u32 leaf, u32 subleaf, u32 out[4])
{
    const struct supported *s = ctx;
    out[0] = out[1] = out[2] = out[3] = 0;
    for (u32 i = 0; i < s->head.nent; i++) {
        const struct kvm_cpuid_entry2 *x = &s->entry[i];
        bool indexed = x->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
        if (x->function != leaf || (indexed && x->index != subleaf))
            continue;
        out[0] = x->eax;
        out[1] = x->ebx;
        out[2] = x->ecx;
        out[3] = x->edx;
        if (leaf == 1 && s->tsc_deadline)
            out[2] |= 1u << 24;
        return;
    }
}

/* The frequency guests get; 0 from kernels that tell it to processors alone. */
static u32 tsc_khz(int dev)
{
    int vm = kvm_ioctl(dev, KVM_CREATE_VM, NULL);
    int khz = vm < 0 ? 0 : kvm_ioctl(vm, KVM_GET_TSC_KHZ, NULL);
    if (vm >= 0)
        close(vm);
    return khz > 0 ? (u32)khz : 0;
}

/* The interface is in the host kernel, so it shows what that offers, not what this monitor has. */
unsigned kvm_para_leaves(int dev, struct kvm_cpuid_entry2 out[2])
{
    struct supported s = {.head.nent = ARRAY_LEN(s.entry)};
    u32 signature[4], features[4];
    if (!kvm_processor_virtualizes() || kvm_ioctl(dev, KVM_GET_SUPPORTED_CPUID, &s) < 0)
        return 0;
    supported_leaf(&s, KVM_CPUID_SIGNATURE, 0, signature);
    supported_leaf(&s, KVM_CPUID_FEATURES, 0, features);
    if (signature[1] != 0x4b4d564b || !features[0]) /* KVMK */
        return 0;
    out[0] = (struct kvm_cpuid_entry2){.function = KVM_CPUID_SIGNATURE,
                                       .eax = KVM_CPUID_FEATURES,
                                       .ebx = signature[1],
                                       .ecx = signature[2],
                                       .edx = signature[3]};
    out[1] = (struct kvm_cpuid_entry2){.function = KVM_CPUID_FEATURES, .eax = features[0]};
    return 2;
}

int kvm_model(struct x86_cpu_model *m, struct err *e)
{
    struct supported s = {.head.nent = ARRAY_LEN(s.entry)};
    int dev = kvm_open(e);
    if (dev < 0)
        return dev;
    int err = kvm_ioctl(dev, KVM_GET_SUPPORTED_CPUID, &s);
    s.tsc_deadline = kvm_ioctl(dev, KVM_CHECK_EXTENSION, (void *)KVM_CAP_TSC_DEADLINE_TIMER) > 0;
    u32 khz = tsc_khz(dev);
    close(dev);
    if (err < 0)
        return err_set(e, err, "reading what KVM's processors support: %s", err_name(err));
    x86_model_host(m);
    str_copy(m->name, "kvm", sizeof m->name);
    m->tsc_khz = khz;
    x86_model_keep(m, supported_leaf, &s);
    return 0;
}
