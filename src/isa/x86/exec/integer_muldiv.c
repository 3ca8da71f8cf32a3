/* SPDX-License-Identifier: BSD-2-Clause */
/* MUL, IMUL, DIV, IDIV. Divisions that would overflow are recognised before the host divides. */
#include "isa/x86/exec/integer.h"
#include "isa/x86/exec/integer_host.h"

/* --- IMUL with a result of operand size --- */

#define imul2_asm(s, m) HOST_BINARY_FLAGS_ASM("imul", s, m)
HOST_BINARY_FLAGS(imul2, HOST_BY_SIZE_NO8)

static always_inline int imul3_r(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size)
{
    u64 a = integer_get(cpu, i->place[1], size);
    integer_put(cpu, i->place[0], size, imul2(a, i->imm, size, &cpu->s.rflags));
    return X86_OK;
}

static always_inline int imul3_m(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size)
{
    u64 a;
    int r = integer_load_operand(cpu, i, size, &a);
    if (unlikely(r))
        return r;
    integer_put(cpu, i->place[0], size, imul2(a, i->imm, size, &cpu->s.rflags));
    return X86_OK;
}

/* --- One-operand forms work on rDX:rAX, in byte forms on AX --- */

#define HOST_WIDE_ASM(mnemonic, suffix, modifier)                                                  \
    __asm__("xchg %%rax, %[other]\n\t" HOST_FLAGS_IN "xchg %%rax, %[other]\n\t" mnemonic suffix    \
            " %" modifier "[src]\n\txchg %%rax, %[other]" HOST_FLAGS_OUT                           \
            : [other] "+&r"(flags), "+&a"(lo), "+&d"(hi)                                           \
            : [src] "r"(src)                                                                       \
            : "cc")
#define MUL_ASM(s, m)  HOST_WIDE_ASM("mul", s, m)
#define IMUL_ASM(s, m) HOST_WIDE_ASM("imul", s, m)
#define DIV_ASM(s, m)  HOST_WIDE_ASM("div", s, m)
#define IDIV_ASM(s, m) HOST_WIDE_ASM("idiv", s, m)

/* The flags travel in and out of RAX around the operation, which needs RAX itself: `flags` and `lo`
 * have changed places when the assembly ends. */
#define DEFINE_WIDE(name, ASM)                                                                     \
    static always_inline void name(struct x86_cpu *cpu, u64 src, unsigned size)                    \
    {                                                                                              \
        u64 flags = host_flags_pack(cpu->s.rflags);                                                \
        u64 lo = cpu->s.gpr[X86_RAX], hi = cpu->s.gpr[X86_RDX];                                    \
        HOST_BY_SIZE(size, ASM)                                                                    \
        cpu->s.gpr[X86_RAX] = flags;                                                               \
        cpu->s.gpr[X86_RDX] = hi;                                                                  \
        host_flags_unpack(&cpu->s.rflags, (u16)lo);                                                \
    }
DEFINE_WIDE(host_mul, MUL_ASM)
DEFINE_WIDE(host_imul, IMUL_ASM)
DEFINE_WIDE(host_div, DIV_ASM)
DEFINE_WIDE(host_idiv, IDIV_ASM)

/* --- When a quotient fits --- */

static always_inline bool div_fits(const struct x86_cpu *cpu, u64 d, unsigned size)
{
    u64 high = size == 1 ? integer_gpr(cpu, X86_RAX, 2) >> 8 : integer_gpr(cpu, X86_RDX, size);
    return high < (d & mask_low(size * 8)); /* false for a zero divisor too */
}

static bool idiv_fits_wide(i128 n, i64 d)
{
    if (!d)
        return false;
    u128 magnitude = n < 0 ? -(u128)n : (u128)n;
    u64 divisor = d < 0 ? -(u64)d : (u64)d;
    if ((u64)(magnitude >> 64) >= divisor)
        return false;
    u64 quotient, rest;
    __asm__("divq %[d]"
            : "=a"(quotient), "=d"(rest)
            : [d] "r"(divisor), "a"((u64)magnitude), "d"((u64)(magnitude >> 64))
            : "cc");
    bool negative = (n < 0) != (d < 0);
    return quotient <= BIT(63) - !negative;
}

