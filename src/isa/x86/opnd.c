/* SPDX-License-Identifier: BSD-2-Clause */
/* Sizes of operands. */
#include "isa/x86/insn.h"

unsigned x86_opnd_bytes(const struct x86_insn *insn, unsigned n)
{
    static const u16 fixed[] = {
        [X86_SZ_B] = 1,   [X86_SZ_W] = 2,   [X86_SZ_D] = 4,   [X86_SZ_Q] = 8,    [X86_SZ_T] = 10,
        [X86_SZ_DQ] = 16, [X86_SZ_QQ] = 32, [X86_SZ_OO] = 64, [X86_SZ_FX] = 512, [X86_SZ_ANY] = 0,
    };
    const struct x86_opnd *o = &x86_forms[insn->form].opnd[n];
    if (o->kind == X86_OPND_W && insn->mod != 3 && insn->flags & X86_I_EVEX_B) {
        u32 flags = x86_forms[insn->form].flags; /* broadcast: one element */
        return flags & X86_F_BCST64 ? 8 : flags & X86_F_BCST32 ? 4 : 2;
    }
    switch (o->size) {
    case X86_SZ_V: return insn->osz;
    case X86_SZ_Z: return insn->osz == 2 ? 2 : 4;
    case X86_SZ_Y: return insn->osz == 8 ? 8 : 4;
    case X86_SZ_P: return insn->osz + 2u;
    case X86_SZ_S: return insn->mode == X86_MODE64 ? 10 : 6;
    case X86_SZ_A: return insn->osz * 2u;
    case X86_SZ_X: return insn->vl;
    case X86_SZ_HX: return insn->vl / 2u;
    case X86_SZ_QX: return insn->vl / 4u;
    case X86_SZ_EX: return insn->vl / 8u;
    case X86_SZ_ENV: return insn->osz == 2 ? 14 : 28;
    case X86_SZ_FSAVE: return insn->osz == 2 ? 94 : 108;
    case X86_SZ_ADDR: return insn->asz;
    default: return fixed[o->size];
    }
}
