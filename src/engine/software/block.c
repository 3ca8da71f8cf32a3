/* SPDX-License-Identifier: BSD-2-Clause */
/* The decoded-block cache of one vCPU. Blocks are found by physical address, so processes that map
 * the same page share them and a change of address space decodes nothing again; the jump cache
 * finds them by linear address within one epoch.
 *
 * Blocks go only between blocks, when there is no room (arena.c). */
#include "engine/software/software.h"

#include "base/mem.h"

#include <errno.h>

int block_cache_init(struct soft *sv, struct err *e)
{
    int r = arena_init(sv, e);
    if (r)
        return r;
    sv->hash = mem_alloc_array(BLOCK_HASH_SIZE, sizeof *sv->hash);
    sv->page_first = mem_alloc_array(sv->svm->pages, sizeof *sv->page_first);
    if (!sv->hash || !sv->page_first) {
        block_cache_fini(sv);
        return err_set(e, -ENOMEM, "making the block cache of vCPU %u: out of memory",
                       sv->vcpu->index);
    }
    return 0;
}

void block_cache_fini(struct soft *sv)
{
    arena_fini(&sv->arena);
    mem_free(sv->hash);
    mem_free(sv->page_first);
}

static struct block **hash_chain(struct soft *sv, u64 pa, u64 key)
{
    u64 h = (pa ^ key << 20) * 0x9e3779b97f4a7c15u;
    return &sv->hash[h >> 47];
}
_Static_assert(BLOCK_HASH_SIZE == 1 << (64 - 47), "the hash's top bits are the index");

static struct jump *jump_slot(struct soft *sv, u64 rip)
{
    return &sv->jump[(rip ^ rip >> 12) & (JUMP_CACHE_SIZE - 1)];
}

/* Physical address of the page that b->ref[k] is in the list of. */
static u64 page_of_ref(const struct block *b, unsigned k)
{
    return k == 0 ? b->pa & ~(u64)(PAGE_SIZE - 1) : b->second_page;
}

void block_drop_all(struct soft *sv)
{
    u64 index;
    sv->emptied++;
    x86_tlb_renew(&sv->cpu, true);
    soft_context_update(sv);
    for (struct block *b = arena_next(&sv->arena, NULL); b; b = arena_next(&sv->arena, b))
        for (unsigned k = 0; b->bytes && k < 2; k++)
            if (b->ref[k].block && code_page_index(sv->svm, page_of_ref(b, k), &index)) {
                sv->page_first[index] = NULL;
                code_page_release(sv, page_of_ref(b, k));
            }
    for (unsigned h = 0; h < BLOCK_HASH_SIZE; h++)
        sv->hash[h] = NULL;
    arena_reset(&sv->arena);
    if (sv->engine->emptied)
        sv->engine->emptied(sv);
}

void block_cache_full(struct soft *sv)
{
    if (!cache_extend_code(sv))
        block_drop_all(sv);
}

static void kill_block(struct soft *sv, struct block *b)
{
    b->dead = true;
    sv->blocks_dropped++;
    for (struct block **p = hash_chain(sv, b->pa, b->key); *p; p = &(*p)->hash_next)
        if (*p == b) {
            *p = b->hash_next;
            break;
        }
    /* It may be running: its next instruction must not be the old one. */
    for (struct x86_insn *i = b->insn;; i++) {
        bool last = i->exec == soft_block_end;
        i->exec = soft_stale;
        if (last)
            break;
    }
    sv->kills++;
    if (sv->engine->killed)
        sv->engine->killed(sv, b);
}

/* Granules of the page, number k of the block's pages, that it depends on. */
static u64 granules_in_page(const struct block *b, unsigned k)
{
    u64 in_first = MIN((u64)b->bytes, PAGE_SIZE - (b->pa & (PAGE_SIZE - 1)));
    return k == 0 ? b->seen | code_granules(b->pa, in_first)
                  : code_granules(0, b->bytes - in_first);
}

