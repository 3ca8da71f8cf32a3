/* SPDX-License-Identifier: BSD-2-Clause */
/* Which vector and x87 instructions run natively: those whose row in the table is of class COPY and
 * whose features both the machine's model and this host have. Everything else that names vector
 * state has a handler in C, or raises #UD. */
#include "isa/x86/exec/vector.h"

static int exec_ud(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    return x86_ud(cpu);
}

static int exec_stub(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    return x86_vector_exec(cpu, insn, insn->aux);
}

const struct x86_stub *x86_vector_stub(const struct x86_insn *insn)
{
    return insn->exec == exec_stub ? insn->aux : NULL;
}

/* Code memory is full: the stub is built each time. aux holds the prefix bits. */
static int exec_built(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    uintptr_t bits = (uintptr_t)insn->aux;
    struct x86_vector_prefix prefix = {bits & 3, bits >> 2 & 1};
    struct x86_stub st;
    x86_stub_build(&st, insn, prefix);
    return x86_vector_exec(cpu, insn, &st);
}

/* Instructions that run on vector or x87 state, beside those with an operand there. */
static bool names_vector_state(const struct x86_insn *insn)
{
    const struct x86_form *f = &x86_forms[insn->form];
    if (insn->map == 0)
        return insn->opcode >= 0xd8 && insn->opcode <= 0xdf;
    for (int n = 0; n < X86_OPND_MAX; n++) {
        u8 kind = f->opnd[n].kind;
        if ((kind >= X86_OPND_V && kind <= X86_OPND_KH && kind != X86_OPND_ST) ||
            kind == X86_OPND_MDI)
            return true;
    }
    return insn->op == X86_OP_EMMS || insn->op == X86_OP_FEMMS || insn->op == X86_OP_VZEROALL ||
           insn->op == X86_OP_VZEROUPPER;
}

static bool has_features(const struct x86_cpu_model *m, const struct x86_insn *insn)
{
    const struct x86_form *f = &x86_forms[insn->form];
    if ((f->flags & X86_F_VL) && insn->vl < 64 && !x86_model_has(m, X86_FEATURE_AVX512VL))
        return false;
    return (!f->feature || x86_model_has(m, f->feature)) &&
           (!f->feature2 || x86_model_has(m, f->feature2));
}

x86_exec_fn x86_bind_vector(struct x86_cpu *cpu, struct x86_insn *insn, const u8 *code)
{
    x86_exec_fn fn = x86_bind_xsave(insn);
    if (!fn)
        fn = x86_bind_x87(insn);
    if (!fn)
        fn = x86_bind_gather(insn);
    if (!fn)
        fn = x86_bind_zero(insn);
    if (!fn && !names_vector_state(insn))
        return NULL;
    if (!has_features(cpu->model, insn))
        return exec_ud;
    if (fn)
        return fn;
    if (x86_forms[insn->form].cls != X86_CLASS_COPY || !has_features(x86_host(), insn))
        return exec_ud;

    struct x86_vector_prefix prefix = x86_vector_prefix(insn, code);
    struct x86_stub built;
    x86_stub_build(&built, insn, prefix);
    insn->aux = (void *)x86_stub_intern(cpu, &built);
    if (insn->aux)
        return exec_stub;
    if (!x86_stub_available())
        return exec_ud;
    insn->aux = (void *)(uintptr_t)(prefix.pp | prefix.l << 2);
    return exec_built;
}
