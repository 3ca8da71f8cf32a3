/* SPDX-License-Identifier: BSD-2-Clause */
/* VZEROALL and VZEROUPPER outside 64-bit mode: registers 8 to 15 are not theirs to clear
 * [SDM2 VZEROALL], but the host, in 64-bit mode, would. */
#include "isa/x86/exec/vector.h"

#include "base/mem.h"

static int exec_zero(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    unsigned kept = insn->op == X86_OP_VZEROUPPER ? 16 : 0;
    int r = x86_vector_enter(cpu, X86_GATE_VEX, false);
    if (r)
        return r;
    x86_vector_image(cpu);
    for (unsigned reg = 0; reg < 8; reg++) {
        u8 value[64];
        x86_image_get(cpu, reg, value);
        mem_fill(value + kept, 0, sizeof(value) - kept);
        x86_image_put(cpu, reg, value);
    }
    return X86_OK;
}

x86_exec_fn x86_bind_zero(const struct x86_insn *insn)
{
    bool is_zero = insn->op == X86_OP_VZEROALL || insn->op == X86_OP_VZEROUPPER;
    return is_zero && insn->mode != X86_MODE64 ? exec_zero : NULL;
}