/* Drops what overlaps the granules of one page; true when something was dropped. */
static bool drop_in_page(struct soft *sv, u64 page_pa, u64 granules)
{
    u64 index, left = 0;
    if (!code_page_index(sv->svm, page_pa, &index))
        return false;
    bool any = false;
    struct block_ref **p = &sv->page_first[index];
    bool had = *p != NULL;
    while (*p) {
        struct block_ref *ref = *p;
        u64 covers = granules_in_page(ref->block, (unsigned)(ref - ref->block->ref));
        if (!ref->block->dead && (covers & granules)) {
            kill_block(sv, ref->block);
            any = true;
        }
        if (ref->block->dead) {
            *p = ref->next;
            ref->block = NULL;
            any = true;
        } else {
            left |= covers;
            p = &ref->next;
        }
    }
    if (had && !sv->page_first[index])
        code_page_release(sv, page_pa);
    else if (any)
        code_page_narrow(sv, page_pa, left);
    return any;
}

bool block_drop_range(struct soft *sv, u64 start, u64 size)
{
    bool any = false;
    for (u64 a = start, end = start + size; a < end;) {
        u64 n = MIN(end - a, PAGE_SIZE - (a & (PAGE_SIZE - 1)));
        any |= drop_in_page(sv, a & ~(u64)(PAGE_SIZE - 1), code_granules(a, n));
        a += n;
    }
    return any;
}

/* Code bytes at one place of the guest, in one page or two. */
struct source {
    u64 pa, second_page; /* second_page 0: not asked for yet */
    const u8 *first, *second;
    unsigned left; /* bytes from pa to the end of its page */
};

static void copy_code(const struct source *s, unsigned off, u8 *to, unsigned n)
{
    for (unsigned i = 0; i < n; i++, off++)
        to[i] = off < s->left ? s->first[off] : s->second[off - s->left];
}

static bool ends_block(const struct x86_insn *i)
{
    /* A conditional branch that is not taken goes on in the block. */
    switch (i->op) {
    case X86_OP_JCC: return false;
    /* These leave the block when they are interpreted; translations go on behind them. */
    case X86_OP_STI:
    case X86_OP_STAC:
    case X86_OP_CLAC: return false;
    default: return x86_forms[i->form].flags & (X86_F_BRANCH | X86_F_END);
    }
}

/* Decodes into b; bytes gets the code. Returns X86_DECODE_OK, or why there is not one instruction.
 */
static int decode(struct soft *sv, struct block *b, const struct source *s, u8 *bytes)
{
    struct x86_cpu *cpu = &sv->cpu;
    struct x86_decode_config cfg = {.mode = cpu->mode, .vendor = cpu->vendor};
    unsigned count = 0, off = 0, available = s->left + (s->second ? PAGE_SIZE : 0);
    int r = X86_DECODE_OK;
    while (count < BLOCK_INSNS_MAX && off < s->left) {
        struct x86_insn *i = &b->insn[count];
        unsigned n = MIN((unsigned)X86_MAX_INSN, available - off);
        copy_code(s, off, bytes + off, n);
        r = x86_decode(i, bytes + off, n, cfg);
        if (r)
            break;
        x86_exec_bind(cpu, i, bytes + off);
        i->at = (u16)((s->pa + off) & (PAGE_SIZE - 1));
        off += i->len;
        count++;
        if (ends_block(i) || s->second)
            break;
    }
    if (!count)
        return r;
    b->bytes = (u16)off;
    b->insn[count] = (struct x86_insn){.exec = soft_block_end, .mode = cpu->mode};
    b->space = (u32)(sizeof *b + (count + 1) * sizeof b->insn[0]);
    return X86_DECODE_OK;
}

