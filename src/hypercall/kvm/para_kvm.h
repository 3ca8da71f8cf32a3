/* SPDX-License-Identifier: BSD-2-Clause */
/* KVM's guest ABI on the engines of this monitor. */
#ifndef HYPERCALL_KVM_PARA_KVM_H
#define HYPERCALL_KVM_PARA_KVM_H

#include "base/err.h"

struct vm;
struct para_kvm;

/* Makes it and hands it to the machine, before its vCPUs are made. */
int para_kvm_create(struct para_kvm **out, struct vm *vm, struct err *e) must_check;
/* When no vCPU is left that could ask for it. */
void para_kvm_destroy(struct para_kvm *p);

#endif
