/* SPDX-License-Identifier: BSD-2-Clause */
/* Known disagreements with Zydis, each with the reason why ours stands. */
#ifndef TESTS_ISA_DECODE_EXCEPTIONS_H
#define TESTS_ISA_DECODE_EXCEPTIONS_H

#include "isa/x86/insn.h"
#include <Zydis/Zydis.h>

/* One decoding both ways; the missing side is NULL when that decoder calls it invalid. */
struct disagreement {
    const struct x86_insn *ours;
    const ZydisDecodedInstruction *theirs;
    const ZydisDecodedOperand *operands;
    ZyanStatus status;
    const u8 *code;
    enum x86_mode mode;
    enum x86_vendor vendor;
};
struct exception {
    const char *reason;
    bool (*is)(const struct disagreement *);
};
extern const struct exception exceptions[];
extern const unsigned exception_count;

/* Index of the exception that explains it, or -1. */
int exception_find(const struct x86_insn *ours, const ZydisDecodedInstruction *theirs,
                   const ZydisDecodedOperand *operands, ZyanStatus status, const u8 *code,
                   enum x86_mode mode, enum x86_vendor vendor);
/* Two names of one instruction. */
bool exception_name(const char *ours, const char *theirs);

#endif
