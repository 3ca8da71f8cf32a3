/* SPDX-License-Identifier: BSD-2-Clause */
/* The sixteen conditions of Jcc, SETcc and CMOVcc, by the low four bits of the opcode
 * [SDM1 appendix B]. */
#ifndef ISA_X86_EXEC_INTEGER_COND_H
#define ISA_X86_EXEC_INTEGER_COND_H

#include "isa/x86/state.h"

static always_inline bool integer_cond(u64 rflags, unsigned cc)
{
    u64 less = (rflags >> 4 ^ rflags) & X86_SF; /* SF != OF: OF comes down to SF's place */
    u64 v;
    switch (cc >> 1) {
    case 0: v = rflags & X86_OF; break;
    case 1: v = rflags & X86_CF; break;
    case 2: v = rflags & X86_ZF; break;
    case 3: v = rflags & (X86_CF | X86_ZF); break;
    case 4: v = rflags & X86_SF; break;
    case 5: v = rflags & X86_PF; break;
    case 6: v = less; break;
    default: v = less | (rflags & X86_ZF);
    }
    return (v != 0) != (cc & 1);
}

#define INTEGER_FOR_CONDS(X)                                                                       \
    X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)

#endif
