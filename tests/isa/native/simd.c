/* SPDX-License-Identifier: BSD-2-Clause */
/* Every vector and x87 instruction against the processor we run on. */
#include "native.h"

#define ALIGNED "the manual wants its memory operand aligned, AMD's processors do not"
#define PARTIAL "which faults of bytes that are not selected show is left to the processor"
#define WIDE    "outside 64-bit mode W is ignored, or refused by AMD's processors"

static const struct native_exclusion exclusions[] = {
    {X86_OP_SHA1NEXTE, ALIGNED},   {X86_OP_SHA1MSG1, ALIGNED},   {X86_OP_SHA1MSG2, ALIGNED},
    {X86_OP_SHA1RNDS4, ALIGNED},   {X86_OP_SHA256MSG1, ALIGNED}, {X86_OP_SHA256MSG2, ALIGNED},
    {X86_OP_SHA256RNDS2, ALIGNED}, {X86_OP_MASKMOVQ, PARTIAL},   {X86_OP_MASKMOVDQU, PARTIAL},
    {X86_OP_VMASKMOVDQU, PARTIAL}, {X86_OP_VPINSRD, WIDE},       {X86_OP_VPEXTRD, WIDE},
};

/* What user code runs on the vector and x87 units. */
static bool wants(unsigned form)
{
    struct x86_insn insn = {.form = (u16)form, .op = x86_forms[form].op, .osz = 4, .asz = 4};
    insn.mode = x86_forms[form].flags & X86_F_ONLY64 ? X86_MODE64 : X86_MODE32;
    insn.mod = 3;
    insn.base = insn.index = X86_NO_REG;
    return x86_forms[form].cls == X86_CLASS_COPY && !x86_bind_integer(native_engine_cpu(), &insn);
}

int main(int argc, char **argv)
{
    static const struct native_suite suite = {
        .name = "native simd",
        .wants = wants,
        .exclusions = exclusions,
        .exclusion_count = ARRAY_LEN(exclusions),
        .vector = true,
    };
    return native_suite_main(&suite, argc, argv);
}
