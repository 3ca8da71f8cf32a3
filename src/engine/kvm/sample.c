/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the guest is at a sample of its thread: the signal has ended KVM_RUN, so KVM can be asked.
 */
#include "engine/kvm/kvm_priv.h"

#include <sys/ioctl.h>

void kvm_sample(struct vcpu *v, const struct os_sample *s, struct guest_place *at)
{
    const struct kvm_vcpu *k = kvm_vcpu_of(v);
    struct kvm_regs regs;
    struct kvm_sregs sregs;
    at->tier = TIER_GUEST;
    if (ioctl(k->fd, KVM_GET_REGS, &regs) || ioctl(k->fd, KVM_GET_SREGS, &sregs))
        return;
    at->known = true;
    at->addr = sregs.cs.l ? regs.rip : (u32)(sregs.cs.base + regs.rip);
    at->user = sregs.ss.dpl == 3;
}
