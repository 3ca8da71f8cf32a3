/* SPDX-License-Identifier: BSD-2-Clause */
/* Translating one decoded block. Its code depends on the offset in the page, never on the linear
 * address, so that all processes that map the page share it. Layout: the ways into the block
 * (ways.c) and the block; in another part of code memory struct translation, the slow copy,
 * callouts and open exits. */
#include "engine/translate/lower.h"

#include "base/mem.h"

/* Decodes the block's bytes again, from a copy: false when they are not what the block was made of,
 * because they are being written. */
static bool decode_copy(struct lower *l, struct x86_insn *insn, u8 *bytes, unsigned *count)
{
    const struct block *b = l->b;
    const struct x86_cpu *cpu = &l->t->soft.cpu;
    const struct guest_memory *m = l->t->soft.svm->vm->memory;
    unsigned n = MIN((unsigned)b->bytes, PAGE_SIZE - (unsigned)(b->pa & (PAGE_SIZE - 1)));
    const u8 *p = guest_memory_ptr(m, gpa(b->pa), n), *second = NULL;
    struct x86_decode_config cfg = {.mode = cpu->mode, .vendor = cpu->vendor};
    /* Binding changes what is before, and what is behind is the block's. */
    enum {
        SAME_FROM = offsetof(struct x86_insn, disp),
        SAME_SIZE = offsetof(struct x86_insn, at) - SAME_FROM
    };
    if (b->bytes > n)
        second = guest_memory_ptr(m, gpa(b->second_page), b->bytes - n);
    if (!p || (b->bytes > n && !second))
        return false;
    mem_copy(bytes, p, n);
    if (second)
        mem_copy(bytes + n, second, b->bytes - n);
    n = 0;
    for (unsigned off = 0; off < b->bytes; n++) {
        unsigned left = MIN((unsigned)X86_MAX_INSN, b->bytes - off);
        if (n == BLOCK_INSNS_MAX || x86_decode(&insn[n], bytes + off, left, cfg) ||
            mem_compare((u8 *)&insn[n] + SAME_FROM, (const u8 *)&b->insn[n] + SAME_FROM,
                        SAME_SIZE) != 0)
            return false;
        off += insn[n].len;
    }
    *count = n;
    return true;
}

static void emit_callout(struct lower *l, u32 name)
{
    lower_use_flags(l);
    l->in_t0 = -1;
    emit8(&l->e, 0x68); /* push imm32 */
    emit32(&l->e, name);
    emit_call(&l->e, l->t->do_callout);
}

static void give_up(struct lower *l)
{
    if (l->copy != COPY_SLOW)
        l->t->given_up[give_up_reason(l->i)]++;
    emit_callout(l, callout_name(l->t, l->bound));
}

static void lower_one(struct lower *l)
{
    unsigned first = l->slows;
    bool branched = lower_control(l);
    l->ended = branched && l->i->op != X86_OP_JCC;
    bool done = branched || lower_stack(l) || lower_copy(l) || lower_divide(l) || lower_vector(l);
    l->called_out[l->index] = !done; /* nothing is shared over the system's instructions either */
    if (!done && !lower_system(l))
        give_up(l);
    if (l->sets_flags)
        l->flags_saved = false;
    if (l->copy == COPY_SLOW && !l->is_last && l->flags_saved) {
        if (l->live_after)
            emit_restore_flags(&l->e);
        l->flags_saved = false;
    }
    for (unsigned k = first; k < l->slows; k++) {
        l->slow[k].resume = l->copy == COPY_QUICK ? NULL : l->e.p;
        l->slow[k].resume_saved = l->flags_saved;
    }
}

/* A check has failed: again, if the TLB gets what it looked for. The address is in T0, less the
 * tag, the slot in T1. */
static void emit_refill(struct lower *l, const struct slow *s)
{
    struct emit *e = &l->e;
    emit_table(e, 0x03, T0, 0, s->tag);
    EMIT(e, 0x41, 0xbb); /* mov r11d, imm32 */
    emit32(e, s->refill);
    emit_call(e, l->t->do_refill);
    emit_jcc(e, CC_NE, emit_rx(e, s->retry));
}

/* What comes is interpreted. */
static void emit_leave_slow(struct lower *l, u32 name)
{
    EMIT(&l->e, 0x41, 0xba); /* mov r10d, imm32 */
    emit32(&l->e, name);
    EMIT(&l->e, 0x41, 0xbb); /* mov r11d, imm32 */
    emit32(&l->e, (u32)((u8 *)l->b - l->t->soft.arena.base));
    emit_jump(&l->e, l->t->exit_slow);
}

