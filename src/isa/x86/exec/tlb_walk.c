/* SPDX-License-Identifier: BSD-2-Clause */
/* Behind the TLB: the numbers of address spaces, and walks remembered by them. A flush gives a new
 * number, so it costs nothing, and a process that is switched to with its PCID kept finds what it
 * had [SDM3 4.10.1]. */
#include "base/bits.h"
#include "isa/x86/exec/memory.h"
#include "isa/x86/exec/place.h"

static unsigned current_pcid(const struct x86_cpu *cpu)
{
    return cpu->s.cr4 & X86_CR4_PCIDE ? cpu->s.cr3 & (X86_PCID_COUNT - 1) : 0;
}

static void set_space(struct x86_cpu *cpu)
{
    cpu->space = ++cpu->spaces;
    cpu->pcid_space[current_pcid(cpu)] = cpu->space;
}

void x86_tlb_renew(struct x86_cpu *cpu, bool all)
{
    if (all) {
        cpu->spaces_void = cpu->spaces;
        cpu->global_space = ++cpu->spaces;
    }
    set_space(cpu);
}

void x86_tlb_flush(struct x86_cpu *cpu, bool global_too)
{
    x86_tlb_clear(cpu, global_too);
    cpu->spaces_void = cpu->spaces;
    x86_tlb_renew(cpu, global_too);
}

void x86_tlb_flush_pcid(struct x86_cpu *cpu, unsigned pcid)
{
    cpu->pcid_space[pcid] = 0;
}

void x86_tlb_switch(struct x86_cpu *cpu, bool keep)
{
    u64 known = cpu->pcid_space[current_pcid(cpu)];
    if (keep && known == cpu->space)
        return;
    x86_tlb_clear(cpu, false);
    if (keep && known > cpu->spaces_void)
        cpu->space = known;
    else
        set_space(cpu);
}

static struct x86_tlb_walk *slot_of(struct x86_cpu *cpu, u64 lin, unsigned index)
{
    return &cpu->tlb_walk[(lin >> 12 ^ (u64)index << 10) & (X86_TLB_WALKS - 1)];
}

static u64 key_of(u64 lin, unsigned index)
{
    return (lin & ~(u64)0xfff) | index;
}

static bool holds(const struct x86_cpu *cpu, const struct x86_tlb_walk *w)
{
    return w->space == cpu->space || w->space == cpu->global_space;
}

bool x86_walk_recall(struct x86_cpu *cpu, u64 lin, enum x86_access access, unsigned index,
                     struct x86_page *page)
{
    const struct x86_tlb_walk *w = slot_of(cpu, lin, index);
    if (w->key != key_of(lin, index) || !holds(cpu, w) || !(w->rights >> access & 1))
        return false;
    *page = (struct x86_page){.pa = w->pa,
                              .shift = w->shift,
                              .rights = w->rights,
                              .global = w->space == cpu->global_space};
    return true;
}

void x86_walk_keep(struct x86_cpu *cpu, u64 lin, unsigned index, const struct x86_page *page)
{
    *slot_of(cpu, lin, index) =
        (struct x86_tlb_walk){.key = key_of(lin, index),
                              .space = page->global ? cpu->global_space : cpu->space,
                              .pa = page->pa & ~(u64)0xfff,
                              .rights = page->rights,
                              .shift = page->shift};
}

void x86_walk_drop(struct x86_cpu *cpu, u64 va)
{
    for (unsigned index = 0; index < X86_TLB_FILLED; index++) {
        struct x86_tlb_walk *w = slot_of(cpu, va, index);
        if (w->key == key_of(va, index) && holds(cpu, w))
            w->space = 0;
    }
}

bool x86_walk_drop_large(struct x86_cpu *cpu, u64 va)
{
    bool left = false;
    for (unsigned k = 0; k < X86_TLB_WALKS; k++) {
        struct x86_tlb_walk *w = &cpu->tlb_walk[k];
        if (!w->space || w->shift <= 12)
            continue;
        if (w->key >> w->shift == va >> w->shift && holds(cpu, w))
            w->space = 0;
        else
            left |= x86_tlb_gib(w->key) == x86_tlb_gib(va);
    }
    return left;
}
