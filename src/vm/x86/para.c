/* SPDX-License-Identifier: BSD-2-Clause */
/* What a vCPU tells and asks the machine's paravirtual interface. */
#include "vm/vcpu_priv.h"

#include "vm/vm.h"

/* Calls an operation that may not be there. */
#define TELL(v, op, ...)                                                                           \
    do {                                                                                           \
        const struct vm *vm_ = (v)->vm;                                                            \
        if (vm_->hypercall && vm_->hypercall->op)                                                  \
            vm_->hypercall->op((v), vm_->hypercall_ctx, ##__VA_ARGS__);                            \
    } while (0)

int vcpu_hypercall(struct vcpu *v, struct x86_state *s)
{
    vcpu_in_tier(v, TIER_MONITOR);
    struct vm *vm = v->vm;
    vcpu_count(v, EXIT_HYPERCALL);
    return vm->hypercall && vm->hypercall->call ? vm->hypercall->call(v, vm->hypercall_ctx, s) : -1;
}

void vcpu_para_reset(struct vcpu *v)
{
    TELL(v, reset);
}

void vcpu_para_sleep(struct vcpu *v, bool asleep)
{
    TELL(v, sleep, asleep);
}

void vcpu_para_interrupt(struct vcpu *v)
{
    TELL(v, interrupt);
}

void vcpu_para_tsc_offset(struct vcpu *v, u64 offset)
{
    TELL(v, tsc_offset, offset);
}

/* Zero is what they have after a reset, so only the others are kept. */
void vcpu_para_save(struct vcpu *v, struct x86_state *s)
{
    const struct hypercall_ops *ops = v->vm->hypercall;
    for (const u32 *i = ops ? ops->msrs : NULL; i && *i && s->msr_count < X86_MSR_EXTRA_MAX; i++) {
        u64 value = 0;
        if (!ops->msr(v, v->vm->hypercall_ctx, *i, false, &value) && value)
            s->msr[s->msr_count++] = (struct x86_msr){.index = *i, .value = value};
    }
}

void vcpu_para_load(struct vcpu *v, const struct x86_state *s)
{
    const struct hypercall_ops *ops = v->vm->hypercall;
    vcpu_para_reset(v);
    for (const u32 *i = ops ? ops->msrs : NULL; i && *i; i++)
        for (u32 n = 0; n < s->msr_count; n++) {
            u64 value = s->msr[n].value;
            if (s->msr[n].index == *i) /* a value it refuses stays zero */
                (void)ops->msr(v, v->vm->hypercall_ctx, *i, true, &value);
        }
}
