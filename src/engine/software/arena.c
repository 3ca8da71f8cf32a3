/* SPDX-License-Identifier: BSD-2-Clause */
/* The memory of decoded blocks. They lie one after the other; each, and each hole between them,
 * says how much space it takes. When there is no hole left, blocks that were not worth a
 * translation go: most code of a boot runs a few times and never again. When that happens again and
 * again the cache grows, up to what the user allows; then, when such blocks give little, everything
 * goes. All of it only between blocks.
 *
 * Dead blocks stay where they are until then, because the running one may be dead. */
#include "engine/software/software.h"

#include "base/mem.h"

#include <errno.h>

_Static_assert(offsetof(struct block, hash_next) + sizeof(void *) <= 64,
               "what is used of a hole's head fits the smallest hole");

/* Half of the cache is for translations; each half grows by itself. */
static u64 half(u64 cache)
{
    return MIN(cache / 2, (u64)ARENA_MAX) & ~(u64)63;
}

u64 cache_translation_share(const struct soft *sv)
{
    return sv->arena.code_size;
}

bool cache_extend_code(struct soft *sv)
{
    struct arena *a = &sv->arena;
    if (a->code_size == a->size_max)
        return false;
    a->code_size = MIN(2 * a->code_size, a->size_max);
    return true;
}

int arena_init(struct soft *sv, struct err *e)
{
    struct arena *a = &sv->arena;
    unsigned cpus = sv->svm->vm->config.cpus;
    u64 size = sv->svm->vm->config.code_cache;
    u64 max = MIN((size ? size : CACHE_DEFAULT) / cpus, (u64)CACHE_MAX);
    max = MAX(max, (u64)CACHE_MIN);
    u64 start = sv->engine->translates ? MIN(max, CACHE_START / cpus) : max;
    a->size_max = half(max);
    a->size = a->code_size = half(MAX(start, (u64)CACHE_MIN));
    a->patience = PATIENCE * cpus;
    a->memory = mem_alloc(a->size_max + 64);
    if (!a->memory)
        return err_set(e, -ENOMEM, "making the block cache of vCPU %u: out of memory",
                       sv->vcpu->index);
    a->base = (u8 *)(uintptr_t)align_up((u64)(uintptr_t)a->memory, 64);
    arena_reset(a);
    return 0;
}

void arena_fini(struct arena *a)
{
    mem_free(a->memory);
}

/* Gives the pages back, too: it may be long until the cache is as full again. */
void arena_reset(struct arena *a)
{
    mem_discard(a->base, a->size);
    a->at = a->base;
    a->end = a->base + a->size;
    a->hole = NULL;
}

static void make_hole(u8 *at, u8 *end)
{
    struct block *b = (struct block *)(void *)at;
    b->space = (u32)(end - at);
    b->dead = true;
    b->bytes = 0;
    b->hash_next = NULL;
}

bool arena_is_patient(struct arena *a)
{
    return a->patience && a->patience--;
}

bool arena_extend(struct arena *a)
{
    u8 *old = a->base + a->size;
    if (a->size == a->size_max)
        return false;
    a->size = MIN((a->size + a->size / 2) & ~(u64)63, a->size_max);
    u8 *end = a->base + a->size;
    if (a->end == old) {
        a->end = end;
    } else if (old < end) {
        make_hole(old, end);
        ((struct block *)(void *)old)->hash_next = a->hole;
        a->hole = (struct block *)(void *)old;
    }
    return true;
}

struct block *arena_next(const struct arena *a, const struct block *b)
{
    u8 *at = b ? (u8 *)(uintptr_t)b + b->space : a->base;
    /* Where blocks are being put there is nothing yet. */
    if (at == a->at)
        at = a->end;
    return at == a->base + a->size ? NULL : (struct block *)(void *)at;
}

void *arena_place(struct arena *a, u64 space)
{
    while ((u64)(a->end - a->at) < space) {
        struct block *hole = a->hole;
        if (!hole)
            return NULL;
        if (a->at < a->end)
            make_hole(a->at, a->end);
        a->at = (u8 *)hole;
        a->end = a->at + hole->space;
        a->hole = hole->hash_next;
    }
    return a->at;
}

u64 arena_collect(struct arena *a)
{
    struct block *last = NULL;
    u64 holes = 0;
    if (a->at < a->end)
        make_hole(a->at, a->end);
    a->at = a->end = NULL;
    a->hole = NULL;
    for (struct block *b = arena_next(a, NULL), *next; b; b = next) {
        u8 *from = (u8 *)b;
        for (next = b; next && next->dead;)
            next = arena_next(a, next);
        if (next == b) {
            next = arena_next(a, b);
            continue;
        }
        u8 *to = next ? (u8 *)next : a->base + a->size;
        make_hole(from, to);
        *(last ? &last->hash_next : &a->hole) = b;
        last = b;
        holes += b->space;
    }
    a->at = a->end = a->base + a->size; /* nothing: the next place is in a hole */
    return holes;
}
