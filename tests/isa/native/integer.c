/* SPDX-License-Identifier: BSD-2-Clause */
/* Every integer instruction against the processor we run on. */
#include "native.h"

static const struct native_exclusion exclusions[] = {
    {X86_OP_RDRAND, "a different number each time"},
    {X86_OP_RDSEED, "a different number each time"},
};

/* The forms that the integer group binds. */
static bool wants(unsigned form)
{
    struct x86_insn insn = {.form = (u16)form, .op = x86_forms[form].op, .osz = 4, .asz = 4};
    insn.mode = x86_forms[form].flags & X86_F_ONLY64 ? X86_MODE64 : X86_MODE32;
    if (x86_bind_integer(native_engine_cpu(), &insn))
        return true;
    insn.flags = X86_I_MEM;
    insn.base = insn.index = X86_NO_REG;
    return x86_bind_integer(native_engine_cpu(), &insn) != NULL;
}

int main(int argc, char **argv)
{
    static const struct native_suite suite = {
        .name = "native integer",
        .wants = wants,
        .exclusions = exclusions,
        .exclusion_count = ARRAY_LEN(exclusions),
    };
    return native_suite_main(&suite, argc, argv);
}
