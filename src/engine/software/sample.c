/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the guest is at a sample of an interpreting thread. */
#include "engine/software/software.h"

void soft_sample(struct vcpu *v, const struct os_sample *s, struct guest_place *at)
{
    const struct soft *sv = v->engine;
    const struct x86_cpu *cpu = &sv->cpu;
    /* While an instruction runs, rip is behind it and fault_rip at it. */
    u64 rip = cpu->s.rip, length = rip - cpu->fault_rip;
    if (length && length <= X86_MAX_INSN)
        rip = cpu->fault_rip;
    *at = (struct guest_place){
        .tier = TIER_INTERPRETED,
        .addr = cpu->mode == X86_MODE64 ? rip : (u32)(cpu->s.seg[X86_CS].base + rip),
        .known = true,
        .user = cpu->cpl == 3,
    };
}
