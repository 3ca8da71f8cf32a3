/* SPDX-License-Identifier: BSD-2-Clause */
/* DIV and IDIV of 32 and 64 bits. What the host divides must not raise #DE: a look at the operands
 * shows that the quotient fits, and all else is called out. */
#include "engine/translate/lower.h"

/* The quotient of DIV fits if the upper half of the dividend is below the divisor. */
static void check_unsigned(struct lower *l, unsigned w, unsigned divisor)
{
    emit_rr(&l->e, w, 0x3b, X86_RDX, divisor); /* cmp rdx, divisor */
    lower_slow(l, CC_AE);
}

/* That of IDIV does if the dividend is its lower half, sign-extended, and the divisor neither 0
 * nor -1. */
static void check_signed(struct lower *l, unsigned w, unsigned divisor)
{
    struct emit *e = &l->e;
    emit_rr(e, w, 0x8b, T0, X86_RAX);
    emit_rr(e, w, 0xc1, 7, T0); /* sar */
    emit8(e, w ? 63 : 31);
    emit_rr(e, w, 0x3b, T0, X86_RDX);
    lower_slow(l, CC_NE);
    emit_rr(e, w, 0x8b, T0, divisor);
    emit_rr(e, w, 0xff, 0, T0); /* inc */
    emit_rr(e, w, 0x83, 7, T0); /* cmp T0, 1 */
    emit8(e, 1);
    lower_slow(l, CC_BE);
}

bool lower_divide(struct lower *l)
{
    const struct x86_insn *i = l->i;
    bool memory = i->flags & X86_I_MEM;
    unsigned w = i->osz == 8 ? REX_W : 0, divisor = T1;
    if ((i->op != X86_OP_DIV && i->op != X86_OP_IDIV) || i->osz < 4 ||
        (memory && !lower_has_address(l)))
        return false;
    if (memory) {
        lower_operand(l, i->osz, X86_READ, 0);
        emit_guest(&l->e, w, 0x8b, T1, l->place);
    } else {
        divisor = lower_gpr(l, i->rm, T1);
    }
    lower_spoil_flags(l);
    l->in_t0 = -1;
    if (i->op == X86_OP_DIV)
        check_unsigned(l, w, divisor);
    else
        check_signed(l, w, divisor);
    emit_rr(&l->e, w, 0xf7, i->op == X86_OP_DIV ? 6 : 7, divisor);
    return true;
}
