/* SPDX-License-Identifier: BSD-2-Clause */
/* The software TLB: direct-mapped tables of 4 KiB pieces, one for each privilege.
 *
 * Flushes must never keep too much and should not cost more than was filled. Entries carry no PCID:
 * a CR3 load that changes it drops what is not global, and the new PCID's come back from the walks
 * of tlb_walk.c. INVLPG drops all pieces of the large page that maps the address [SDM3 4.10.4.1].
 */
#include "base/bits.h"
#include "isa/x86/exec/memory.h"
#include "isa/x86/exec/place.h"
#include "isa/x86/exec/store_buffer.h"

static void entry_clear(struct x86_tlb_entry *t, unsigned slot)
{
    t->tag[X86_READ] = t->tag[X86_WRITE] = t->tag[X86_EXEC] = x86_tlb_no_tag(slot);
    t->slow = X86_TLB_NONE;
    t->info = 0;
}

static void entry_drop(struct x86_cpu *cpu, unsigned index, unsigned slot)
{
    struct x86_tlb_entry *t = &cpu->tlb[index][slot];
    cpu->tlb_used[index][(t->info & X86_TLB_GLOBAL) != 0][slot / 64] &= ~BIT(slot % 64);
    entry_clear(t, slot);
}

void x86_tlb_init(struct x86_cpu *cpu)
{
    for (unsigned i = 0; i < X86_TLB_COUNT; i++)
        for (unsigned k = 0; k < X86_TLB_SIZE; k++)
            entry_clear(&cpu->tlb[i][k], k);
    x86_tlb_renew(cpu, true);
}

void x86_tlb_clear(struct x86_cpu *cpu, bool global_too)
{
    cpu->tlb_changes++;
    cpu->tlb_events.flushes++;
    for (unsigned i = 0; i < X86_TLB_FILLED; i++)
        for (unsigned g = 0; g <= global_too; g++)
            for (unsigned word = 0; word < X86_TLB_SIZE / 64; word++) {
                u64 used = cpu->tlb_used[i][g][word];
                cpu->tlb_used[i][g][word] = 0;
                for (; used; used &= used - 1) {
                    unsigned slot = word * 64 + (unsigned)__builtin_ctzll(used);
                    entry_clear(&cpu->tlb[i][slot], slot);
                }
            }
}

/* The linear page an entry stands for; NONE when it stands for nothing. */
static u64 entry_page(const struct x86_tlb_entry *t)
{
    return t->slow == X86_TLB_NONE ? X86_TLB_NONE : t->slow & ~(u64)0xfff;
}

/* Entries in use, from `slot` on, in one table: X86_TLB_SIZE when there are no more. */
static unsigned next_used(const struct x86_cpu *cpu, unsigned index, unsigned slot)
{
    for (unsigned word = slot / 64; word < X86_TLB_SIZE / 64; word++, slot = word * 64) {
        u64 used = cpu->tlb_used[index][0][word] | cpu->tlb_used[index][1][word];
        used &= ~mask_low(slot % 64);
        if (used)
            return word * 64 + (unsigned)__builtin_ctzll(used);
    }
    return X86_TLB_SIZE;
}

static void drop_large_pieces(struct x86_cpu *cpu, u64 va)
{
    bool left = x86_walk_drop_large(cpu, va);
    for (unsigned i = 0; i < X86_TLB_FILLED; i++)
        for (unsigned slot = next_used(cpu, i, 0); slot < X86_TLB_SIZE;
             slot = next_used(cpu, i, slot + 1)) {
            struct x86_tlb_entry *t = &cpu->tlb[i][slot];
            unsigned shift = t->info & X86_TLB_SHIFT;
            if (shift <= 12)
                continue;
            if (entry_page(t) >> shift == va >> shift)
                entry_drop(cpu, i, slot);
            else
                left |= x86_tlb_gib(entry_page(t)) == x86_tlb_gib(va);
        }
    if (!left)
        cpu->tlb_large[x86_tlb_gib(va) / 64] &= ~BIT(x86_tlb_gib(va) % 64);
}

void x86_tlb_flush_page(struct x86_cpu *cpu, u64 va)
{
    cpu->tlb_changes++;
    cpu->tlb_events.page_flushes++;
    if (cpu->tlb_large[x86_tlb_gib(va) / 64] >> (x86_tlb_gib(va) % 64) & 1)
        drop_large_pieces(cpu, va);
    x86_walk_drop(cpu, va);
    unsigned slot = (va >> 12) & (X86_TLB_SIZE - 1);
    for (unsigned i = 0; i < X86_TLB_FILLED; i++)
        if (entry_page(&cpu->tlb[i][slot]) == (va & ~(u64)0xfff))
            entry_drop(cpu, i, slot);
}

