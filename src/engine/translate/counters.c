/* SPDX-License-Identifier: BSD-2-Clause */
/* What the translator counts: translations, callouts by instruction, and what it gave up and why.
 */
#include "engine/translate/lockstep.h"

static enum give_up kind_of(const struct x86_insn *i)
{
    const struct x86_form *f = &x86_forms[i->form];
    for (unsigned n = 0; n < X86_OPND_MAX; n++)
        switch (f->opnd[n].kind) {
        case X86_OPND_ST:
        case X86_OPND_P:
        case X86_OPND_Q:
        case X86_OPND_N: return GIVE_UP_X87;
        case X86_OPND_V:
        case X86_OPND_W:
        case X86_OPND_U:
        case X86_OPND_H:
        case X86_OPND_VM:
        case X86_OPND_KG:
        case X86_OPND_KE:
        case X86_OPND_KR: return GIVE_UP_VECTOR;
        }
    switch (i->op) {
    case X86_OP_LDMXCSR:
    case X86_OP_STMXCSR:
    case X86_OP_VLDMXCSR:
    case X86_OP_VSTMXCSR:
    case X86_OP_VZEROALL:
    case X86_OP_VZEROUPPER: return GIVE_UP_VECTOR;
    case X86_OP_EMMS:
    case X86_OP_FEMMS: return GIVE_UP_X87;
    }
    bool escape = i->map == 0 && ((i->opcode >= 0xd8 && i->opcode <= 0xdf) || i->opcode == 0x9b);
    return escape ? GIVE_UP_X87 : GIVE_UP_OTHER;
}

bool uses_vectors(const struct x86_insn *i)
{
    const struct x86_form *f = &x86_forms[i->form];
    bool image = false;
    for (unsigned n = 0; n < X86_OPND_MAX; n++)
        image |= f->opnd[n].size == X86_SZ_FX || f->opnd[n].size == X86_SZ_XSAVE;
    return image || kind_of(i) != GIVE_UP_OTHER;
}

enum give_up give_up_reason(const struct x86_insn *i)
{
    const struct x86_form *f = &x86_forms[i->form];
    if (f->cls == X86_CLASS_SENSITIVE)
        return GIVE_UP_SENSITIVE;
    if (f->flags & X86_F_REP)
        return GIVE_UP_STRING;
    enum give_up kind = kind_of(i);
    if (kind != GIVE_UP_OTHER)
        return kind;
    if (f->flags & (X86_F_BRANCH | X86_F_END))
        return GIVE_UP_CONTROL;
    return (i->flags & X86_I_MEM) && i->asz != i->mode ? GIVE_UP_ADDRESS : GIVE_UP_OTHER;
}

/* The name of an operation, from the first of its forms. */
static const char *name_of(unsigned op)
{
    for (unsigned k = 0; k < X86_FORM_COUNT; k++)
        if (x86_forms[k].op == op && x86_forms[k].name)
            return x86_forms[k].name;
    return "?";
}

void translate_counters(const struct vcpu *v, engine_count_fn tell, void *ctx)
{
    static const char *const reasons[] = {
#define X(id, text) [GIVE_UP_##id] = text,
        GIVE_UPS(X)
#undef X
    };
    static const char *const exits[] = {
        [EXIT_LINK] = "a branch was not joined to its target yet",
        [EXIT_AT] = "a request, or code that is gone",
        [EXIT_JUMP] = "an indirect branch found nothing",
        [EXIT_RESULT] = "an instruction was called out and ended it",
        [EXIT_FAR] = "a branch found another page, or was not joined yet",
        [EXIT_SLOW] = "a shared check failed",
    };
    const struct translator *t = translator_of_const(v->engine);
    soft_counters(v, tell, ctx);
    tell(ctx, "code", "translations", t->translations);
    tell(ctx, "code", "bytes of host code", t->code_bytes);
    tell(ctx, "code", "bytes of host code that seldom runs", t->code_rest_bytes);
    tell(ctx, "code", "entries into translated code", t->entries);
    tell(ctx, "code", "instructions interpreted or called out", t->soft.cpu.retired);
    for (unsigned k = 0; k < EXIT_KINDS; k++)
        if (t->came_out[k])
            tell(ctx, "came out of translated code", exits[k], t->came_out[k]);
    for (unsigned k = 0; k < GIVE_UP_COUNT; k++)
        if (t->given_up[k])
            tell(ctx, "given up", reasons[k], t->given_up[k]);
    for (unsigned op = 0; op < X86_OP_COUNT; op++)
        if (t->calls[op])
            tell(ctx, "callouts", name_of(op), t->calls[op]);
    if (t->lockstep) {
        tell(ctx, "lockstep", "stretches compared", t->lockstep->compared);
        tell(ctx, "lockstep", "stretches not compared to their end", t->lockstep->unfinished);
        tell(ctx, "lockstep", "differences made by a device's store", t->lockstep->excused);
    }
}
