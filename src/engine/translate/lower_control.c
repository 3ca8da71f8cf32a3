/* SPDX-License-Identifier: BSD-2-Clause */
/* Near branches. Inside a page they are jumps that get patched when the target is translated; out
 * of it they look their target up, because the next page may be another one tomorrow. */
#include "engine/translate/lower.h"

static void note_branch(struct lower *l, u32 name)
{
    emit_state(&l->e, 0, 0xc7, 0, AT(last_indirect));
    emit32(&l->e, name);
}

void lower_indirect(struct lower *l, u32 name)
{
    l->flags_live = true;
    lower_spoil_flags(l);
    note_branch(l, name);
    emit_through_table(&l->e);
}

/* T0 = linear page. Open jumps of when the table does not have it, or as another one than the
 * physical page of that number, the last four bytes before the second jump. */
static void emit_page_check(struct lower *l, u8 env, i32 number, u8 *site[2])
{
    struct emit *e = &l->e;
    i32 table = AT(far) + (is_user(env) ? (i32)sizeof l->t->far[0] : 0);
    _Static_assert(sizeof(struct far_page) == 16, "see the shift and mask");
    EMIT(e, 0x45, 0x8b, 0xda, 0x41, 0xc1, 0xeb, 0x08, 0x41, 0x81,
         0xe3); /* mov r11d, r10d; shr 8; and */
    emit32(e, ((1u << FAR_BITS) - 1) << 4);
    emit_table(e, 0x3b, T0, 0, table + (i32)offsetof(struct far_page, linear));
    site[0] = emit_jcc_open(e, CC_NE);
    emit_table(e, 0x81, 7, 0, table + (i32)offsetof(struct far_page, number)); /* cmp [..], imm32 */
    emit32(e, (u32)number);
    site[1] = emit_jcc_open(e, CC_NE);
}

void lower_second_page(struct lower *l)
{
    lower_spoil_flags(l);
    emit_load(&l->e, T0, AT(page));
    lower_sum(l, T0, T0, PAGE_SIZE);
    emit_page_check(l, l->env, (i32)(l->b->second_page >> 12), l->torn[l->torns].site);
    l->torn[l->torns++].flags_saved = l->flags_saved;
    l->in_t0 = -1;
}

void lower_emit_torn(struct lower *l)
{
    for (unsigned k = 0; k < l->torns; k++) {
        emit_land(&l->e, l->torn[k].site[0]);
        emit_land(&l->e, l->torn[k].site[1]);
        if (l->torn[k].flags_saved)
            emit_restore_flags(&l->e);
        emit_set_arg(&l->e, l->b->pa & (PAGE_SIZE - 1));
        emit_jump(&l->e, l->t->exit_at);
    }
}

void lower_far(struct lower *l, i64 target, u8 env, u32 name)
{
    i64 page = target & ~(i64)(PAGE_SIZE - 1);
    emit_load(&l->e, T0, AT(page));
    l->flags_live = true;
    lower_spoil_flags(l);
    if (page)
        lower_sum(l, T0, T0, (i32)page);
    unsigned n = l->fars++;
    l->far[n].offset = (unsigned)(target - page);
    l->far[n].name = name;
    l->far[n].env = env;
    emit_page_check(l, env, FAR_NOWHERE, l->far[n].site); /* the number is patched, and the jump */
    emit_store(&l->e, T0, AT(page));
    l->far[n].jump = emit_jump_open(&l->e);
}
_Static_assert(AT(page) >= -128, "see FAR_NUMBER");

void lower_emit_fars(struct lower *l)
{
    struct emit *e = &l->e;
    struct translator *t = l->t;
    for (unsigned n = 0; n < l->fars; n++) {
        t->links[t->link_count] = (struct link){.site = l->far[n].jump, .env = l->far[n].env};
        for (unsigned k = 0; k < 2; k++)
            emit_land(e, l->far[n].site[k]);
        emit_land(e, l->far[n].jump);
        note_branch(l, l->far[n].name);
        lower_sum(l, T0, T0, (i32)l->far[n].offset);
        EMIT(e, 0x41, 0xbb); /* mov r11d, imm32 */
        emit32(e, t->link_count++);
        emit_jump(e, t->exit_far);
    }
}

/* A direct branch; cc < 0: always taken. */
void lower_goto(struct lower *l, i64 target, int cc)
{
    u32 name = callout_name(l->t, l->bound);
    if (cc < 0 && !is_in_page(target)) {
        lower_far(l, target, l->env, name);
        return;
    }
    lower_use_flags(l);
    l->exit[l->exits].name = name;
    l->exit[l->exits].env = l->env;
    l->exit[l->exits].flags_saved = l->flags_saved;
    l->exit[l->exits].site = cc < 0 ? emit_jump_open(&l->e) : emit_jcc_open(&l->e, (unsigned)cc);
    l->exit[l->exits++].target = target;
}

