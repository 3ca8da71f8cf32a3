/* SPDX-License-Identifier: BSD-2-Clause */
/* What the running code depends on beside its bytes, and how blocks lead to one another. */
#include "engine/software/software.h"

/* The last instruction of every block: has no length, is not counted. */
int soft_block_end(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    cpu->retired--;
    return X86_BRANCH;
}

/* In the place of every instruction of a block whose bytes were overwritten. */
int soft_stale(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    return X86_REPEAT;
}

/* What decoded instructions and the permission to run them depend on, beside the bytes: the derived
 * bytes mode, cpl, long_mode, vm86, real, stack_size. */
static u64 context_key(const struct x86_cpu *cpu)
{
    _Static_assert(offsetof(struct x86_cpu, stack_size) == offsetof(struct x86_cpu, mode) + 5,
                   "six bytes in a row");
    return load64(&cpu->mode) & mask_low(48);
}

void soft_context_update(struct soft *sv)
{
    const struct x86_cpu *cpu = &sv->cpu;
    const struct x86_segment *cs = &cpu->s.seg[X86_CS];
    sv->key = context_key(cpu);
    u64 base = cpu->mode == X86_MODE64 ? 0 : cs->base;
    u32 limit = cpu->mode == X86_MODE64 ? 0xffffffff : cs->limit;
    if (unlikely(base != sv->cs_base || limit != sv->cs_limit)) {
        sv->cs_base = base;
        sv->cs_limit = limit;
        sv->epoch++; /* the same rip is another place now */
    }
}

/* After X86_END: true when nothing but the next instruction is due. An interrupt shadow without an
 * interrupt in sight has done its work. */
bool soft_is_quiet(struct soft *sv)
{
    struct x86_cpu *cpu = &sv->cpu;
    if (__atomic_load_n(&cpu->request, __ATOMIC_RELAXED) || sv->irq_maybe || cpu->s.nmi_pending ||
        x86_wants_step(cpu))
        return false;
    cpu->s.shadow_sti = cpu->s.shadow_mov_ss = 0;
    return true;
}

struct block *soft_link(struct soft *sv, struct block *from, int *result)
{
    u64 epoch = sv->epoch;
    struct block *to = block_find(sv, result);
    if (to && sv->epoch == epoch) { /* else blocks may be gone, `from` with them */
        from->link[from->turn].rip = sv->cpu.s.rip;
        from->link[from->turn].epoch = sv->epoch;
        from->link[from->turn].to = to;
        from->turn ^= 1;
    }
    return to;
}
