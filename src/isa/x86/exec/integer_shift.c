/* SPDX-License-Identifier: BSD-2-Clause */
/* Shifts and rotates: SHL SHR SAR ROL ROR RCL RCR, SHLD SHRD. The host masks the count and knows
 * what becomes of flags when it is zero or exceeds a narrow operand. */
#include "isa/x86/exec/integer.h"
#include "isa/x86/exec/integer_host.h"

#define host_shl_asm(s, m) HOST_COUNT_ASM("shl", s, m)
#define host_shr_asm(s, m) HOST_COUNT_ASM("shr", s, m)
#define host_sar_asm(s, m) HOST_COUNT_ASM("sar", s, m)
#define host_rol_asm(s, m) HOST_COUNT_ASM("rol", s, m)
#define host_ror_asm(s, m) HOST_COUNT_ASM("ror", s, m)
#define host_rcl_asm(s, m) HOST_COUNT_ASM("rcl", s, m)
#define host_rcr_asm(s, m) HOST_COUNT_ASM("rcr", s, m)

HOST_BINARY_FLAGS(host_shl, HOST_BY_SIZE)
HOST_BINARY_FLAGS(host_shr, HOST_BY_SIZE)
HOST_BINARY_FLAGS(host_sar, HOST_BY_SIZE)
HOST_BINARY_FLAGS(host_rol, HOST_BY_SIZE)
HOST_BINARY_FLAGS(host_ror, HOST_BY_SIZE)
HOST_BINARY_FLAGS(host_rcl, HOST_BY_SIZE)
HOST_BINARY_FLAGS(host_rcr, HOST_BY_SIZE)

INTEGER_HANDLERS(shl, host_shl, true)
INTEGER_HANDLERS(shr, host_shr, true)
INTEGER_HANDLERS(sar, host_sar, true)
INTEGER_HANDLERS(rol, host_rol, true)
INTEGER_HANDLERS(ror, host_ror, true)
INTEGER_HANDLERS(rcl, host_rcl, true)
INTEGER_HANDLERS(rcr, host_rcr, true)

/* --- Double shifts --- */

#define HOST_DOUBLE_ASM(mnemonic, suffix, modifier)                                                \
    __asm__(HOST_FLAGS_IN mnemonic suffix " %%cl, %" modifier "[src], %" modifier                  \
                                          "[dst]" HOST_FLAGS_OUT                                   \
            : [dst] "+&r"(a), "+&a"(ax)                                                            \
            : [src] "r"(src), "c"(count)                                                           \
            : "cc")
#define SHLD_ASM(s, m) HOST_DOUBLE_ASM("shld", s, m)
#define SHRD_ASM(s, m) HOST_DOUBLE_ASM("shrd", s, m)

static always_inline u64 host_double(u64 a, u64 src, u8 count, unsigned size, u64 *rflags,
                                     bool left)
{
    u16 ax = host_flags_pack(*rflags);
    if (left)
        HOST_BY_SIZE_NO8(size, SHLD_ASM)
    else
        HOST_BY_SIZE_NO8(size, SHRD_ASM)
    host_flags_unpack(rflags, ax);
    return a;
}

static always_inline u8 double_count(const struct x86_cpu *cpu, const struct x86_insn *i)
{
    return i->off_imm ? (u8)i->imm : (u8)cpu->s.gpr[X86_RCX];
}

static always_inline int double_r(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size,
                                  bool left)
{
    u64 a = integer_get(cpu, i->place[0], size), b = integer_get(cpu, i->place[1], size);
    a = host_double(a, b, double_count(cpu, i), size, &cpu->s.rflags, left);
    integer_put(cpu, i->place[0], size, a);
    return X86_OK;
}

static always_inline int double_m(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size,
                                  bool left)
{
    struct x86_rmw m;
    int r = x86_rmw_begin(cpu, &m, i->seg, integer_ea(cpu, i), size, false);
    if (unlikely(r))
        return r;
    u64 b = integer_get(cpu, i->place[1], size);
    bool done;
    return x86_rmw_end(
        cpu, &m, host_double(m.old, b, double_count(cpu, i), size, &cpu->s.rflags, left), &done);
}

#define DOUBLE_SIZE(n)                                                                             \
    INTEGER_HANDLER(shld##n##_r, double_r(cpu, i, n, true))                                        \
    INTEGER_HANDLER(shld##n##_m, double_m(cpu, i, n, true))                                        \
    INTEGER_HANDLER(shrd##n##_r, double_r(cpu, i, n, false))                                       \
    INTEGER_HANDLER(shrd##n##_m, double_m(cpu, i, n, false))
DOUBLE_SIZE(2)
DOUBLE_SIZE(4)
DOUBLE_SIZE(8)
/* By right, in memory, log2 of the size. */
static const x86_exec_fn double_handlers[2][2][4] = {
    {{NULL, shld2_r, shld4_r, shld8_r}, {NULL, shld2_m, shld4_m, shld8_m}},
    {{NULL, shrd2_r, shrd4_r, shrd8_r}, {NULL, shrd2_m, shrd4_m, shrd8_m}}};

x86_exec_fn integer_bind_shift(const struct x86_insn *i)
{
    switch (i->op) {
    case X86_OP_SHL: return integer_pick(&shl, i);
    case X86_OP_SHR: return integer_pick(&shr, i);
    case X86_OP_SAR: return integer_pick(&sar, i);
    case X86_OP_ROL: return integer_pick(&rol, i);
    case X86_OP_ROR: return integer_pick(&ror, i);
    case X86_OP_RCL: return integer_pick(&rcl, i);
    case X86_OP_RCR: return integer_pick(&rcr, i);
    case X86_OP_SHLD:
    case X86_OP_SHRD:
        return double_handlers[i->op == X86_OP_SHRD][integer_in_memory(i, 0)]
                              [integer_size_index(i->osz)];
    }
    return NULL;
}
