/* SPDX-License-Identifier: BSD-2-Clause */
/* Hardware-assisted virtualization by the host's KVM. */
#ifndef ENGINE_KVM_KVM_H
#define ENGINE_KVM_KVM_H

#include "vm/engine.h"

extern const struct engine_ops engine_kvm;

/* What stands behind /dev/kvm. */
enum kvm_kind {
    KVM_ABSENT,   /* not there, not permitted, too old: the error says which */
    KVM_SOFTWARE, /* works, but the processor shows no virtualization extension: slow in ring 0 */
    KVM_HARDWARE,
};
struct kvm_probe {
    enum kvm_kind kind;
};
/* Looks without changing anything. err has the reason and the cure for KVM_ABSENT, a remark for
 * KVM_SOFTWARE. */
void kvm_probe_host(struct kvm_probe *p, struct err *e);

#endif
