/* SPDX-License-Identifier: BSD-2-Clause */
/* The ways into a translation beside the plain one of branches forward: for branches backward,
 * which look at requests, and for those from other pages and through the tables, which leave the
 * flags in flags_check. What the interpreter saw of a block's ways is made together with it, right
 * before it; the others when they are first needed. */
#include "engine/translate/lower.h"

static u8 *emit_poll_open(struct emit *e)
{
    emit_state(e, 0, 0x83, 7, AT(soft.cpu.request)); /* cmp dword [..], 0 */
    emit8(e, 0);
    return emit_jcc_open(e, CC_NE);
}

/* Is it the target that was looked up, in the running context? Then this is the page. Returns the
 * open jump of the poll. */
static u8 *emit_from_table(struct emit *e, const struct translator *t, struct translation *tr)
{
    tr->entry_indirect = emit_rx(e, e->p);
    emit_table(e, 0x3b, T0, 3, AT(indirect) + (i32)offsetof(struct indirect, rip));
    emit_jcc(e, CC_NE, t->exit_jump);
    emit_table(e, 0x8b, T1, 3, AT(indirect) + (i32)offsetof(struct indirect, context));
    emit_state(e, REX_W, 0x3b, T1, AT(context));
    emit_jcc(e, CC_NE, t->exit_jump);
    emit_lea(e, REX_W, T0, T0, -(i32)tr->offset);
    emit_store(e, T0, AT(page));
    tr->entry_far = emit_rx(e, e->p);
    return emit_poll_open(e);
}

void ways_emit(struct lower *l, struct translation *tr, bool saved, struct ways_in *w)
{
    struct emit *e = &l->e;
    u8 *past = NULL;
    if (l->b->ways & WAY_FAR) {
        w->wanted_far = emit_from_table(e, l->t, tr);
        if (tr->flags_live && !saved)
            emit_restore_flags(e);
        if (saved || (l->b->ways & WAY_BACK))
            past = emit_jump_open(e);
    }
    if (l->b->ways & WAY_BACK) {
        emit_align(e, LOOP_ALIGN);
        tr->entry_poll = emit_rx(e, e->p);
        if (tr->flags_live)
            emit_save_flags(e);
        w->wanted_back = emit_poll_open(e);
        if (tr->flags_live && !saved)
            emit_restore_flags(e);
        if (saved)
            w->past_save = emit_jump_open(e);
    }
    tr->entry = emit_rx(e, e->p);
    if (saved)
        emit_save_flags(e);
    if (past)
        emit_land(e, past);
    if (w->past_save)
        emit_land(e, w->past_save);
}

static void emit_leave(struct lower *l, unsigned offset)
{
    emit_set_arg(&l->e, offset);
    emit_jump(&l->e, l->t->exit_at);
}

void ways_emit_out(struct lower *l, struct translation *tr, const struct ways_in *w)
{
    struct emit *e = &l->e;
    tr->dead_far = emit_rx(e, e->p);
    if (w->wanted_far)
        emit_land(e, w->wanted_far);
    if (w->wanted_back && tr->flags_live)
        emit_land(e, w->wanted_back);
    emit_restore_flags(e);
    tr->dead = emit_rx(e, e->p);
    if (w->wanted_back && !tr->flags_live)
        emit_land(e, w->wanted_back);
    emit_leave(l, tr->offset);
}

/* Code is added to what runs; there is room for a block. */
static struct emit late(const struct translator *t)
{
    return (struct emit){t->code_main.at, t->code.rx - t->code.rw};
}

const u8 *way_far(struct translator *t, struct translation *tr)
{
    if (tr->entry_far)
        return tr->entry_far;
    struct emit e = late(t);
    u8 *wanted = emit_from_table(&e, t, tr);
    patch_rel32(wanted, emit_rx(&e, wanted), tr->dead_far);
    if (tr->flags_live)
        emit_restore_flags(&e);
    emit_jump(&e, tr->entry);
    places_note_way(t, tr, tr->entry_indirect, tr->entry_far, true);
    places_note_way(t, tr, tr->entry_far, emit_rx(&e, e.p), false);
    t->code_main.at = e.p;
    return tr->entry_far;
}

const u8 *way_indirect(struct translator *t, struct translation *tr)
{
    way_far(t, tr);
    return tr->entry_indirect;
}

const u8 *way_back(struct translator *t, struct translation *tr)
{
    if (tr->entry_poll)
        return tr->entry_poll;
    struct emit e = late(t);
    tr->entry_poll = emit_rx(&e, e.p);
    if (tr->flags_live)
        emit_save_flags(&e);
    u8 *wanted = emit_poll_open(&e);
    patch_rel32(wanted, emit_rx(&e, wanted), tr->flags_live ? tr->dead_far : tr->dead);
    if (tr->flags_live)
        emit_restore_flags(&e);
    emit_jump(&e, tr->entry);
    places_note_way(t, tr, tr->entry_poll, emit_rx(&e, e.p), false);
    t->code_main.at = e.p;
    return tr->entry_poll;
}