static void emit_slows(struct lower *l)
{
    for (unsigned k = 0; k < l->slows; k++) {
        const struct slow *s = &l->slow[k];
        emit_land(&l->e, s->site);
        l->flags_live = l->flags_saved = s->flags_saved;
        if (s->retry)
            emit_refill(l, s);
        if (!s->resume) {
            lower_use_flags(l);
            if (l->lazy)
                emit_leave_slow(l, s->name);
            else
                emit_jump(&l->e, emit_rx(&l->e, l->again[s->index]));
            continue;
        }
        emit_callout(l, s->name);
        if (s->resume_saved)
            emit_save_flags(&l->e);
        emit_jump(&l->e, emit_rx(&l->e, s->resume));
    }
}

static void emit_exits(struct lower *l)
{
    struct translator *t = l->t;
    for (unsigned k = 0; k < l->exits; k++) {
        i64 target = l->exit[k].target;
        emit_land(&l->e, l->exit[k].site);
        if (is_in_page(target)) {
            u64 page = l->b->pa & ~(u64)(PAGE_SIZE - 1);
            t->links[t->link_count] = (struct link){.site = l->exit[k].site,
                                                    .pa = page + (u64)target,
                                                    .delta = (i32)target,
                                                    .env = l->exit[k].env,
                                                    .backward = page + (u64)target <= l->b->pa};
            emit_set_arg(&l->e, t->link_count++);
            emit_jump(&l->e, t->exit_link);
        } else {
            l->flags_saved = l->exit[k].flags_saved;
            lower_far(l, target, l->exit[k].env, l->exit[k].name);
        }
    }
}

/* live[k]: arithmetic flags that instruction k or a later one uses from before k. */
static void find_live(struct lower *l, const struct x86_insn *insn, unsigned count, u32 *live)
{
    i64 next = (i64)(l->b->pa & (PAGE_SIZE - 1));
    for (unsigned k = 0; k < count; k++)
        next += insn[k].len;
    const struct x86_insn *last = &insn[count - 1];
    bool falls_through = live_is_transparent(last) || x86_forms[last->form].cls == X86_CLASS_COPY ||
                         last->op == X86_OP_JCC;
    live[count] = falls_through ? live_at(l, next) : X86_STATUS_FLAGS;
    for (unsigned k = count; k-- > 0;) {
        live[k] = live_before(l, &insn[k], next, live[k + 1]);
        next -= insn[k].len;
    }
}

/* All instructions once, and the way on from the last. */
static void lower_all(struct lower *l, const struct x86_insn *insn, const u8 *bytes, unsigned count,
                      const u32 *live, enum copy copy)
{
    unsigned offset = l->b->pa & (PAGE_SIZE - 1);
    l->copy = copy;
    l->env = l->entry_env;
    l->vector_known = false;
    l->first_use = FLAGS_UNTOUCHED;
    l->returns = &l->returning[copy == COPY_SLOW];
    l->in_t0 = -1;
    for (unsigned k = 0; k < count; k++) {
        l->index = k;
        l->is_last = k + 1 == count;
        l->i = &insn[k];
        l->bound = &l->b->insn[k];
        l->code = bytes;
        l->offset = offset;
        l->next = offset + insn[k].len;
        l->flags_live = live[k];
        l->live_after = live[k + 1];
        l->sets_flags = x86_forms[insn[k].form].flags_written & X86_STATUS_FLAGS;
        l->uses_flags = live_flags_used(&insn[k]) ||
                        (l->sets_flags && (live[k + 1] & ~live_flags_set(&insn[k])));
        if (l->b->second_page)
            lower_second_page(l);
        if (copy == COPY_SLOW)
            l->again[k] = l->e.p;
        lower_one(l);
        bytes += insn[k].len;
        offset = l->next;
    }
    l->flags_live = live[count];
    if (l->ended && l->returns->landing)
        lower_emit_landing(l);
    else if (l->ended)
        emit8(&l->e, 0xcc); /* never reached: callouts of branches don't come back */
    else
        lower_goto(l, offset, -1);
}

/* COPY_SLOW comes first, because it shows what there is to share; without that it goes again. It
 * goes also where the quick copy is expected to do: then it was for looking only. */
