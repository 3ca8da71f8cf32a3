/* SPDX-License-Identifier: BSD-2-Clause */
/* The inner loop. Requests are polled between blocks only; the instruction after a store into the
 * running block is replaced by soft_stale(), so the loop itself checks nothing. */
#include "engine/interpret/interpret_priv.h"

int interpret_blocks(struct soft *sv)
{
    struct x86_cpu *cpu = &sv->cpu;
    int r;
    soft_context_update(sv);
    struct block *b = block_find(sv, &r);
    while (b) {
        r = soft_interpret(sv, b);
        if (likely(r == X86_BRANCH)) {
            if (unlikely(__atomic_load_n(&cpu->request, __ATOMIC_RELAXED)))
                return X86_OK;
            struct block *next = soft_follow(sv, b, cpu->s.rip);
            b = likely(next != NULL) ? next : soft_link(sv, b, &r);
            continue;
        }
        if (r != X86_END || !soft_is_quiet(sv))
            return r;
        soft_context_update(sv);
        b = block_find(sv, &r);
    }
    if (r == X86_OK) { /* an instruction that no block can hold */
        r = x86_step(cpu);
        cpu->retired++;
    }
    return r;
}