/* reg, byte [rsp + disp]: MOVZX is 0F B6 */
static void emit_top(struct lower *l, unsigned opcode, unsigned reg)
{
    struct emit *e = &l->e;
    emit8(e, 0x44); /* of T0 and T1 */
    if (opcode == 0xb6)
        emit8(e, 0x0f);
    emit8(e, opcode);
    emit8(e, 0x44 | (reg & 7) << 3);
    emit8(e, 0x24);
    emit8(e, (u8)(AT(return_top) + (i32)(l->env & ENV_TLB)));
}

static i32 returns_at(const struct lower *l)
{
    return AT(returns) + (i32)((l->env & ENV_TLB) * sizeof l->t->returns[0]);
}
_Static_assert(RETURNS == 32 && sizeof(struct return_to) == 16,
               "8 * index is a byte, and is doubled");

/* T1 = where the running call returns to. */
static void note_call(struct lower *l)
{
    struct emit *e = &l->e;
    if (l->next >= PAGE_SIZE)
        return;
    lower_spoil_flags(l); /* T1 is spoiled if it does */
    emit_top(l, 0xb6, T0);
    EMIT(e, 0x41, 0x80, 0xc2, 0x08); /* add r10b, 8 */
    emit_top(l, 0x88, T0);
    emit_indexed(e, 0x89, T1, T0, 1, returns_at(l) + (i32)offsetof(struct return_to, rip));
    EMIT(e, 0x4c, 0x8d, 0x1d); /* lea r11, [rip + rel32] */
    emit32(e, 0);
    l->returns->landing = e->p - 4;
    emit_indexed(e, 0x89, T1, T0, 1, returns_at(l) + (i32)offsetof(struct return_to, landing));
    l->in_t0 = -1;
}

/* [--rsp] = address of the next instruction */
static void push_return(struct lower *l)
{
    lower_spoil_flags(l);
    lower_stack_word(l, GUEST_SP, -(i32)l->word, X86_WRITE);
    emit_load(&l->e, T1, AT(page));
    lower_sum(l, T1, T1, (i32)l->next);
    emit_guest(&l->e, lower_w(l), 0x89, T1, l->place);
    lower_sum(l, GUEST_SP, GUEST_SP, -(i32)l->word);
    note_call(l);
}

/* Behind the call. T0 is the address that is returned to. */
void lower_emit_landing(struct lower *l)
{
    if (!l->returns->landing)
        return;
    emit_land(&l->e, l->returns->landing);
    lower_sum(l, T0, T0, -(i32)l->next);
    emit_store(&l->e, T0, AT(page));
    l->returns->landed = emit_jump_open(&l->e);
}

static void emit_landed(struct lower *l, u8 *site)
{
    struct translator *t = l->t;
    emit_land(&l->e, site);
    t->links[t->link_count] = (struct link){.site = site,
                                            .pa = (l->b->pa & ~(u64)(PAGE_SIZE - 1)) + l->next,
                                            .delta = (i32)l->next,
                                            .env = l->env,
                                            .landing = true};
    emit_set_arg(&l->e, t->link_count++);
    emit_jump(&l->e, t->exit_landing);
}

/* Behind the block: from the landing to where nothing is yet, from the return by the table. */
void lower_emit_returns(struct lower *l)
{
    for (unsigned k = 0; k < ARRAY_LEN(l->returning); k++) {
        const struct returning *r = &l->returning[k];
        if (r->landing)
            emit_landed(l, r->landed);
        if (!r->astray)
            continue;
        emit_land(&l->e, r->astray);
        note_branch(l, callout_name(l->t, l->bound));
        emit_through_table(&l->e);
    }
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
    if (!direct) {
        load_target(l);
        if (l->word == 8)
            check_canonical(l);
        emit_store(&l->e, T0, AT(target));
    }
    push_return(l);
    if (direct) {
        lower_goto(l, target, -1);
        return true;
    }
    emit_load(&l->e, T0, AT(target));
    lower_indirect(l, callout_name(l->t, l->bound));
    return true;
}

static bool jump(struct lower *l, bool direct, i64 target)
{
    if (direct) {
        lower_goto(l, target, -1);
    } else {
        load_target(l);
        lower_indirect(l, callout_name(l->t, l->bound));
    }
    return true;
}

static bool ret(struct lower *l)
{
    lower_stack_word(l, GUEST_SP, 0, X86_READ);
    emit_guest(&l->e, lower_w(l), 0x8b, T0, l->place);
    lower_sum(l, GUEST_SP, GUEST_SP, (i32)(l->word + (l->i->off_imm ? (u16)l->i->imm : 0)));
    struct emit *e = &l->e;
    l->flags_live = true;
    lower_spoil_flags(l);
    emit_top(l, 0xb6, T1);
    emit_state(e, 0, 0x80, 5, AT(return_top) + (i32)(l->env & ENV_TLB)); /* sub byte [..], 8 */
    emit8(e, 8);
    emit_table(e, 0x3b, T0, 1, returns_at(l) + (i32)offsetof(struct return_to, rip));
    l->returns->astray = emit_jcc_open(e, CC_NE);
    emit_table(e, 0xff, 4, 1, returns_at(l) + (i32)offsetof(struct return_to, landing)); /* jmp */
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