/* More room, or blocks that were not worth a translation go; if that is not much, all. */
static void make_room(struct soft *sv)
{
    struct arena *a = &sv->arena;
    if (!arena_is_patient(a) && arena_extend(a))
        return;
    u64 used = 0, left = 0;
    for (struct block *b = arena_next(a, NULL); b; b = arena_next(a, b)) {
        used += b->space;
        left += b->dead || !b->translation ? 0 : b->space;
    }
    if (left > used / 4 * 3) {
        if (!arena_extend(a))
            block_drop_all(sv);
        return;
    }
    for (struct block *b = arena_next(a, NULL); b; b = arena_next(a, b))
        b->dead |= !b->translation;
    x86_tlb_renew(&sv->cpu, true);
    soft_context_update(sv);
    for (unsigned h = 0; h < BLOCK_HASH_SIZE; h++)
        for (struct block **p = &sv->hash[h]; *p;)
            if ((*p)->dead)
                *p = (*p)->hash_next;
            else
                p = &(*p)->hash_next;
    for (struct block *b = arena_next(a, NULL); b; b = arena_next(a, b))
        for (unsigned k = 0; b->dead && b->bytes && k < 2; k++)
            if (b->ref[k].block)
                drop_in_page(sv, page_of_ref(b, k), 0);
    arena_collect(a);
}

static void *place_for(struct soft *sv, u64 space)
{
    void *place = arena_place(&sv->arena, space);
    if (place)
        return place;
    make_room(sv);
    place = arena_place(&sv->arena, space);
    if (place)
        return place;
    block_drop_all(sv); /* holes enough, but all too small */
    return arena_place(&sv->arena, space);
}

/* Decodes until the bytes are the same after their granules are marked as before, so that a store
 * by another vCPU is either seen here or finds the mark. On success *place has room for b. */
static int decode_marked(struct soft *sv, struct block *b, const struct source *s,
                         struct block **place)
{
    u8 bytes[(BLOCK_INSNS_MAX + 1) * X86_MAX_INSN], again[sizeof bytes];
    for (;;) {
        int r = decode(sv, b, s, bytes);
        if (r)
            return r;
        /* Before the marks: making room takes those of pages without blocks away. */
        *place = place_for(sv, b->space);
        unsigned in_first = MIN((unsigned)b->bytes, s->left);
        code_page_claim(sv, s->pa);
        code_page_cover(sv, s->pa, in_first);
        if (b->bytes > in_first) {
            code_page_claim(sv, s->second_page);
            code_page_cover(sv, s->second_page, b->bytes - in_first);
        }
        copy_code(s, 0, again, b->bytes);
        if (mem_compare(bytes, again, b->bytes) == 0)
            return X86_DECODE_OK;
    }
}

static void enter_block(struct soft *sv, struct block *b, const struct source *s)
{
    struct block **chain = hash_chain(sv, b->pa, b->key);
    b->hash_next = *chain;
    *chain = b;
    u64 page[2] = {s->pa & ~(u64)(PAGE_SIZE - 1), b->second_page}, index;
    for (unsigned k = 0; k < 2; k++)
        if ((k == 0 || page[k]) && code_page_index(sv->svm, page[k], &index)) {
            b->ref[k] = (struct block_ref){sv->page_first[index], b};
            sv->page_first[index] = &b->ref[k];
        }
}

static enum x86_tlb_index fetch_index(const struct x86_cpu *cpu)
{
    return cpu->cpl == 3 ? X86_TLB_USER : X86_TLB_KERNEL;
}

static int fetch_translate(struct soft *sv, u64 lin, u64 *pa)
{
    struct x86_cpu *cpu = &sv->cpu;
    const struct x86_tlb_entry *t = &cpu->tlb[fetch_index(cpu)][(lin >> 12) & (X86_TLB_SIZE - 1)];
    if (unlikely(t->tag[X86_EXEC] != (lin & ~(u64)0xfff))) {
        int r = x86_translate(cpu, lin, X86_EXEC, fetch_index(cpu), pa);
        if (r)
            return r;
    }
    soft_note_code(sv, lin, t);
    *pa = t->pa | (lin & 0xfff);
    return X86_OK;
}

