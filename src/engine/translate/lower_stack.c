/* SPDX-License-Identifier: BSD-2-Clause */
/* PUSH, POP, LEAVE of the mode's words. The stack pointer moves after the access succeeded. */
#include "engine/translate/lower.h"

static bool push(struct lower *l)
{
    const struct x86_insn *i = l->i;
    const struct x86_opnd *o = &x86_forms[i->form].opnd[0];
    bool immediate = o->kind == X86_OPND_I, memory = i->flags & X86_I_MEM;
    if (o->kind == X86_OPND_FIX || (immediate && i->imm != (u64)(i64)(i32)i->imm) ||
        (memory && !lower_has_address(l)))
        return false;
    if (memory) {
        lower_operand(l, l->word, X86_READ, 0);
        emit_guest(&l->e, lower_w(l), 0x8b, T1, l->place);
        emit_store(&l->e, T1, AT(target));
    }
    lower_stack_word(l, GUEST_SP, -(i32)l->word, X86_WRITE);
    if (immediate) {
        emit_guest(&l->e, lower_w(l), 0xc7, 0, l->place);
        emit32(&l->e, (u32)i->imm);
    } else {
        if (memory)
            emit_load(&l->e, T1, AT(target));
        emit_guest(&l->e, lower_w(l), 0x89, memory ? (unsigned)T1 : lower_gpr(l, i->rm, T1),
                   l->place);
    }
    lower_sum(l, GUEST_SP, GUEST_SP, -(i32)l->word);
    return true;
}

static bool pop(struct lower *l)
{
    const struct x86_insn *i = l->i;
    if (x86_forms[i->form].opnd[0].kind == X86_OPND_FIX || (i->flags & X86_I_MEM))
        return false;
    lower_stack_word(l, GUEST_SP, 0, X86_READ);
    if (i->rm == X86_RSP) { /* what was there, not what is above it */
        emit_guest(&l->e, lower_w(l), 0x8b, GUEST_SP, l->place);
        return true;
    }
    if (is_homed(i->rm)) {
        emit_guest(&l->e, lower_w(l), 0x8b, T1, l->place);
        emit_store(&l->e, T1, AT_GPR(i->rm));
    } else {
        emit_guest(&l->e, lower_w(l), 0x8b, i->rm, l->place);
    }
    lower_sum(l, GUEST_SP, GUEST_SP, (i32)l->word);
    return true;
}

static bool leave(struct lower *l)
{
    lower_stack_word(l, X86_RBP, 0, X86_READ);
    lower_sum(l, GUEST_SP, X86_RBP, (i32)l->word);
    emit_guest(&l->e, lower_w(l), 0x8b, X86_RBP, l->place);
    return true;
}

bool lower_stack(struct lower *l)
{
    if (l->i->osz != l->word)
        return false;
    switch (l->i->op) {
    case X86_OP_PUSH: return push(l);
    case X86_OP_POP: return pop(l);
    case X86_OP_LEAVE: return leave(l);
    }
    return false;
}
