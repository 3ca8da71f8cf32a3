/* SPDX-License-Identifier: BSD-2-Clause */
/* Integer instructions that run on the host as they are, but for their memory operand and the
 * registers that have another home. What is not on the list here never does. */
#include "engine/translate/lower.h"

#include "isa/x86/exec/system.h"

static bool is_copied(const struct x86_insn *i)
{
    switch (i->op) {
    case X86_OP_ADD:
    case X86_OP_ADC:
    case X86_OP_SUB:
    case X86_OP_SBB:
    case X86_OP_AND:
    case X86_OP_OR:
    case X86_OP_XOR:
    case X86_OP_CMP:
    case X86_OP_TEST:
    case X86_OP_INC:
    case X86_OP_DEC:
    case X86_OP_NEG:
    case X86_OP_NOT:
    case X86_OP_MUL:
    case X86_OP_IMUL:
    case X86_OP_MOV:
    case X86_OP_MOVZX:
    case X86_OP_MOVSX:
    case X86_OP_MOVSXD:
    case X86_OP_MOVBE:
    case X86_OP_SHL:
    case X86_OP_SHR:
    case X86_OP_SAR:
    case X86_OP_ROL:
    case X86_OP_ROR:
    case X86_OP_RCL:
    case X86_OP_RCR:
    case X86_OP_SHLD:
    case X86_OP_SHRD:
    case X86_OP_BSF:
    case X86_OP_BSR:
    case X86_OP_TZCNT:
    case X86_OP_LZCNT:
    case X86_OP_POPCNT:
    case X86_OP_BSWAP:
    case X86_OP_SETCC:
    case X86_OP_CMOVCC:
    case X86_OP_XCHG:
    case X86_OP_XADD:
    case X86_OP_CMPXCHG:
    case X86_OP_CMPXCHG8B:
    case X86_OP_CMPXCHG16B:
    case X86_OP_CBW:
    case X86_OP_CWD:
    case X86_OP_CLC:
    case X86_OP_STC:
    case X86_OP_CMC:
    case X86_OP_ANDN:
    case X86_OP_BEXTR:
    case X86_OP_BLSI:
    case X86_OP_BLSR:
    case X86_OP_BLSMSK:
    case X86_OP_BZHI:
    case X86_OP_PDEP:
    case X86_OP_PEXT:
    case X86_OP_RORX:
    case X86_OP_SARX:
    case X86_OP_SHLX:
    case X86_OP_SHRX:
    case X86_OP_MULX:
    case X86_OP_ADCX:
    case X86_OP_ADOX:
    case X86_OP_CRC32:
    case X86_OP_LFENCE:
    case X86_OP_MFENCE:
    case X86_OP_SFENCE:
    case X86_OP_PAUSE:
    case X86_OP_LAHF:
    case X86_OP_SAHF: return true;
    case X86_OP_BT:
    case X86_OP_BTS:
    case X86_OP_BTR:
    case X86_OP_BTC: return true; /* but see is_bit_of_string() */
    }
    return false;
}

static bool is_bit_of_string(const struct x86_insn *i)
{
    switch (i->op) {
    case X86_OP_BT:
    case X86_OP_BTS:
    case X86_OP_BTR:
    case X86_OP_BTC: return (i->flags & X86_I_MEM) && !i->off_imm;
    }
    return false;
}

static bool is_nothing(const struct x86_insn *i)
{
    switch (i->op) {
    case X86_OP_NOP:
    case X86_OP_PREFETCH:
    case X86_OP_PREFETCHW:
    case X86_OP_PREFETCHNTA:
    case X86_OP_PREFETCHT0:
    case X86_OP_PREFETCHT1:
    case X86_OP_PREFETCHT2: return true;
    }
    return false;
}

static void add_field(const struct lower *l, unsigned n, unsigned bit, unsigned reg,
                      struct gpr_fields *f)
{
    f->used |= bit;
    if (x86_forms[l->i->form].opnd[n].access & X86_WR)
        f->written |= bit;
    if (x86_opnd_bytes(l->i, n) == 1 && reg >= 4 && reg < 8 &&
        !(l->i->flags & (X86_I_REX | X86_I_VEX)))
        f->high_byte = true;
}

