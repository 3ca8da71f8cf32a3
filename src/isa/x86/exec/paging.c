/* SPDX-License-Identifier: BSD-2-Clause */
/* Page walks in all paging modes: 32-bit with 4 MiB pages, PAE, 4-level [SDM3 4.3, 4.4, 4.5].
 *
 * One loop walks all formats; a format says how many levels there are and how wide an entry and an
 * index is. Accessed and dirty bits are set after all checks have passed, by compare-exchange on
 * the very entry that was read; when somebody changed it meanwhile the walk starts again, so a
 * permission that was taken away is never used. */
#include "base/bits.h"
#include "isa/x86/exec/exec.h"
#include "isa/x86/exec/place.h"

enum {
    PTE_P = 1 << 0,
    PTE_W = 1 << 1,
    PTE_U = 1 << 2,
    PTE_A = 1 << 5,
    PTE_D = 1 << 6,
    PTE_PS = 1 << 7,
    PTE_G = 1 << 8,
};
#define PTE_NX ((u64)1 << 63)

/* #PF error code [SDM3 4.7] */
enum { PF_P = 1, PF_W = 2, PF_U = 4, PF_RSVD = 8, PF_I = 16 };

struct format {
    u8 levels, index_bits, entry_size;
};
static const struct format legacy = {2, 10, 4}, pae = {2, 9, 8}, four_level = {4, 9, 8};

struct entry {
    u64 pa, value;
};

struct walk {
    const struct format *format;
    struct entry entry[4]; /* from the top */
    unsigned count;
    u8 shift;  /* of the page found */
    u64 frame; /* its physical address */
    bool user, writable, no_exec;
};

enum walk_end { WALK_FOUND, WALK_ABSENT, WALK_RESERVED };

static u64 entry_load(struct x86_cpu *cpu, u64 pa, unsigned size)
{
    bool writable;
    u8 *page = cpu->ops->phys_page(cpu, pa & ~(u64)0xfff, false, &writable);
    struct x86_place p = {pa, page && !cpu->stores ? page + (pa & 0xfff) : NULL};
    return x86_place_load(cpu, &p, size);
}

static bool entry_cmpxchg(struct x86_cpu *cpu, const struct entry *e, unsigned size, u64 value)
{
    bool writable;
    u64 seen;
    u8 *page = cpu->ops->phys_page(cpu, e->pa & ~(u64)0xfff, true, &writable);
    struct x86_place p = {e->pa, page && writable && !cpu->stores ? page + (e->pa & 0xfff) : NULL};
    return x86_place_cmpxchg(cpu, &p, size, e->value, value, &seen);
}

/* Bits that must be zero in an entry at this level (1: page table); large: it maps a page. */
static u64 reserved_bits(const struct x86_cpu *cpu, const struct format *f, unsigned level,
                         bool large)
{
    u64 above = mask_low(52) & ~x86_physical_mask(cpu);
    if (f == &legacy) {
        /* PSE-36: bits 20:13 are physical 39:32, those beyond the processor's width and bit 21
         * are reserved [SDM3 table 4-4]. */
        return large ? BIT(21) | ((above >> 32 & 0xff) << 13) : 0;
    }
    u64 r = above;
    if (f == &pae)
        r |= mask_low(63) & ~mask_low(52);
    if (!(cpu->s.efer & X86_EFER_NXE))
        r |= PTE_NX;
    if (large)
        r |= mask_low(12 + 9 * (level - 1)) & ~mask_low(13);
    else if (level == 4 || (level == 3 && !x86_model_has(cpu->model, X86_FEATURE_PAGE1GB)))
        r |= PTE_PS;
    return r;
}

static bool maps_page(const struct x86_cpu *cpu, const struct format *f, unsigned level, u64 e)
{
    if (level == 1)
        return true;
    if (!(e & PTE_PS) || level == 4)
        return false;
    if (level == 3)
        return x86_model_has(cpu->model, X86_FEATURE_PAGE1GB);
    return f != &legacy || (cpu->s.cr4 & X86_CR4_PSE);
}

static u64 frame_of(const struct x86_cpu *cpu, const struct walk *w, u64 e)
{
    if (w->format == &legacy && w->shift == 22)
        return ((e & 0xffc00000) | (e >> 13 & 0xff) << 32) & x86_physical_mask(cpu);
    u64 m = w->format == &legacy ? 0xffffffff : x86_physical_mask(cpu);
    return e & m & ~mask_low(w->shift);
}

