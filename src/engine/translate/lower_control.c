/* SPDX-License-Identifier: BSD-2-Clause */
/* Near branches. Inside a page they are jumps that get patched when the target is translated; out
 * of it they look their target up, because the next page may be another one tomorrow. */
#include "engine/translate/lower.h"

void lower_indirect(struct lower *l)
{
    struct emit *e = &l->e;
    l->flags_live = true;
    lower_spoil_flags(l);
    emit_state(e, 0, 0xc7, 0, AT(last_indirect));
    emit32(e, callout_name(l->t, l->bound, l->offset));
    emit_through_table(e);
}

/* A direct branch; cc < 0: always taken. */
void lower_goto(struct lower *l, i64 target, int cc)
{
    if (cc >= 0 || is_in_page(target))
        lower_use_flags(l);
    l->exit[l->exits].env = l->env;
    l->exit[l->exits].flags_saved = l->flags_saved;
    l->exit[l->exits].site = cc < 0 ? emit_jump_open(&l->e) : emit_jcc_open(&l->e, (unsigned)cc);
    l->exit[l->exits++].target = target;
}

/* [--rsp] = address of the next instruction */
static void push_return(struct lower *l)
{
    lower_stack_word(l, GUEST_SP, -(i32)l->word, X86_WRITE);
    emit_load(&l->e, T1, AT(page));
    lower_sum(l, T1, T1, (i32)l->next);
    emit_guest(&l->e, lower_w(l), 0x89, T1, l->place);
    lower_sum(l, GUEST_SP, GUEST_SP, -(i32)l->word);
}

static void load_target(struct lower *l)
{
    if (l->i->flags & X86_I_MEM) {
        lower_operand(l, l->word, X86_READ, 0);
        emit_guest(&l->e, lower_w(l), 0x8b, T0, l->place);
    } else {
        emit_rr(&l->e, lower_w(l), 0x8b, T0, lower_gpr(l, l->i->rm, T0));
    }
    l->in_t0 = -1;
}

/* A call to nowhere faults before it stores the return address; T0 is the target. */
static void check_canonical(struct lower *l)
{
    struct emit *e = &l->e;
    lower_spoil_flags(l);
    emit_move(e, T1, T0);
    EMIT(e, 0x49, 0xc1, 0xeb, 47);                     /* shr r11, 47: 0 or 0x1ffff */
    EMIT(e, 0x41, 0xff, 0xc3);                         /* inc r11d */
    EMIT(e, 0x41, 0xf7, 0xc3, 0xfe, 0xff, 0x01, 0x00); /* test r11d, 0x1fffe */
    lower_slow(l, CC_NE);
}

static bool call(struct lower *l, bool direct, i64 target)
{
    bool near = direct && is_in_page(target);
    if (!direct) {
        load_target(l);
        if (l->word == 8)
            check_canonical(l);
        emit_store(&l->e, T0, AT(target));
    }
    push_return(l);
    if (near) {
        lower_goto(l, target, -1);
        return true;
    }
    emit_load(&l->e, T0, direct ? AT(page) : AT(target));
    if (direct)
        lower_sum(l, T0, T0, (i32)target);
    lower_indirect(l);
    return true;
}

static bool jump(struct lower *l, bool direct, i64 target)
{
    if (direct) {
        lower_goto(l, target, -1);
    } else {
        load_target(l);
        lower_indirect(l);
    }
    return true;
}

static bool ret(struct lower *l)
{
    lower_stack_word(l, GUEST_SP, 0, X86_READ);
    emit_guest(&l->e, lower_w(l), 0x8b, T0, l->place);
    lower_sum(l, GUEST_SP, GUEST_SP, (i32)(l->word + (l->i->off_imm ? (u16)l->i->imm : 0)));
    lower_indirect(l);
    return true;
}

bool lower_control(struct lower *l)
{
    const struct x86_insn *i = l->i;
    i64 target = (i64)l->next + (i64)i->imm;
    bool direct = x86_forms[i->form].opnd[0].kind == X86_OPND_J;
    if (i->osz != l->word || (direct && target != (i32)target) ||
        (!direct && (i->flags & X86_I_MEM) && !lower_has_address(l)))
        return false;
    switch (i->op) {
    case X86_OP_JCC: lower_goto(l, target, i->opcode & 15); return true;
    case X86_OP_JMP: return jump(l, direct, target);
    case X86_OP_CALL: return call(l, direct, target);
    case X86_OP_RET: return ret(l);
    }
    return false;
}