void x86_tlb_drop_physical(struct x86_cpu *cpu, u64 pa, bool writes_only)
{
    cpu->tlb_changes++;
    for (unsigned i = 0; i < X86_TLB_FILLED; i++)
        for (unsigned slot = next_used(cpu, i, 0); slot < X86_TLB_SIZE;
             slot = next_used(cpu, i, slot + 1)) {
            struct x86_tlb_entry *t = &cpu->tlb[i][slot];
            if (t->pa != (pa & ~(u64)0xfff))
                continue;
            t->tag[X86_WRITE] = x86_tlb_no_tag(slot);
            if (!writes_only)
                t->tag[X86_READ] = t->tag[X86_EXEC] = x86_tlb_no_tag(slot);
        }
}

static void note_fill(struct x86_store_buffer *b, unsigned index, unsigned slot)
{
    if (b->fills < X86_STORE_FILLS)
        b->fill[b->fills] = (u16)(index * X86_TLB_SIZE + slot);
    b->fills++;
}

void x86_tlb_forget(struct x86_cpu *cpu, const struct x86_store_buffer *b)
{
    cpu->tlb_changes++;
    if (b->fills > X86_STORE_FILLS) {
        x86_tlb_flush(cpu, true);
        return;
    }
    for (unsigned k = 0; k < b->fills; k++)
        entry_drop(cpu, b->fill[k] / X86_TLB_SIZE, b->fill[k] % X86_TLB_SIZE);
}

/* Enters a walked page. Rights found earlier for the same page stay: an access that sets D adds
 * the write right only. */
static struct x86_tlb_entry *fill(struct x86_cpu *cpu, u64 lin, unsigned index,
                                  enum x86_access access, const struct x86_page *page)
{
    unsigned slot = (lin >> 12) & (X86_TLB_SIZE - 1);
    struct x86_tlb_entry *t = &cpu->tlb[index][slot];
    u64 va = lin & ~(u64)0xfff;
    entry_drop(cpu, index, slot);
    cpu->tlb_events.fills++;
    if (unlikely(cpu->stores))
        note_fill(cpu->stores, index, slot);
    t->slow = va | page->rights;
    t->pa = page->pa & ~(u64)0xfff;
    t->info = page->shift | (page->global ? X86_TLB_GLOBAL : 0);
    cpu->tlb_used[index][page->global][slot / 64] |= BIT(slot % 64);
    if (page->shift > 12)
        cpu->tlb_large[x86_tlb_gib(va) / 64] |= BIT(x86_tlb_gib(va) % 64);
    bool writable = false;
    u8 *host = cpu->ops->phys_page(cpu, t->pa, access == X86_WRITE, &writable);
    if (host) {
        t->host = (u64)(uintptr_t)host;
        t->addend = t->host - va;
        if (page->rights & BIT(X86_READ))
            t->tag[X86_READ] = va;
        if (page->rights & BIT(X86_EXEC))
            t->tag[X86_EXEC] = va;
        if ((page->rights & BIT(X86_WRITE)) && writable)
            t->tag[X86_WRITE] = va;
    }
    return t;
}

/* The entry for an access that is allowed, filling it if needed; NULL with #PF raised. */
static struct x86_tlb_entry *lookup(struct x86_cpu *cpu, u64 lin, enum x86_access access,
                                    unsigned index)
{
    struct x86_tlb_entry *t = &cpu->tlb[index][(lin >> 12) & (X86_TLB_SIZE - 1)];
    u64 va = lin & ~(u64)0xfff;
    if (t->tag[access] == va)
        return t;
    if (entry_page(t) == va && (t->slow >> access & 1)) {
        /* Known and allowed, but not direct. RAM may have become direct again (no longer code, no
         * longer logged): ask. */
        bool writable = false;
        u8 *host = cpu->ops->phys_page(cpu, t->pa, access == X86_WRITE, &writable);
        if (host && (access != X86_WRITE || writable)) {
            t->host = (u64)(uintptr_t)host;
            t->addend = t->host - va;
            t->tag[access] = va;
        }
        return t;
    }
    struct x86_page page;
    u32 error;
    if (!cpu->stores && x86_walk_recall(cpu, lin, access, index, &page))
        return fill(cpu, lin, index, access, &page);
    if (x86_page_walk(cpu, lin, access, index, &page, &error)) {
        x86_raise_error(cpu, X86_PF_FAULT, error);
        cpu->fault.payload = lin;
        return NULL;
    }
    if (!cpu->stores)
        x86_walk_keep(cpu, lin, index, &page);
    return fill(cpu, lin, index, access, &page);
}

int x86_resolve(struct x86_cpu *cpu, u64 lin, enum x86_access access, unsigned index,
                struct x86_place *place)
{
    struct x86_tlb_entry *t = lookup(cpu, lin, access, index);
    if (!t)
        return X86_EXCEPTION;
    place->pa = t->pa | (lin & 0xfff);
    place->host = t->tag[access] == (lin & ~(u64)0xfff) && !cpu->stores
                      ? (u8 *)(uintptr_t)(lin + t->addend)
                      : NULL;
    return X86_OK;
}

int x86_translate(struct x86_cpu *cpu, u64 lin, enum x86_access access, unsigned tlb_index, u64 *pa)
{
    struct x86_place p;
    int r = x86_resolve(cpu, lin, access, tlb_index, &p);
    if (r == X86_OK)
        *pa = p.pa;
    return r;
}
