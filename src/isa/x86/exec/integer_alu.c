/* SPDX-License-Identifier: BSD-2-Clause */
/* ADD OR ADC SBB AND SUB XOR CMP TEST, INC DEC NEG NOT. */
#include "isa/x86/exec/integer.h"
#include "isa/x86/exec/integer_host.h"

#define alu_add_asm(s, m)  HOST_BINARY_ASM("add", s, m)
#define alu_or_asm(s, m)   HOST_BINARY_ASM("or", s, m)
#define alu_and_asm(s, m)  HOST_BINARY_ASM("and", s, m)
#define alu_sub_asm(s, m)  HOST_BINARY_ASM("sub", s, m)
#define alu_xor_asm(s, m)  HOST_BINARY_ASM("xor", s, m)
#define alu_test_asm(s, m) HOST_BINARY_ASM("test", s, m)
#define alu_adc_asm(s, m)  HOST_BINARY_FLAGS_ASM("adc", s, m)
#define alu_sbb_asm(s, m)  HOST_BINARY_FLAGS_ASM("sbb", s, m)
#define alu_inc_asm(s, m)  HOST_UNARY_FLAGS_ASM("inc", s, m)
#define alu_dec_asm(s, m)  HOST_UNARY_FLAGS_ASM("dec", s, m)
#define alu_neg_asm(s, m)  HOST_UNARY_FLAGS_ASM("neg", s, m)

HOST_BINARY(alu_add)
HOST_BINARY(alu_or)
HOST_BINARY(alu_and)
HOST_BINARY(alu_sub)
HOST_BINARY(alu_xor)
HOST_BINARY(alu_test)
HOST_BINARY_FLAGS(alu_adc, HOST_BY_SIZE)
HOST_BINARY_FLAGS(alu_sbb, HOST_BY_SIZE)
HOST_BINARY_FLAGS(alu_inc, HOST_BY_SIZE)
HOST_BINARY_FLAGS(alu_dec, HOST_BY_SIZE)
HOST_BINARY_FLAGS(alu_neg, HOST_BY_SIZE)

static always_inline u64 alu_not(u64 a, u64 b, unsigned size, u64 *rflags)
{
    return ~a;
}

INTEGER_HANDLERS(add, alu_add, true)
INTEGER_HANDLERS(or, alu_or, true)
INTEGER_HANDLERS(adc, alu_adc, true)
INTEGER_HANDLERS(sbb, alu_sbb, true)
INTEGER_HANDLERS(and, alu_and, true)
INTEGER_HANDLERS(sub, alu_sub, true)
INTEGER_HANDLERS(xor, alu_xor, true)
INTEGER_HANDLERS(cmp, alu_sub, false)
INTEGER_HANDLERS(test, alu_test, false)

/* One operand: the second, an immediate 0, is not looked at. */
INTEGER_HANDLERS(inc, alu_inc, true)
INTEGER_HANDLERS(dec, alu_dec, true)
INTEGER_HANDLERS(neg, alu_neg, true)
INTEGER_HANDLERS(not, alu_not, true)

x86_exec_fn integer_bind_alu(const struct x86_insn *i)
{
    switch (i->op) {
    case X86_OP_ADD: return integer_pick(&add, i);
    case X86_OP_OR: return integer_pick(& or, i);
    case X86_OP_ADC: return integer_pick(&adc, i);
    case X86_OP_SBB: return integer_pick(&sbb, i);
    case X86_OP_AND: return integer_pick(&and, i);
    case X86_OP_SUB: return integer_pick(&sub, i);
    case X86_OP_XOR: return integer_pick(&xor, i);
    case X86_OP_CMP: return integer_pick(&cmp, i);
    case X86_OP_TEST: return integer_pick(&test, i);
    case X86_OP_INC: return integer_pick(&inc, i);
    case X86_OP_DEC: return integer_pick(&dec, i);
    case X86_OP_NEG: return integer_pick(&neg, i);
    case X86_OP_NOT: return integer_pick(&not, i);
    }
    return NULL;
}
