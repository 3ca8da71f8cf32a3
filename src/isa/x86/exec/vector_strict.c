/* SPDX-License-Identifier: BSD-2-Clause */
/* SIMD floating-point instructions while the guest's MXCSR leaves an exception unmasked. The host
 * runs them with all masked; when an unmasked flag comes up the registers are put back and #XM is
 * raised. [SDM1 11.5]
 *
 * One bit is not exact: PE beside an unmasked OE or UE tells whether rounding with an unlimited
 * exponent lost anything, which no masked run shows; it is set when the masked result is inexact.
 * And VCVTPS2PH does not flush to zero, so an exact tiny result of it raises no unmasked UE. */
#include "isa/x86/exec/vector.h"

enum {
    IE = 1 << 0,
    DE = 1 << 1,
    ZE = 1 << 2,
    UE = 1 << 4,
    BEFORE_RESULT = IE | DE | ZE, /* found in the operands: the others are then not looked for */
    FLUSH = 1 << 15,
    MASK_SHIFT = 7,
};

static u32 flags_of_run(struct x86_cpu *cpu, const struct x86_stub *st, void *mem, u32 control)
{
    x86_host_set_mxcsr((control & ~(u32)X86_MXCSR_FLAGS) | X86_MXCSR_MASKS);
    x86_stub_call(cpu, st, mem);
    return x86_host_mxcsr() & X86_MXCSR_FLAGS;
}

struct general {
    u64 gpr[X86_GPR_COUNT], rip, rflags;
};
_Static_assert(offsetof(struct x86_state, rip) == offsetof(struct general, rip) &&
                   offsetof(struct x86_state, rflags) == offsetof(struct general, rflags),
               "what a stub may change beside vector state is the head of the state");

static void undo(struct x86_cpu *cpu, const struct general *before)
{
    mem_copy(&cpu->s, before, sizeof *before);
    x86_vector_undo(cpu);
}

int x86_vector_strict(struct x86_cpu *cpu, const struct x86_stub *st, void *mem)
{
    struct general before;
    u32 tiny = 0;

    mem_copy(&before, &cpu->s, sizeof before);
    x86_vector_snapshot(cpu);
    u8 *mxcsr = cpu->s.xsave + X86_FX_MXCSR;
    u32 guest = load32(mxcsr), control = guest;
    u32 unmasked = ~guest >> MASK_SHIFT & X86_MXCSR_FLAGS;

    if (unmasked & UE) {
        /* Unmasked, a tiny result counts even when it is exact; masked, it does not, but flushing
         * to zero tells. */
        tiny = flags_of_run(cpu, st, mem, guest | FLUSH) & UE;
        undo(cpu, &before);
        control &= ~(u32)FLUSH; /* which acts only while underflow is masked [SDM1 10.2.3.3] */
    }
    u32 raised = flags_of_run(cpu, st, mem, control) | tiny;
    if (!(raised & unmasked)) {
        x86_host_set_mxcsr(guest | X86_MXCSR_MASKS | raised);
        return X86_OK;
    }
    if (raised & unmasked & BEFORE_RESULT)
        raised &= BEFORE_RESULT;
    store32(mxcsr, guest | raised);
    undo(cpu, &before);
    return x86_raise(cpu, cpu->s.cr4 & X86_CR4_OSXMMEXCPT ? X86_XM : X86_UD);
}