/* The tables' contents for lin, without permission checks. */
static enum walk_end walk_tables(struct x86_cpu *cpu, u64 lin, struct walk *w)
{
    u64 table;
    if (cpu->long_mode) {
        w->format = &four_level;
        table = cpu->s.cr3 & x86_physical_mask(cpu);
    } else if (cpu->s.cr4 & X86_CR4_PAE) {
        w->format = &pae;
        table = cpu->s.pdptr[lin >> 30 & 3];
        if (!(table & PTE_P))
            return WALK_ABSENT;
        table &= x86_physical_mask(cpu);
    } else {
        w->format = &legacy;
        table = cpu->s.cr3 & 0xffffffff;
    }
    table &= ~(u64)0xfff;
    const struct format *f = w->format;
    w->user = w->writable = true;
    w->no_exec = false;
    w->count = 0;
    for (unsigned level = f->levels; level; level--) {
        unsigned shift = 12 + f->index_bits * (level - 1);
        u64 pa = table + (lin >> shift & mask_low(f->index_bits)) * f->entry_size;
        u64 e = entry_load(cpu, pa, f->entry_size);
        if (!(e & PTE_P))
            return WALK_ABSENT;
        bool leaf = maps_page(cpu, f, level, e);
        if (e & reserved_bits(cpu, f, level, leaf && level > 1))
            return WALK_RESERVED;
        w->user &= (e & PTE_U) != 0;
        w->writable &= (e & PTE_W) != 0;
        w->no_exec |= f != &legacy && (e & PTE_NX);
        w->entry[w->count++] = (struct entry){pa, e};
        w->shift = (u8)shift;
        w->frame = frame_of(cpu, w, e);
        if (leaf)
            return WALK_FOUND;
        table = e & (f == &legacy ? 0xfffff000 : x86_physical_mask(cpu) & ~(u64)0xfff);
    }
    return WALK_ABSENT; /* not reached: level 1 always maps */
}

/* BIT(access) that the page permits at this privilege [SDM3 4.6.1], D aside. */
static unsigned permitted(const struct x86_cpu *cpu, const struct walk *w, unsigned index)
{
    bool read, write, exec = !w->no_exec;
    if (index == X86_TLB_USER) {
        read = w->user;
        write = read && w->writable;
        exec = exec && w->user;
    } else {
        read = !(w->user && index == X86_TLB_KERNEL && (cpu->s.cr4 & X86_CR4_SMAP));
        write = read && (w->writable || !(cpu->s.cr0 & X86_CR0_WP));
        exec = exec && !(w->user && (cpu->s.cr4 & X86_CR4_SMEP));
    }
    return (read ? BIT(X86_READ) : 0) | (write ? BIT(X86_WRITE) : 0) | (exec ? BIT(X86_EXEC) : 0);
}

/* False when an entry changed under us. */
static bool mark_accessed(struct x86_cpu *cpu, struct walk *w, bool write)
{
    for (unsigned i = 0; i < w->count; i++) {
        struct entry *e = &w->entry[i];
        u64 want = e->value | PTE_A | (write && i == w->count - 1 ? PTE_D : 0);
        if (want != e->value && !entry_cmpxchg(cpu, e, w->format->entry_size, want))
            return false;
        e->value = want;
    }
    return true;
}

static u32 fault_code(const struct x86_cpu *cpu, enum x86_access access, unsigned index)
{
    bool paging_nx = (cpu->s.efer & X86_EFER_NXE) && (cpu->s.cr4 & X86_CR4_PAE);
    return (access == X86_WRITE ? PF_W : 0) | (index == X86_TLB_USER ? PF_U : 0) |
           (access == X86_EXEC && (paging_nx || (cpu->s.cr4 & X86_CR4_SMEP)) ? PF_I : 0);
}

int x86_page_walk(struct x86_cpu *cpu, u64 lin, enum x86_access access, unsigned index,
                  struct x86_page *page, u32 *error)
{
    if (!(cpu->s.cr0 & X86_CR0_PG)) {
        *page = (struct x86_page){lin & 0xffffffff, 12, 7, true};
        return 0;
    }
    struct walk w;
    for (;;) {
        enum walk_end end = walk_tables(cpu, lin, &w);
        u32 code = fault_code(cpu, access, index);
        if (end != WALK_FOUND) {
            *error = code | (end == WALK_RESERVED ? PF_P | PF_RSVD : 0);
            return -1;
        }
        unsigned rights = permitted(cpu, &w, index);
        if (!(rights >> access & 1)) {
            *error = code | PF_P;
            return -1;
        }
        if (!mark_accessed(cpu, &w, access == X86_WRITE))
            continue;
        u64 leaf = w.entry[w.count - 1].value;
        /* A later write must come back to set D. */
        if (!(leaf & PTE_D))
            rights &= ~(unsigned)BIT(X86_WRITE);
        page->pa = w.frame | (lin & mask_low(w.shift));
        page->shift = w.shift;
        page->rights = (u8)rights;
        page->global = (leaf & PTE_G) && (cpu->s.cr4 & X86_CR4_PGE);
        return 0;
    }
}

bool x86_load_pdptrs(struct x86_cpu *cpu, u64 cr3, u64 pdptr[4])
{
    u64 reserved = ~x86_physical_mask(cpu) | 0x1e6;
    for (unsigned i = 0; i < 4; i++) {
        pdptr[i] = entry_load(cpu, (cr3 & 0xffffffe0) + 8 * i, 8);
        if ((pdptr[i] & PTE_P) && (pdptr[i] & reserved))
            return false;
    }
    return true;
}

int x86_translate_quiet(struct x86_cpu *cpu, u64 va, u64 *pa)
{
    if (!(cpu->s.cr0 & X86_CR0_PG)) {
        *pa = va & 0xffffffff;
        return 0;
    }
    struct walk w;
    if (cpu->long_mode ? !x86_canonical(va) : va >> 32 != 0)
        return -14; /* EFAULT */
    if (walk_tables(cpu, va, &w) != WALK_FOUND)
        return -14;
    *pa = w.frame | (va & mask_low(w.shift));
    return 0;
}
