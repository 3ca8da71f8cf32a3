/* SPDX-License-Identifier: BSD-2-Clause */
/* CPUID: the machine's model, and the paravirtual interface's leaves. */
#include "vm/vcpu_priv.h"
#include "vm/vm.h"

enum { HYPERCALL_LEAF_FIRST = 0x40000000, HYPERCALL_LEAF_LAST = 0x4fffffff };

void vcpu_cpuid(struct vcpu *v, const struct x86_state *s, u32 leaf, u32 subleaf, u32 out[4])
{
    vcpu_in_tier(v, TIER_MONITOR);
    struct vm *vm = v->vm;
    vcpu_count(v, EXIT_CPUID);
    if (leaf >= HYPERCALL_LEAF_FIRST && leaf <= HYPERCALL_LEAF_LAST && vm->hypercall &&
        vm->hypercall->cpuid && vm->hypercall->cpuid(v, vm->hypercall_ctx, leaf, subleaf, out))
        return;
    x86_cpuid(&vm->model, s, leaf, subleaf, out);
}