static always_inline bool idiv_fits(const struct x86_cpu *cpu, u64 src, unsigned size)
{
    i64 d = (i64)sign_extend(src, size * 8);
    u64 lo = cpu->s.gpr[X86_RAX], hi = cpu->s.gpr[X86_RDX];
    if (size == 8) {
        /* Nearly always the dividend is the sign extension of a 64-bit value. */
        if (likely((i64)hi == (i64)lo >> 63 && d != 0 && d != -1))
            return true;
        return idiv_fits_wide((i128)((u128)hi << 64 | lo), d);
    }
    i64 n = size == 1   ? (i16)lo
            : size == 2 ? (i32)((u32)(u16)hi << 16 | (u16)lo)
                        : (i64)(hi << 32 | (u32)lo);
    if (d == 0)
        return false;
    if (d == -1) /* INT64_MIN / -1 is not to be computed */
        return n >= -(i64)mask_low(size * 8 - 1) && n <= (i64)BIT(size * 8 - 1);
    i64 q = n / d;
    return q == (i64)sign_extend((u64)q, size * 8);
}

static always_inline int mul_op(struct x86_cpu *cpu, u64 src, unsigned size)
{
    host_mul(cpu, src, size);
    return X86_OK;
}

static always_inline int imul_op(struct x86_cpu *cpu, u64 src, unsigned size)
{
    host_imul(cpu, src, size);
    return X86_OK;
}

static always_inline int div_op(struct x86_cpu *cpu, u64 src, unsigned size)
{
    if (unlikely(!div_fits(cpu, src, size)))
        return x86_raise(cpu, X86_DE);
    host_div(cpu, src, size);
    return X86_OK;
}

static always_inline int idiv_op(struct x86_cpu *cpu, u64 src, unsigned size)
{
    if (unlikely(!idiv_fits(cpu, src, size)))
        return x86_raise(cpu, X86_DE);
    host_idiv(cpu, src, size);
    return X86_OK;
}

typedef int (*wide_fn)(struct x86_cpu *cpu, u64 src, unsigned size);

static always_inline int wide_m(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size,
                                wide_fn op)
{
    u64 src;
    int r = integer_load_operand(cpu, i, size, &src);
    return unlikely(r) ? r : op(cpu, src, size);
}

#define WIDE_SIZE(op, n)                                                                           \
    INTEGER_HANDLER(op##n##_r, op##_op(cpu, integer_get(cpu, i->place[0], n), n))                  \
    INTEGER_HANDLER(op##n##_m, wide_m(cpu, i, n, op##_op))
#define WIDE_HANDLERS(op)                                                                          \
    WIDE_SIZE(op, 1)                                                                               \
    WIDE_SIZE(op, 2)                                                                               \
    WIDE_SIZE(op, 4)                                                                               \
    WIDE_SIZE(op, 8)                                                                               \
    static const x86_exec_fn op##_handlers[2][4] = {INTEGER_BY_SIZE(op, _r),                       \
                                                    INTEGER_BY_SIZE(op, _m)};
WIDE_HANDLERS(mul)
WIDE_HANDLERS(imul)
WIDE_HANDLERS(div)
WIDE_HANDLERS(idiv)

#define IMUL_SIZE(n)                                                                               \
    INTEGER_HANDLER(imul##n##_rr, integer_rr(cpu, i, n, imul2, true))                              \
    INTEGER_HANDLER(imul##n##_rm, integer_rm(cpu, i, n, imul2, true))                              \
    INTEGER_HANDLER(imul##n##_rri, imul3_r(cpu, i, n))                                             \
    INTEGER_HANDLER(imul##n##_rmi, imul3_m(cpu, i, n))
IMUL_SIZE(2)
IMUL_SIZE(4)
IMUL_SIZE(8)
/* By immediate, in memory, log2 of the size. */
static const x86_exec_fn imul_result_handlers[2][2][4] = {
    {{NULL, imul2_rr, imul4_rr, imul8_rr}, {NULL, imul2_rm, imul4_rm, imul8_rm}},
    {{NULL, imul2_rri, imul4_rri, imul8_rri}, {NULL, imul2_rmi, imul4_rmi, imul8_rmi}}};

x86_exec_fn integer_bind_muldiv(const struct x86_insn *i)
{
    const struct x86_opnd *o = x86_forms[i->form].opnd;
    unsigned size = integer_size_index(i->osz);
    bool memory = i->flags & X86_I_MEM;

    switch (i->op) {
    case X86_OP_MUL: return mul_handlers[memory][size];
    case X86_OP_IMUL:
        if (o[1].kind == X86_OPND_NONE)
            return imul_handlers[memory][size];
        return imul_result_handlers[o[2].kind == X86_OPND_I][memory][size];
    case X86_OP_DIV: return div_handlers[memory][size];
    case X86_OP_IDIV: return idiv_handlers[memory][size];
    }
    return NULL;
}
