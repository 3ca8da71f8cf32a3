/* SPDX-License-Identifier: BSD-2-Clause */
/* What the running code depends on beside its bytes, and how blocks lead to one another. */
#include "engine/software/software.h"

#include "base/mem.h"
#include "isa/x86/exec/place.h"

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

/* What decoded instructions and the permission to run them depend on, beside the bytes, and what
 * translations have built in: the derived bytes mode, cpl, long_mode, vm86, real, stack_size,
 * tlb_index. */
static u64 context_key(const struct x86_cpu *cpu)
{
    _Static_assert(offsetof(struct x86_cpu, tlb_index) ==
                       offsetof(struct x86_cpu, mode) + SOFT_KEY_TLB_BYTE,
                   "seven bytes in a row");
    return load64(&cpu->mode) & mask_low(56);
}

static void epoch_update(struct soft *sv, bool based)
{
    struct x86_cpu *cpu = &sv->cpu;
    bool moved = sv->seen_space != cpu->space, all = sv->seen_global != cpu->global_space;
    if (unlikely(moved || all)) {
        sv->seen_space = cpu->space;
        sv->seen_global = cpu->global_space;
        sv->based_epoch = 0;
        if (all || sv->kernel_local) {
            sv->kernel_epoch = ++cpu->spaces;
            sv->kernel_local = false;
        }
    }
    if (unlikely(based)) {
        if (!sv->based_epoch)
            sv->based_epoch = ++cpu->spaces;
        sv->epoch = sv->based_epoch;
    } else {
        sv->epoch = cpu->cpl == 3 ? cpu->space : sv->kernel_epoch;
    }
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
        sv->based_epoch = 0; /* the same rip is another place now */
    }
    epoch_update(sv, base || limit != 0xffffffff);
}

static unsigned code_hash(u64 lin)
{
    return (unsigned)((lin >> 12) * 0x9e3779b97f4a7c15u >> (64 - CODE_SEEN_BITS));
}

/* Where a kernel has code that stays when the address space changes: the upper half, or anywhere in
 * 32 bits. */
static bool may_be_global(const struct soft *sv, u64 lin)
{
    return lin >> 63 || !sv->cpu.long_mode;
}

void soft_note_code(struct soft *sv, u64 lin, const struct x86_tlb_entry *t)
{
    unsigned h = code_hash(lin);
    if (sv->cpu.cpl != 3 && !((t->info & X86_TLB_GLOBAL) && may_be_global(sv, lin)))
        sv->kernel_local = true;
    bool large = (t->info & X86_TLB_SHIFT) > 12;
    bool known = !large || sv->code_large[x86_tlb_gib(lin) / 64] >> x86_tlb_gib(lin) % 64 & 1;
    if (known && (sv->code_seen[h / 64] >> h % 64 & 1))
        return;
    if (sv->code_seen_count == CODE_SEEN_MAX) { /* it would soon say yes to all */
        mem_fill(sv->code_seen, 0, sizeof sv->code_seen);
        mem_fill(sv->code_large, 0, sizeof sv->code_large);
        sv->code_seen_count = 0;
        x86_tlb_renew(&sv->cpu, true);
        soft_context_update(sv);
    }
    if (large)
        sv->code_large[x86_tlb_gib(lin) / 64] |= BIT(x86_tlb_gib(lin) % 64);
    sv->code_seen[h / 64] |= BIT(h % 64);
    sv->code_seen_count++;
}

void soft_page_flushed(struct soft *sv, u64 va)
{
    unsigned h = code_hash(va);
    bool seen = sv->code_seen[h / 64] >> h % 64 & 1;
    bool large = sv->code_large[x86_tlb_gib(va) / 64] >> x86_tlb_gib(va) % 64 & 1;
    if (seen || large)
        x86_tlb_renew(&sv->cpu, may_be_global(sv, va));
    soft_context_update(sv);
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