bool lower_fields(const struct lower *l, bool vectors, struct gpr_fields *f)
{
    const struct x86_insn *i = l->i;
    *f = (struct gpr_fields){0};
    for (unsigned n = 0; n < X86_OPND_MAX; n++) {
        const struct x86_opnd *o = &x86_forms[i->form].opnd[n];
        switch (o->kind) {
        case X86_OPND_NONE:
        case X86_OPND_I:
        case X86_OPND_I2:
        case X86_OPND_M: break;
        case X86_OPND_E:
            if (!(i->flags & X86_I_MEM))
                add_field(l, n, ENCODE_RM, i->rm, f);
            break;
        case X86_OPND_R:
        case X86_OPND_Z: add_field(l, n, ENCODE_RM, i->rm, f); break;
        case X86_OPND_G: add_field(l, n, ENCODE_REG, i->reg, f); break;
        case X86_OPND_B: add_field(l, n, ENCODE_VVVV, i->vvvv, f); break;
        case X86_OPND_FIX:
            /* The stack pointer and the segments are not what they seem. */
            if (o->reg == X86_FIX_SP || (o->reg >= X86_FIX_ES && o->reg <= X86_FIX_GS))
                return false;
            break;
        case X86_OPND_V:
        case X86_OPND_W:
        case X86_OPND_U:
        case X86_OPND_H:
        case X86_OPND_L:
        case X86_OPND_KG:
        case X86_OPND_KE:
        case X86_OPND_KR:
        case X86_OPND_KH:
            if (!vectors)
                return false;
            break;
        default: return false;
        }
    }
    return true;
}

/* Which scratch registers stand for which guest registers during one instruction. */
struct homes {
    unsigned count;
    struct {
        u8 guest, host;
        bool written;
    } home[2];
};

static bool place(struct homes *h, bool memory, u8 *reg, bool written)
{
    if (*reg == X86_RSP) {
        *reg = GUEST_SP;
        return true;
    }
    if (!is_homed(*reg))
        return true;
    unsigned k = 0;
    while (k < h->count && h->home[k].guest != *reg)
        k++;
    if (k == h->count) {
        if (k == (memory ? 1 : 2)) /* T0 is the address */
            return false;
        h->home[k].guest = *reg;
        h->home[k].host = k == 0 ? T1 : T0;
        h->home[k].written = false;
        h->count++;
    }
    h->home[k].written |= written;
    *reg = h->home[k].host;
    return true;
}

bool lower_instruction(struct lower *l, const struct gpr_fields *f, unsigned size,
                       enum x86_access access, unsigned align)
{
    const struct x86_insn *i = l->i;
    bool memory = i->flags & X86_I_MEM;
    struct homes h = {0};
    struct encode_regs r = {i->reg, i->rm, i->vvvv, T0};
    if (memory && !lower_has_address(l))
        return false;
    if (f->high_byte) { /* not with a REX prefix */
        if (((f->used & ENCODE_REG) && i->reg >= 8) || ((f->used & ENCODE_RM) && i->rm >= 8))
            return false;
        if (memory)
            r.base = X86_RSI; /* which has no part in an instruction with AH, BH, CH or DH */
        /* Numbers 4 to 7 name high bytes in one operand, and may be the stack pointer in another.
         */
        for (unsigned n = 0; n < 2; n++)
            if (x86_opnd_bytes(i, n) > 1 && (i->reg == X86_RSP || i->rm == X86_RSP))
                return false;
    } else if (((f->used & ENCODE_REG) && !place(&h, memory, &r.reg, f->written & ENCODE_REG)) ||
               ((f->used & ENCODE_RM) && !place(&h, memory, &r.rm, f->written & ENCODE_RM)) ||
               ((f->used & ENCODE_VVVV) && !place(&h, memory, &r.vvvv, f->written & ENCODE_VVVV))) {
        return false;
    }
    if (memory)
        lower_operand(l, size, access, align);
    if (l->uses_flags)
        lower_use_flags(l);
    /* Always loaded: what is only written may be written in part, or not at all. */
    for (unsigned k = 0; k < h.count; k++)
        lower_gpr(l, h.home[k].guest, h.home[k].host);
    if (r.base != T0)
        emit_rr(&l->e, REX_W, 0x87, r.base, T0); /* xchg */
    lower_encode(l, r);
    if (r.base != T0)
        emit_rr(&l->e, REX_W, 0x87, r.base, T0);
    for (unsigned k = 0; k < h.count; k++)
        if (h.home[k].written)
            emit_store(&l->e, h.home[k].host, AT_GPR(h.home[k].guest));
    return true;
}

