/* SPDX-License-Identifier: BSD-2-Clause */
/* KVM's guest ABI on the engines of this monitor. */
#ifndef HYPERCALL_KVM_PARA_KVM_H
#define HYPERCALL_KVM_PARA_KVM_H

#include "base/err.h"

struct vm;
struct para_kvm;

/* Makes it and hands it to the machine, before its vCPUs are made. spec: NULL or "kvm" for all of
 * it; parts are left out by ",PART=off" behind it (clock, io-delay, steal-time, eoi, unhalt,
 * tlb-flush, ipi), which shows what each is good for. */
int para_kvm_create(struct para_kvm **out, struct vm *vm, const char *spec,
                    struct err *e) must_check;
/* Is it a spec that para_kvm_create takes? */
int para_kvm_check(const char *spec, struct err *e) must_check;
/* When no vCPU is left that could ask for it. */
void para_kvm_destroy(struct para_kvm *p);

#endif
