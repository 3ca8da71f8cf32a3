/* SPDX-License-Identifier: BSD-2-Clause */
/* System instructions as user code meets them: refused with the exception that the processor we run
 * on gives, or doing what needs no privilege. What would leave the process, change its segments, or
 * show the host is not compared. */
#include "native.h"

#define FAR      "leaves the code segment"
#define SEGMENTS "loads segments of the host's tables"
#define HOST     "shows the host"
#define KERNEL   "enters the host's kernel"
#define VECTOR   "vector and x87 state: the other suite"

static const struct native_exclusion exclusions[] = {
    {X86_OP_JMPF, FAR},        {X86_OP_CALLF, FAR},
    {X86_OP_RETF, FAR},        {X86_OP_IRET, FAR},
    {X86_OP_INT, KERNEL},      {X86_OP_INT3, "how a case ends"},
    {X86_OP_INT1, KERNEL},     {X86_OP_INTO, "a trap: the host reports it behind the instruction"},
    {X86_OP_SYSCALL, KERNEL},  {X86_OP_SYSENTER, KERNEL},
    {X86_OP_VMCALL, KERNEL},   {X86_OP_VMMCALL, KERNEL},
    {X86_OP_POPF, "sets TF"},  {X86_OP_POP, SEGMENTS},
    {X86_OP_LES, SEGMENTS},    {X86_OP_LDS, SEGMENTS},
    {X86_OP_LSS, SEGMENTS},    {X86_OP_LFS, SEGMENTS},
    {X86_OP_LGS, SEGMENTS},    {X86_OP_VERR, SEGMENTS},
    {X86_OP_VERW, SEGMENTS},   {X86_OP_LAR, SEGMENTS},
    {X86_OP_LSL, SEGMENTS},    {X86_OP_WRFSBASE, "libc's thread pointer"},
    {X86_OP_RDFSBASE, HOST},   {X86_OP_CPUID, HOST},
    {X86_OP_RDTSC, HOST},      {X86_OP_RDTSCP, HOST},
    {X86_OP_RDPID, HOST},      {X86_OP_RDPRU, HOST},
    {X86_OP_SGDT, HOST},       {X86_OP_SIDT, HOST},
    {X86_OP_SLDT, HOST},       {X86_OP_STR, HOST},
    {X86_OP_SMSW, HOST},       {X86_OP_XGETBV, HOST},
    {X86_OP_FNSAVE, VECTOR},   {X86_OP_FRSTOR, VECTOR},
    {X86_OP_FNSTENV, VECTOR},  {X86_OP_FLDENV, VECTOR},
    {X86_OP_STMXCSR, VECTOR},  {X86_OP_VSTMXCSR, VECTOR},
    {X86_OP_LDMXCSR, VECTOR},  {X86_OP_VLDMXCSR, VECTOR},
    {X86_OP_FXSAVE, VECTOR},   {X86_OP_FXRSTOR, VECTOR},
    {X86_OP_XSAVE, VECTOR},    {X86_OP_XRSTOR, VECTOR},
    {X86_OP_XSAVEOPT, VECTOR}, {X86_OP_XSAVEC, VECTOR},
};

static bool loads_segment(const struct x86_form *f)
{
    return f->op == X86_OP_MOV && f->opnd[0].kind == X86_OPND_S;
}

static bool wants(unsigned form)
{
    const struct x86_form *f = &x86_forms[form];
    return f->cls == X86_CLASS_SENSITIVE && !loads_segment(f);
}

int main(int argc, char **argv)
{
    static const struct native_suite suite = {
        .name = "native system",
        .wants = wants,
        .exclusions = exclusions,
        .exclusion_count = ARRAY_LEN(exclusions),
    };
    return native_suite_main(&suite, argc, argv);
}
