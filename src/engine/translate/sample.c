/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the guest is at a sample of the vCPU's thread. Translated code keeps no rip: its host
 * address leads to the block it was made from, of which the offset in the page is kept here, and
 * t->page is the page that runs. What translated code has called is known by the first word that
 * was pushed below where rsp points otherwise: a return address, or the name of the instruction
 * called out.
 *
 * Everything is read in a signal handler of the thread that writes it. */
#include "engine/translate/translate_priv.h"

#include "base/mem.h"

#include <errno.h>

enum { PLACES_MAX = 1 << 20 }; /* code behind the last of them has no place */

/* Offsets from the start of code memory, which is smaller than 4 GiB. */
struct place {
    u32 start, end;
    u16 offset;    /* of the block in its page */
    bool indirect; /* the page may not be known yet: the target is in T0 */
};

/* One list for each part of code memory: each is filled with addresses that ascend. */
struct places {
    u32 count[2];
    struct place place[2][PLACES_MAX];
};

int places_create(struct translator *t, struct err *e)
{
    t->places = mem_map(sizeof *t->places);
    if (!t->places)
        return err_set(e, -ENOMEM, "making the list of what samples fall on: out of memory");
    return 0;
}

void places_destroy(struct translator *t)
{
    if (t->places)
        mem_unmap(t->places, sizeof *t->places);
}

void places_forget(struct translator *t)
{
    struct places *p = t->places;
    for (unsigned part = 0; p && part < 2; part++)
        __atomic_store_n(&p->count[part], 0, __ATOMIC_RELAXED);
}

static void note(struct translator *t, unsigned part, const u8 *start, const u8 *end, u16 offset,
                 bool indirect)
{
    struct places *p = t->places;
    if (!p || start == end || p->count[part] == PLACES_MAX)
        return;
    p->place[part][p->count[part]] = (struct place){.start = (u32)(start - t->code.rx),
                                                    .end = (u32)(end - t->code.rx),
                                                    .offset = offset,
                                                    .indirect = indirect};
    __atomic_store_n(&p->count[part], p->count[part] + 1, __ATOMIC_RELEASE);
}

void places_note(struct translator *t, const struct translation *tr)
{
    const u8 *known = tr->entry_far ? tr->entry_far : tr->start;
    note(t, 0, tr->start, known, tr->offset, true);
    note(t, 0, known, tr->end, tr->offset, false);
    note(t, 1, tr->rest, tr->rest_end, tr->offset, false);
}

void places_note_way(struct translator *t, const struct translation *tr, const u8 *start,
                     const u8 *end, bool indirect)
{
    note(t, 0, start, end, tr->offset, indirect);
}

static const struct place *find_in(const struct places *p, unsigned part, u32 at)
{
    u32 lo = 0, hi = __atomic_load_n(&p->count[part], __ATOMIC_ACQUIRE);
    while (lo < hi) {
        u32 mid = (lo + hi) / 2;
        if (p->place[part][mid].start <= at)
            lo = mid + 1;
        else
            hi = mid;
    }
    const struct place *found = lo ? &p->place[part][lo - 1] : NULL;
    return found && at < found->end ? found : NULL;
}

static const struct place *find(const struct places *p, u32 at)
{
    const struct place *found = find_in(p, 0, at);
    return found ? found : find_in(p, 1, at);
}

static void place_of_code(const struct translator *t, u64 at, const struct os_sample *s,
                          struct guest_place *out)
{
    const struct place *p = find(t->places, (u32)at);
    out->known = p != NULL;
    if (p)
        out->addr = (p->indirect ? s->r10 & ~(u64)(PAGE_SIZE - 1) : t->page) + p->offset;
}

static bool in_code(const struct translator *t, u64 host, u64 *at)
{
    *at = host - (u64)(uintptr_t)t->code.rx;
    return *at < t->code.size;
}

void translate_sample(struct vcpu *v, const struct os_sample *s, struct guest_place *out)
{
    const struct translator *t = translator_of_const(v->engine);
    u64 at, first = (u64)(t->code_first - t->code.rw), word;
    if (!t->inside) {
        soft_sample(v, s, out);
        return;
    }
    bool code = in_code(t, s->pc, &at);
    out->tier = code ? TIER_TRANSLATED : TIER_CALLED_OUT;
    out->user = t->soft.cpu.cpl == 3;
    if (code && at >= first) {
        place_of_code(t, at, s, out);
        return;
    }
    if (code && s->sp == (u64)(uintptr_t)&t->soft) /* on its way from one block to another */
        return;
    mem_copy(&word, &t->pushed[ARRAY_LEN(t->pushed) - 1], sizeof word);
    if (in_code(t, word, &at)) {
        place_of_code(t, at - 1, s, out);
    } else if (word < (u64)(t->soft.arena.end - t->soft.arena.base) / sizeof(struct x86_insn)) {
        out->known = true;
        out->addr = t->page + named_insn(t, (u32)word)->at;
    }
}