static enum copy lower_slow_copy(struct lower *l, const struct x86_insn *insn, const u8 *bytes,
                                 unsigned count, const u32 *live)
{
    u8 *start = l->e.p;
    l->lazy = !l->b->crosses && !l->t->lockstep;
    if (l->lazy)
        l->e.p = l->t->scratch;
    lower_all(l, insn, bytes, count, live, COPY_SLOW);
    bool shared = share_checks(l, insn, count);
    if (shared && !l->lazy)
        return COPY_QUICK;
    l->e.p = start;
    l->slows = l->exits = l->fars = l->misses = l->torns = 0;
    *l->returns = (struct returning){0};
    return shared ? COPY_QUICK : COPY_ONLY;
}

/* Code goes on in the other part of code memory. */
static void switch_part(struct lower *l, struct code_part *from, struct code_part *to)
{
    from->at = l->e.p;
    l->e.p = to->at;
}

static struct translation *lower_block(struct lower *l, const struct x86_insn *insn,
                                       const u8 *bytes, unsigned count)
{
    struct translator *t = l->t;
    u32 live[BLOCK_INSNS_MAX + 1];
    struct ways_in ways = {0};
    find_live(l, insn, count, live);

    l->e.p = (u8 *)align_up((u64)(uintptr_t)t->code_rest.at, 8);
    struct translation *tr = (struct translation *)(void *)l->e.p;
    l->e.p += sizeof *tr;
    l->flags_live = live[0];
    *tr = (struct translation){.env = l->env,
                               .offset = (u16)(l->b->pa & (PAGE_SIZE - 1)),
                               .flags_live = live[0] != 0,
                               .rest = emit_rx(&l->e, l->e.p)};
    enum copy copy = lower_slow_copy(l, insn, bytes, count, live);
    switch_part(l, &t->code_rest, &t->code_main);
    l->flags_live = live[0];
    bool saved = l->flags_live && l->first_use == FLAGS_SPOILED;
    tr->start = emit_rx(&l->e, l->e.p);
    ways_emit(l, tr, saved, &ways);
    for (unsigned k = 0; k < count; k++) {
        tr->vectors |= uses_vectors(&insn[k]);
        tr->sensitive |= x86_forms[insn[k].form].cls == X86_CLASS_SENSITIVE;
    }
    l->flags_saved = saved;
    lower_all(l, insn, bytes, count, live, copy);
    tr->end = emit_rx(&l->e, l->e.p);
    switch_part(l, &t->code_main, &t->code_rest);
    slot_emit_misses(l);
    emit_slows(l);
    lower_emit_torn(l);
    emit_exits(l);
    lower_emit_fars(l);
    lower_emit_returns(l);
    ways_emit_out(l, tr, &ways);
    tr->rest_end = emit_rx(&l->e, l->e.p);
    t->code_rest.at = l->e.p;
    return tr;
}

/* How many instructions there are until one that another translation begins with: it is joined to,
 * because the same code twice takes more than it gives. */
static unsigned until_known(const struct lower *l, const struct x86_insn *insn, unsigned count)
{
    u64 pa = l->b->pa;
    for (unsigned k = 0; k < count; k++) {
        const struct block *b = k && !l->t->lockstep ? block_at(&l->t->soft, pa) : NULL;
        if (b && b->translation && b->translation->env == l->entry_env &&
            (b->ways & (WAY_NEAR | WAY_BACK)))
            return k;
        pa += insn[k].len;
    }
    return count;
}

struct translation *translate_block(struct translator *t, struct block *b, u8 env)
{
    struct x86_insn insn[BLOCK_INSNS_MAX];
    u8 bytes[BLOCK_INSNS_MAX * X86_MAX_INSN];
    unsigned count;
    struct lower l = {.t = t, .b = b, .env = env, .entry_env = env, .word = env & ENV_32 ? 4 : 8};
    l.e = (struct emit){NULL, t->code.rx - t->code.rw};
    if (!decode_copy(&l, insn, bytes, &count)) {
        t->given_up[GIVE_UP_CHANGED]++;
        return NULL;
    }
    count = until_known(&l, insn, count);
    struct translation *tr = lower_block(&l, insn, bytes, count);
    t->translations++;
    places_note(t, tr);
    t->code_bytes += (u64)(tr->end - tr->start);
    t->code_rest_bytes += (u64)(tr->rest_end - (const u8 *)tr) - (u64)l.e.to_rx;
    if (unlikely(t->soft.svm->vm->config.trace.line))
        listing_trace(t, b, tr);
    return tr;
}
