/* SPDX-License-Identifier: BSD-2-Clause */
/* Vector instructions run as they are while the guest's vector registers are in the host's. The
 * first one of a block looks whether they are, and is called out if not: that brings them in. */
#include "engine/translate/lower.h"

#include "isa/x86/exec/vector.h"

static bool is_enabled(u8 env, enum x86_gate gate)
{
    switch (gate) {
    case X86_GATE_SSE: return env & ENV_SSE;
    case X86_GATE_VEX: return env & ENV_VEX;
    case X86_GATE_EVEX: return env & ENV_EVEX;
    default: return false;
    }
}

/* Live, and no exception is unmasked. */
static void check_live(struct lower *l)
{
    _Static_assert(offsetof(struct x86_cpu, vector_strict) ==
                       offsetof(struct x86_cpu, vector_live) + 1,
                   "one word");
    lower_spoil_flags(l);
    emit8(&l->e, 0x66); /* cmp word [..], 1 */
    emit_state(&l->e, 0, 0x81, 7, AT(soft.cpu.vector_live));
    emit8(&l->e, 1);
    emit8(&l->e, 0);
    lower_slow(l, CC_NE);
    l->vector_known = true;
}

static bool has_register_in_immediate(const struct x86_insn *i)
{
    for (unsigned n = 0; n < X86_OPND_MAX; n++)
        if (x86_forms[i->form].opnd[n].kind == X86_OPND_L)
            return true;
    return false;
}

/* EVEX is copied as it is: general registers must be where the guest has them. */
static bool has_same_registers(const struct x86_insn *i, const struct gpr_fields *f)
{
    u8 reg = f->used & ENCODE_REG ? i->reg : (u8)X86_RAX, rm = f->used & ENCODE_RM ? i->rm : reg;
    return !(f->used & ENCODE_VVVV) && reg < 16 && rm < 16 && !is_homed(reg) && !is_homed(rm) &&
           reg != X86_RSP && rm != X86_RSP;
}

bool lower_vector(struct lower *l)
{
    const struct x86_insn *i = l->i;
    const struct x86_stub *st = x86_vector_stub(l->bound);
    struct gpr_fields f;
    /* Where a mask selects elements all of the operand is looked at: masked or not, what is in one
     * plain page may run as it is. */
    enum {
        AS_IT_IS = X86_STUB_SIMD | X86_STUB_UNDO | X86_STUB_SPARSE | X86_STUB_PACKED |
                   X86_STUB_SPREAD | X86_STUB_WHOLE
    };
    if (!st || (st->flags & ~(unsigned)AS_IT_IS) || !is_enabled(l->env, st->gate) ||
        !lower_fields(l, true, &f))
        return false;
    bool memory = i->flags & X86_I_MEM;
    if ((memory && (!st->bytes || !lower_has_address(l))) || f.high_byte)
        return false;
    if ((i->flags & X86_I_EVEX) && (l->word == 4 || !has_same_registers(i, &f)))
        return false;
    /* Register numbers outside of ModRM: 32-bit code has eight, and the fourth bit says nothing. */
    if (l->word == 4 && i->off_imm && (i->imm & 0x80) && has_register_in_immediate(i))
        return false;
    if (memory && ((f.used & ENCODE_RM) || __builtin_popcount(f.used) > 1))
        return false;
    if (!l->vector_known)
        check_live(l);
    bool store = st->access & X86_WR;
    l->partly = store && (st->flags & (X86_STUB_SPARSE | X86_STUB_WHOLE)) == X86_STUB_SPARSE;
    bool done = lower_instruction(l, &f, st->bytes, store ? X86_WRITE : X86_READ, st->align);
    l->partly = false;
    return done;
}