/* The page after the one of lin, where an instruction goes on. */
static int second_page(struct soft *sv, u64 lin, u64 *pa)
{
    u64 next = (lin | 0xfff) + 1;
    return fetch_translate(sv, sv->cpu.mode == X86_MODE64 ? next : (u32)next, pa);
}

static const u8 *ram_page(struct soft *sv, u64 pa)
{
    return guest_memory_ptr(sv->svm->vm->memory, gpa(pa & ~(u64)(PAGE_SIZE - 1)), PAGE_SIZE);
}

static struct block *make_block(struct soft *sv, u64 lin, u64 pa, int *result)
{
    vcpu_in_tier(sv->vcpu, TIER_DECODING);
    *result = X86_OK;
    const u8 *page = ram_page(sv, pa);
    if (!page)
        return NULL;
    x86_vector_release(&sv->cpu); /* the map of code pages takes locks */
    alignas(64) u8 draft[sizeof(struct block) + (BLOCK_INSNS_MAX + 1) * sizeof(struct x86_insn)];
    struct block *b = (struct block *)(void *)draft, *place;
    *b = (struct block){.pa = pa, .key = sv->key};
    unsigned off = pa & (PAGE_SIZE - 1);
    struct source s = {.pa = pa, .first = page + off, .left = PAGE_SIZE - off};
    int r = decode_marked(sv, b, &s, &place);
    if (r == X86_DECODE_MORE) {
        *result = second_page(sv, lin, &s.second_page);
        if (*result)
            return NULL;
        s.second = ram_page(sv, s.second_page);
        if (!s.second)
            return NULL;
        b->second_page = s.second_page;
        r = decode_marked(sv, b, &s, &place);
    }
    if (r)
        return NULL;
    mem_copy(place, b, b->space);
    sv->arena.at += b->space;
    enter_block(sv, place, &s);
    sv->blocks_made++;
    return place;
}

static struct block *look_up(struct soft *sv, u64 lin, u64 pa)
{
    u64 next = 0;
    for (struct block *b = *hash_chain(sv, pa, sv->key); b; b = b->hash_next) {
        if (b->pa != pa || b->key != sv->key)
            continue;
        if (!b->second_page)
            return b;
        if (!next && second_page(sv, lin, &next))
            return NULL; /* the fault comes up again when the block is made */
        if (next == b->second_page)
            return b;
    }
    return NULL;
}

struct block *block_at(struct soft *sv, u64 pa)
{
    for (struct block *b = *hash_chain(sv, pa, sv->key); b; b = b->hash_next)
        if (b->pa == pa && b->key == sv->key && !b->second_page)
            return b;
    return NULL;
}

struct block *block_find(struct soft *sv, int *result)
{
    struct x86_cpu *cpu = &sv->cpu;
    u64 rip = cpu->s.rip;
    struct jump *j = jump_slot(sv, rip);
    if (likely(j->rip == rip && j->epoch == sv->epoch && j->key == sv->key && !j->to->dead))
        return j->to;
    u64 pa, lin = sv->cs_base + rip;
    if (cpu->mode != X86_MODE64)
        lin = (u32)lin;
    *result = X86_OK;
    if (cpu->mode == X86_MODE64 && !x86_canonical(rip))
        return NULL;
    if (cpu->mode != X86_MODE64 && rip > sv->cs_limit)
        return NULL;
    cpu->fault_rip = rip;
    *result = fetch_translate(sv, lin, &pa);
    if (*result)
        return NULL;
    struct block *b = look_up(sv, lin, pa);
    if (!b)
        b = make_block(sv, lin, pa, result);
    if (!b)
        return NULL;
    /* x86_step() checks the limit byte by byte. */
    *result = X86_OK;
    if (cpu->mode != X86_MODE64 && rip + b->bytes - 1 > sv->cs_limit)
        return NULL;
    *j = (struct jump){.rip = rip, .key = sv->key, .epoch = sv->epoch, .to = b};
    return b;
}