static bool lower_lea(struct lower *l)
{
    const struct x86_insn *i = l->i;
    if (i->osz == 2 || !lower_has_address(l))
        return false;
    unsigned to = is_homed(i->reg) ? (unsigned)T0 : i->reg == X86_RSP ? (unsigned)GUEST_SP : i->reg;
    lower_offset(l, to, i->osz == 8 && i->asz == 8 ? REX_W : 0);
    if (is_homed(i->reg))
        emit_store(&l->e, T0, AT_GPR(i->reg));
    return true;
}

/* MOV between the accumulator and an offset that the instruction holds. */
static bool move_offset(struct lower *l)
{
    const struct x86_insn *i = l->i;
    bool store = i->opcode & 2;
    if (l->word == 4 && i->seg == X86_CS)
        return false;
    EMIT(&l->e, 0x49, 0xba); /* mov r10, imm64 */
    emit32(&l->e, (u32)i->imm);
    emit32(&l->e, (u32)(i->imm >> 32));
    lower_add_base(l);
    lower_check(l, i->osz, store ? X86_WRITE : X86_READ, 0);
    if (i->osz == 2)
        emit8(&l->e, 0x66);
    emit_guest(&l->e, i->osz == 8 ? REX_W : 0, (store ? 0x88 : 0x8a) | (i->opcode & 1), X86_RAX, 0);
    return true;
}

/* BT and its like with an index in a register: the word may be anywhere, the bit in it is masked.
 * ZF stays; the other flags are the host's or nobody's. */
static bool bit_of_string(struct lower *l)
{
    const struct x86_insn *i = l->i;
    struct emit *e = &l->e;
    bool wide = i->osz == 8;
    if (i->osz == 2 || i->asz != 8 || (l->live_after & X86_ZF) || !lower_has_address(l))
        return false;
    lower_spoil_flags(l);
    lower_address(l);
    unsigned index = lower_gpr(l, i->reg, T1);
    emit_rr(e, REX_W, wide ? 0x8b : 0x63, T1, index); /* mov or movsxd r11, index */
    EMIT(e, 0x49, 0xc1, 0xfb);                        /* sar r11, imm8 */
    emit8(e, wide ? 6 : 5);
    EMIT(e, 0x4f, 0x8d, 0x14); /* lea r10, [r10 + r11 * size] */
    emit8(e, wide ? 0xda : 0x9a);
    lower_check(l, i->osz, i->op == X86_OP_BT ? X86_READ : X86_WRITE, 0);
    index = lower_gpr(l, i->reg, T1);
    emit_rr(e, 0, 0x8b, T1, index);
    EMIT(e, 0x41, 0x83, 0xe3); /* and r11d, imm8 */
    emit8(e, wide ? 63 : 31);
    if (i->flags & X86_I_LOCK)
        emit8(e, 0xf0);
    emit8(e, wide ? 0x4d : 0x45); /* the same, with [r10] and r11 */
    emit8(e, 0x0f);
    emit8(e, i->opcode);
    emit8(e, 0x1a);
    return true;
}

bool lower_copy(struct lower *l)
{
    const struct x86_insn *i = l->i;
    const struct x86_form *form = &x86_forms[i->form];
    struct gpr_fields f;
    if (l->bound->exec == x86_exec_undefined)
        return false;
    if (is_nothing(i))
        return true;
    if (i->op == X86_OP_LEA)
        return lower_lea(l);
    if (i->op == X86_OP_MOV && i->map == 0 && (i->opcode & 0xfc) == 0xa0)
        return move_offset(l);
    if (form->cls == X86_CLASS_COPY && is_bit_of_string(i))
        return bit_of_string(l);
    if (form->cls != X86_CLASS_COPY || !is_copied(i) || !lower_fields(l, false, &f))
        return false;
    unsigned size = 0;
    enum x86_access access = X86_READ;
    if (i->flags & X86_I_MEM) {
        for (unsigned n = 0; n < X86_OPND_MAX; n++)
            if (form->opnd[n].kind == X86_OPND_E || form->opnd[n].kind == X86_OPND_M) {
                size = x86_opnd_bytes(i, n);
                if (form->opnd[n].access & X86_WR)
                    access = X86_WRITE;
            }
        if (!size)
            return false;
    }
    return lower_instruction(l, &f, size, access, form->flags & X86_F_ALIGN ? size - 1 : 0);
}
