/* SPDX-License-Identifier: BSD-2-Clause */
/* Results and flags from the host's own arithmetic: guest and host are the same architecture, so
 * an operation on the host gives the result, the defined flags, and the undefined ones as a real
 * processor leaves them.
 *
 * The status flags travel in AX as LAHF has them, AH = SF ZF AF PF CF, with OF in AL: far cheaper
 * than PUSHF and POPF, and no push into the red zone of the surrounding C function. */
#ifndef ISA_X86_EXEC_INTEGER_HOST_H
#define ISA_X86_EXEC_INTEGER_HOST_H

#include "isa/x86/state.h"

/* 0x7f + 1 overflows, 0x7f + 0 does not; SAHF leaves OF alone. */
#define HOST_FLAGS_IN  "addb $0x7f, %%al\n\tsahf\n\t"
#define HOST_FLAGS_OUT "\n\tlahf\n\tseto %%al"

static always_inline u16 host_flags_pack(u64 rflags)
{
    return (u16)((rflags & 0xff) << 8 | (rflags >> 11 & 1));
}

static always_inline void host_flags_unpack(u64 *rflags, u16 ax)
{
    *rflags = (*rflags & ~(u64)X86_STATUS_FLAGS) | ax >> 8 | (u64)(ax & 0xff) << 11;
}

/* Repeats a statement macro X(suffix, operand modifier) for the operand size. */
#define HOST_BY_SIZE(size, X)                                                                      \
    switch (size) {                                                                                \
    case 1: X("b", "b"); break;                                                                    \
    case 2: X("w", "w"); break;                                                                    \
    case 4: X("l", "k"); break;                                                                    \
    default: X("q", "q");                                                                          \
    }
/* For instructions without a byte form. */
#define HOST_BY_SIZE_NO8(size, X)                                                                  \
    switch (size) {                                                                                \
    case 2: X("w", "w"); break;                                                                    \
    case 4: X("l", "k"); break;                                                                    \
    default: X("q", "q");                                                                          \
    }

/* a = a op b; every status flag is written, none is read. */
#define HOST_BINARY(name)                                                                          \
    static always_inline u64 name(u64 a, u64 b, unsigned size, u64 *rflags)                        \
    {                                                                                              \
        u16 ax;                                                                                    \
        HOST_BY_SIZE(size, name##_asm)                                                             \
        host_flags_unpack(rflags, ax);                                                             \
        return a;                                                                                  \
    }
#define HOST_BINARY_ASM(mnemonic, suffix, modifier)                                                \
    __asm__(mnemonic suffix " %" modifier "[src], %" modifier "[dst]" HOST_FLAGS_OUT               \
            : [dst] "+&r"(a), "=&a"(ax)                                                            \
            : [src] "r"(b)                                                                         \
            : "cc")

/* The same with the flags as input: some are read, or left alone, or undefined and possibly left
 * alone. */
#define HOST_BINARY_FLAGS_ASM(mnemonic, suffix, modifier)                                          \
    __asm__(HOST_FLAGS_IN mnemonic suffix " %" modifier "[src], %" modifier "[dst]" HOST_FLAGS_OUT \
            : [dst] "+&r"(a), "+&a"(ax)                                                            \
            : [src] "r"(b)                                                                         \
            : "cc")
#define HOST_BINARY_FLAGS(name, by_size)                                                           \
    static always_inline u64 name(u64 a, u64 b, unsigned size, u64 *rflags)                        \
    {                                                                                              \
        u16 ax = host_flags_pack(*rflags);                                                         \
        by_size(size, name##_asm) host_flags_unpack(rflags, ax);                                   \
        return a;                                                                                  \
    }

/* One operand. */
#define HOST_UNARY_FLAGS_ASM(mnemonic, suffix, modifier)                                           \
    __asm__(HOST_FLAGS_IN mnemonic suffix " %" modifier "[dst]" HOST_FLAGS_OUT                     \
            : [dst] "+&r"(a), "+&a"(ax)                                                            \
            :                                                                                      \
            : "cc")

/* Shifts: the count is in CL. */
#define HOST_COUNT_ASM(mnemonic, suffix, modifier)                                                 \
    __asm__(HOST_FLAGS_IN mnemonic suffix " %%cl, %" modifier "[dst]" HOST_FLAGS_OUT               \
            : [dst] "+&r"(a), "+&a"(ax)                                                            \
            : "c"((u8)b)                                                                           \
            : "cc")

#endif
