/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest instruction as the host instruction that does the same in 64-bit mode: encoded afresh
 * from the decoded fields, so that nothing of the guest's bytes (prefixes without meaning, 32-bit
 * interpretations of VEX bits) reaches the host unseen. [SDM2 2.3, 2.7] */
#include "isa/x86/exec/vector.h"

enum { HOST_REG = 0, HOST_RM = 1, HOST_VVVV = 2, HOST_MEM = 6 };

struct x86_vector_prefix x86_vector_prefix(const struct x86_insn *insn, const u8 *code)
{
    struct x86_vector_prefix p = {0, 0};
    unsigned n = insn->off_opcode;

    if (insn->flags & X86_I_EVEX) {
        p.pp = code[n - 2] & 3;
        return p;
    }
    if (insn->flags & X86_I_VEX) {
        p.pp = code[n - 1] & 3;
        p.l = code[n - 1] >> 2 & 1;
        return p;
    }
    /* F2 and F3 win over 66, the last of them over the others [SDM2 2.1.2]. */
    for (unsigned k = 0; k < n; k++) {
        if (code[k] == 0xf3)
            p.pp = 2;
        else if (code[k] == 0xf2)
            p.pp = 3;
        else if (code[k] == 0x66 && p.pp == 0)
            p.pp = 1;
        else if (code[k] == 0x0f)
            break;
    }
    return p;
}

int x86_vector_memory_operand(const struct x86_insn *insn)
{
    const struct x86_form *f = &x86_forms[insn->form];
    for (int n = 0; n < X86_OPND_MAX; n++) {
        switch (f->opnd[n].kind) {
        case X86_OPND_E:
        case X86_OPND_M:
        case X86_OPND_W:
        case X86_OPND_Q:
        case X86_OPND_KE:
        case X86_OPND_VM:
            if (insn->flags & X86_I_MEM)
                return n;
            break;
        case X86_OPND_MDI: return n;
        default: break;
        }
    }
    return -1;
}

/* Register fields after rewriting. */
struct fields {
    u8 reg, rm, vvvv, mod, imm0;
    bool w;
};

static struct fields host_fields(const struct x86_insn *insn)
{
    const struct x86_form *f = &x86_forms[insn->form];
    struct fields h = {insn->reg, insn->rm,      insn->vvvv,
                       3,         (u8)insn->imm, (insn->flags & X86_I_W) != 0};
    bool general = false;

    for (int n = 0; n < X86_OPND_MAX; n++) {
        switch (f->opnd[n].kind) {
        case X86_OPND_G:
            h.reg = HOST_REG;
            general = true;
            break;
        case X86_OPND_E:
        case X86_OPND_R:
            h.rm = HOST_RM;
            general = true;
            break;
        case X86_OPND_B:
            h.vvvv = HOST_VVVV;
            general = true;
            break;
        case X86_OPND_P:
        case X86_OPND_KG: h.reg &= 7; break;
        case X86_OPND_Q:
        case X86_OPND_N:
        case X86_OPND_KE:
        case X86_OPND_KR: h.rm &= 7; break;
        case X86_OPND_L:
            if (insn->mode != X86_MODE64)
                h.imm0 &= 0x7f; /* only eight registers */
            break;
        default: break;
        }
    }
    if (insn->flags & X86_I_MEM) {
        h.mod = 0;
        h.rm = HOST_MEM;
    }
    /* Outside 64-bit mode W does not widen a general register; those that hold the lengths of
     * explicit-length string comparison are not named. */
    general |= insn->op == X86_OP_VPCMPESTRI || insn->op == X86_OP_VPCMPESTRM;
    if (general && insn->mode != X86_MODE64)
        h.w = false;
    return h;
}

static unsigned put_legacy(const struct x86_insn *insn, struct x86_vector_prefix p,
                           const struct fields *h, u8 *out)
{
    static const u8 prefix[4] = {0, 0x66, 0xf3, 0xf2};
    unsigned n = 0;

    if (p.pp && insn->map != 0)
        out[n++] = prefix[p.pp];
    u8 rex = (u8)(h->w << 3 | (h->reg >> 3 & 1) << 2 | (h->rm >> 3 & 1));
    if (rex && insn->map != 0)
        out[n++] = 0x40 | rex;
    if (insn->map != 0)
        out[n++] = 0x0f;
    if (insn->map == 2)
        out[n++] = 0x38;
    if (insn->map == 3)
        out[n++] = 0x3a;
    return n;
}

static unsigned put_vex(const struct x86_insn *insn, struct x86_vector_prefix p,
                        const struct fields *h, u8 *out)
{
    out[0] = 0xc4;
    out[1] = (u8)((~h->reg >> 3 & 1) << 7 | 1 << 6 | (~h->rm >> 3 & 1) << 5 | insn->map);
    out[2] = (u8)(h->w << 7 | (~h->vvvv & 15) << 3 | p.l << 2 | p.pp);
    return 3;
}

static unsigned put_evex(const struct x86_insn *insn, struct x86_vector_prefix p,
                         const struct fields *h, u8 *out)
{
    out[0] = 0x62;
    out[1] = (u8)((~h->reg >> 3 & 1) << 7 | (~h->rm >> 4 & 1) << 6 | (~h->rm >> 3 & 1) << 5 |
                  (~h->reg >> 4 & 1) << 4 | insn->map);
    out[2] = (u8)(h->w << 7 | (~h->vvvv & 15) << 3 | 1 << 2 | p.pp);
    out[3] = (u8)(((insn->flags & X86_I_EVEX_Z) != 0) << 7 | (insn->ll & 3) << 5 |
                  ((insn->flags & X86_I_EVEX_B) != 0) << 4 | (~h->vvvv >> 4 & 1) << 3 | insn->aaa);
    return 4;
}

unsigned x86_vector_encode(const struct x86_insn *insn, struct x86_vector_prefix p, u8 out[16])
{
    struct fields h = host_fields(insn);
    unsigned n;

    if (insn->flags & X86_I_EVEX)
        n = put_evex(insn, p, &h, out);
    else if (insn->flags & X86_I_VEX)
        n = put_vex(insn, p, &h, out);
    else
        n = put_legacy(insn, p, &h, out);
    out[n++] = insn->opcode;
    if (insn->flags & X86_I_MODRM) {
        u8 modrm = (u8)(h.mod << 6 | (h.reg & 7) << 3 | (h.rm & 7));
        if (insn->map == 0 && insn->mod == 3)
            modrm = insn->modrm; /* x87: all of it is opcode */
        out[n++] = modrm;
    }
    unsigned imms = insn->off_imm ? insn->len - insn->off_imm : 0;
    if (imms > 0)
        out[n++] = h.imm0;
    if (imms > 1)
        out[n++] = (u8)insn->imm2;
    return n;
}
