/* SPDX-License-Identifier: BSD-2-Clause */
/* Chooses the handler of an integer instruction: resolves its register operands to places, then
 * asks the groups. */
#include "isa/x86/exec/integer.h"

#include "base/mem.h"

static u16 gpr_place(unsigned r)
{
    return (u16)(offsetof(struct x86_cpu, s.gpr) + r * 8);
}

/* Without REX or VEX byte registers 4-7 are AH CH DH BH [SDM2 3.1.1.1]. */
static u16 operand_place(const struct x86_insn *i, unsigned r, unsigned size)
{
    if (size == 1 && r >= 4 && r < 8 && !(i->flags & (X86_I_REX | X86_I_VEX)))
        return gpr_place(r - 4) + 1;
    return gpr_place(r);
}

/* True and the place when operand n is a general register. */
static bool register_operand(const struct x86_insn *i, unsigned n, u16 *place)
{
    const struct x86_opnd *o = &x86_forms[i->form].opnd[n];
    unsigned size = x86_opnd_bytes(i, n);

    switch (o->kind) {
    case X86_OPND_E:
        if (i->flags & X86_I_MEM)
            return false;
        *place = operand_place(i, i->rm, size);
        return true;
    case X86_OPND_R:
    case X86_OPND_Z: *place = operand_place(i, i->rm, size); return true;
    case X86_OPND_G: *place = operand_place(i, i->reg, size); return true;
    case X86_OPND_B: *place = gpr_place(i->vvvv); return true;
    case X86_OPND_FIX:
        if (o->reg > X86_FIX_DI)
            return false;
        /* AX CX DX BX SP BP SI DI are numbered as registers are. */
        *place = gpr_place(o->reg);
        return true;
    }
    return false;
}
_Static_assert((int)X86_FIX_AX == X86_RAX && (int)X86_FIX_DI == X86_RDI,
               "fixed registers by number");

static u16 address_place(unsigned r)
{
    if (r < X86_GPR_COUNT)
        return gpr_place(r);
    return r == X86_REG_RIP ? offsetof(struct x86_cpu, s.rip) : offsetof(struct x86_cpu, zero);
}

static void resolve_places(struct x86_insn *i)
{
    unsigned next = 1, last = 2;
    u16 place;

    mem_fill(i->place, 0, sizeof(i->place));
    if (i->flags & X86_I_MEM) {
        i->place[2] = address_place(i->base);
        i->place[3] = address_place(i->index);
        last = 1;
    }
    if (register_operand(i, 0, &place))
        i->place[0] = place;
    for (unsigned n = 1; n < X86_OPND_MAX && next <= last; n++) {
        if (register_operand(i, n, &place))
            i->place[next++] = place;
    }
}

x86_exec_fn integer_pick(const struct integer_handlers *h, const struct x86_insn *i)
{
    const struct x86_opnd *o = x86_forms[i->form].opnd;
    bool immediate = o[1].kind == X86_OPND_NONE || o[1].kind == X86_OPND_I ||
                     (o[1].kind == X86_OPND_FIX && o[1].reg == X86_FIX_ONE);
    enum integer_pattern pattern = INTEGER_RR;
    u16 place;

    bool to_memory = integer_in_memory(i, 0), from_memory = integer_in_memory(i, 1);
    if ((!to_memory && !register_operand(i, 0, &place)) ||
        (!immediate && !from_memory && !register_operand(i, 1, &place)))
        return NULL; /* segment, control and debug registers */
    if (to_memory)
        pattern = immediate ? INTEGER_MI : INTEGER_MR;
    else if (from_memory)
        pattern = INTEGER_RM;
    else if (immediate)
        pattern = INTEGER_RI;
    return h->fn[pattern][integer_size_index(x86_opnd_bytes(i, 0))];
}

int integer_rmw_slow(struct x86_cpu *cpu, const struct x86_insn *i, u64 off, unsigned size,
                     integer_fn fn, u64 b)
{
    struct x86_rmw m;
    int r = x86_rmw_begin(cpu, &m, i->seg, off, size, i->flags & X86_I_LOCK);
    if (r)
        return r;
    for (;;) {
        u64 rflags = cpu->s.rflags, v = fn(m.old, b, size, &rflags);
        bool done;
        r = x86_rmw_end(cpu, &m, v, &done);
        if (r)
            return r;
        if (done) {
            cpu->s.rflags = rflags;
            return X86_OK;
        }
    }
}

static x86_exec_fn (*const groups[])(const struct x86_insn *) = {
    integer_bind_mov,    integer_bind_alu,      integer_bind_control, integer_bind_stack,
    integer_bind_shift,  integer_bind_string,   integer_bind_bit,     integer_bind_misc,
    integer_bind_muldiv, integer_bind_exchange, integer_bind_bmi,     integer_bind_bcd,
};

x86_exec_fn x86_bind_integer(struct x86_cpu *cpu, struct x86_insn *insn)
{
    const struct x86_opnd *second = &x86_forms[insn->form].opnd[1];

    for (size_t g = 0; g < ARRAY_LEN(groups); g++) {
        x86_exec_fn fn = groups[g](insn);
        if (!fn)
            continue;
        resolve_places(insn);
        /* Shifts by the constant 1 are shifts by an immediate. */
        if (second->kind == X86_OPND_FIX && second->reg == X86_FIX_ONE)
            insn->imm = 1;
        return fn;
    }
    return NULL;
}
