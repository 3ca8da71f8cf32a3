/* SPDX-License-Identifier: BSD-2-Clause */
/* Encoding a guest instruction again: the same prefixes, opcode and immediate, other registers, and
 * [T0] in the place of the memory operand. What only 32-bit code has gets its 64-bit form. */
#include "engine/translate/lower.h"

/* rm: the base register of the memory operand. */
static void emit_modrm(struct lower *l, unsigned reg, unsigned rm, bool memory)
{
    if (!memory) {
        emit8(&l->e, 0xc0 | (reg & 7) << 3 | (rm & 7));
    } else if ((l->i->flags & X86_I_EVEX) && l->place) { /* whose disp8 counts in operands */
        emit8(&l->e, 0x80 | (reg & 7) << 3 | (rm & 7));
        emit32(&l->e, (u32)l->place);
    } else {
        emit_modrm_memory(&l->e, reg, rm, l->place);
    }
    if (l->i->off_imm)
        for (unsigned k = l->i->off_imm; k < l->i->len; k++)
            emit8(&l->e, l->code[k]);
}

/* Outside 64-bit mode W does not widen a general register. */
static bool drops_w(const struct lower *l)
{
    const struct x86_form *f = &x86_forms[l->i->form];
    if (l->word == 8)
        return false;
    for (unsigned n = 0; n < X86_OPND_MAX; n++)
        switch (f->opnd[n].kind) {
        case X86_OPND_E:
        case X86_OPND_G:
        case X86_OPND_R:
        case X86_OPND_B: return true;
        }
    return l->i->op == X86_OP_VPCMPESTRI || l->i->op == X86_OP_VPCMPESTRM; /* EAX and EDX */
}

static void encode_vex(struct lower *l, struct encode_regs r, const u8 *vex, bool memory)
{
    const struct x86_insn *i = l->i;
    bool two = vex[0] == 0xc5;
    unsigned map = two ? 1 : vex[1] & 0x1f, last = two ? vex[1] & 0x07 : vex[2] & 0x87;
    unsigned b = r.rm >> 3;
    if (drops_w(l))
        last &= 0x7f;
    emit8(&l->e, 0xc4);
    emit8(&l->e, (~r.reg >> 3 & 1) << 7 | 1 << 6 | (~b & 1) << 5 | map);
    emit8(&l->e, last | (~r.vvvv & 15) << 3);
    emit8(&l->e, i->opcode);
    if (i->off_modrm)
        emit_modrm(l, r.reg, r.rm, memory);
}

/* Only the memory operand changes: X (no index) and B. */
static void encode_evex(struct lower *l, const u8 *evex, bool memory)
{
    emit8(&l->e, 0x62);
    emit8(&l->e, memory ? (evex[1] & ~0x20u) | 0x40 : evex[1]);
    emit8(&l->e, evex[2]);
    emit8(&l->e, evex[3]);
    emit8(&l->e, l->i->opcode);
    emit_modrm(l, l->i->modrm >> 3, memory ? (unsigned)T0 : l->i->modrm, memory);
}

void lower_encode(struct lower *l, struct encode_regs r)
{
    const struct x86_insn *i = l->i;
    const u8 *p = l->code;
    bool memory = i->flags & X86_I_MEM;
    if (memory)
        r.rm = r.base;
    for (;; p++) {
        switch (*p) {
        case 0x66:
        case 0xf0:
        case 0xf2:
        case 0xf3: emit8(&l->e, *p); continue;
        case 0x26:
        case 0x2e:
        case 0x36:
        case 0x3e:
        case 0x64:
        case 0x65:
        case 0x67: continue;
        }
        /* REX is made anew; one that a prefix follows means nothing. */
        if (l->word == 4 || (*p & 0xf0) != 0x40)
            break;
    }
    if (i->flags & X86_I_VEX) {
        encode_vex(l, r, p, memory);
        return;
    }
    if (i->flags & X86_I_EVEX) {
        encode_evex(l, p, memory);
        return;
    }
    static const u8 escape[4][2] = {{0}, {0x0f}, {0x0f, 0x38}, {0x0f, 0x3a}};
    unsigned rex =
        (i->flags & X86_I_W ? 8 : 0) | (i->off_modrm ? (r.reg >> 3 & 1) << 2 : 0) | (r.rm >> 3 & 1);
    if (rex || (i->flags & X86_I_REX))
        emit8(&l->e, 0x40 | rex);
    for (unsigned k = 0; k < 2 && escape[i->map][k]; k++)
        emit8(&l->e, escape[i->map][k]);
    if (i->off_modrm) {
        emit8(&l->e, l->word == 4 && i->map == 0 && i->opcode == 0x82 ? 0x80 : i->opcode);
        emit_modrm(l, r.reg, r.rm, memory);
        return;
    }
    if (l->word == 4 && i->map == 0 && (i->opcode & 0xf0) == 0x40) { /* INC, DEC */
        emit8(&l->e, 0xff);
        emit8(&l->e, 0xc0 | (i->opcode & 8) | (r.rm & 7));
        return;
    }
    bool in_opcode = false; /* a register by the opcode's low bits */
    for (unsigned n = 0; n < X86_OPND_MAX; n++)
        in_opcode |= x86_forms[i->form].opnd[n].kind == X86_OPND_Z;
    emit8(&l->e, in_opcode ? (i->opcode & ~7u) | (r.rm & 7) : i->opcode);
    if (i->off_imm)
        for (unsigned k = i->off_imm; k < i->len; k++)
            emit8(&l->e, l->code[k]);
}
