/* SPDX-License-Identifier: BSD-2-Clause */
/* The inner loop. Requests are polled between blocks only; the instruction after a store into the
 * running block is replaced by interpret_stale(), so the loop itself checks nothing. */
#include "engine/interpret/interpret_priv.h"

/* The last instruction of every block: has no length, is not counted. */
int interpret_block_end(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    cpu->retired--;
    return X86_BRANCH;
}

/* In the place of every instruction of a block whose bytes were overwritten. */
int interpret_stale(struct x86_cpu *cpu, const struct x86_insn *insn)
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

static void context_update(struct interpret *iv)
{
    const struct x86_cpu *cpu = &iv->cpu;
    const struct x86_segment *cs = &cpu->s.seg[X86_CS];
    iv->key = context_key(cpu);
    u64 base = cpu->mode == X86_MODE64 ? 0 : cs->base;
    u32 limit = cpu->mode == X86_MODE64 ? 0xffffffff : cs->limit;
    if (unlikely(base != iv->cs_base || limit != iv->cs_limit)) {
        iv->cs_base = base;
        iv->cs_limit = limit;
        iv->epoch++; /* the same rip is another place now */
    }
}

/* After X86_END: true when nothing but the next instruction is due. An interrupt shadow without an
 * interrupt in sight has done its work. */
static bool is_quiet(struct interpret *iv)
{
    struct x86_cpu *cpu = &iv->cpu;
    if (__atomic_load_n(&cpu->request, __ATOMIC_RELAXED) || iv->irq_maybe ||
        cpu->s.nmi_pending || x86_wants_step(cpu))
        return false;
    cpu->s.shadow_sti = cpu->s.shadow_mov_ss = 0;
    return true;
}

static always_inline struct block *follow_link(const struct interpret *iv, const struct block *b,
                                               u64 rip)
{
    for (unsigned k = 0; k < 2; k++)
        if (b->link[k].rip == rip && b->link[k].epoch == iv->epoch)
            return b->link[k].to;
    return NULL;
}

static noinline struct block *make_link(struct interpret *iv, struct block *from, int *result)
{
    u64 made = iv->arena_used;
    struct block *to = block_find(iv, result);
    if (to && iv->arena_used >= made) { /* else the arena was emptied, `from` with it */
        from->link[from->turn].rip = iv->cpu.s.rip;
        from->link[from->turn].epoch = iv->epoch;
        from->link[from->turn].to = to;
        from->turn ^= 1;
    }
    return to;
}

int interpret_blocks(struct interpret *iv)
{
    struct x86_cpu *cpu = &iv->cpu;
    int r;
    context_update(iv);
    struct block *b = block_find(iv, &r);
    while (b) {
        const struct x86_insn *i = b->insn;
        u64 rip = cpu->s.rip;
        do {
            cpu->fault_rip = rip;
            rip += i->len;
            cpu->s.rip = rip;
            r = i->exec(cpu, i);
            i++;
        } while (likely(r == X86_OK));
        cpu->retired += (u64)(i - b->insn);
        if (likely(r == X86_BRANCH)) {
            if (unlikely(__atomic_load_n(&cpu->request, __ATOMIC_RELAXED)))
                return X86_OK;
            struct block *next = follow_link(iv, b, cpu->s.rip);
            b = likely(next != NULL) ? next : make_link(iv, b, &r);
            continue;
        }
        if (r == X86_EXCEPTION || r == X86_REPEAT || r == X86_INTERCEPT) {
            cpu->s.rip = cpu->fault_rip;
            cpu->retired--;
        }
        if (r != X86_END || !is_quiet(iv))
            return r;
        context_update(iv);
        b = block_find(iv, &r);
    }
    if (r == X86_OK) { /* an instruction that no block can hold */
        r = x86_step(cpu);
        cpu->retired++;
    }
    return r;
}
