/* SPDX-License-Identifier: BSD-2-Clause */
/* Data movement that touches no flag: MOV and its extending forms, LEA, CMOVcc, SETcc, BSWAP,
 * MOVBE, XLAT, the sign extensions of the accumulator. */
#include "isa/x86/exec/integer.h"
#include "isa/x86/exec/integer_cond.h"

/* --- MOV --- */

static always_inline int mov_rr(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size)
{
    integer_put(cpu, i->place[0], size, integer_get(cpu, i->place[1], size));
    return X86_OK;
}

static always_inline int mov_ri(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size)
{
    integer_put(cpu, i->place[0], size, i->imm);
    return X86_OK;
}

static always_inline int mov_rm(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size)
{
    u64 v;
    int r = integer_load_operand(cpu, i, size, &v);
    if (unlikely(r))
        return r;
    integer_put(cpu, i->place[0], size, v);
    return X86_OK;
}

static always_inline int mov_mr(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size)
{
    return x86_store(cpu, i->seg, integer_ea(cpu, i), size, integer_get(cpu, i->place[1], size));
}

static always_inline int mov_mi(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size)
{
    return x86_store(cpu, i->seg, integer_ea(cpu, i), size, i->imm);
}

/* The offset is an immediate of the address size. */
static always_inline int mov_ro(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size)
{
    u64 v;
    int r = x86_load(cpu, i->seg, i->imm, size, &v);
    if (unlikely(r))
        return r;
    integer_put(cpu, i->place[0], size, v);
    return X86_OK;
}

static always_inline int mov_or(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size)
{
    return x86_store(cpu, i->seg, i->imm, size, integer_get(cpu, i->place[1], size));
}

/* --- MOVZX, MOVSX, MOVSXD --- */

static always_inline u64 extend(u64 v, unsigned from, bool sign)
{
    switch (from) {
    case 1: return sign ? (u64)(i64)(i8)v : (u8)v;
    case 2: return sign ? (u64)(i64)(i16)v : (u16)v;
    }
    return sign ? (u64)(i64)(i32)v : (u32)v;
}

static always_inline int extend_r(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size,
                                  unsigned from, bool sign)
{
    u64 v = integer_get(cpu, i->place[1], from);
    integer_put(cpu, i->place[0], size, extend(v, from, sign));
    return X86_OK;
}

static always_inline int extend_m(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size,
                                  unsigned from, bool sign)
{
    u64 v;
    int r = integer_load_operand(cpu, i, from, &v);
    if (unlikely(r))
        return r;
    integer_put(cpu, i->place[0], size, extend(v, from, sign));
    return X86_OK;
}

/* --- LEA, BSWAP, MOVBE, XLAT --- */

static always_inline int lea(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size)
{
    integer_put(cpu, i->place[0], size, integer_ea(cpu, i));
    return X86_OK;
}

static always_inline u64 swap_bytes(u64 v, unsigned size)
{
    return size == 8   ? __builtin_bswap64(v)
           : size == 4 ? __builtin_bswap32((u32)v)
                       : __builtin_bswap16((u16)v);
}

static int bswap4(struct x86_cpu *cpu, const struct x86_insn *i)
{
    integer_put(cpu, i->place[0], 4, __builtin_bswap32((u32)integer_get(cpu, i->place[0], 4)));
    return X86_OK;
}

static int bswap8(struct x86_cpu *cpu, const struct x86_insn *i)
{
    integer_put(cpu, i->place[0], 8, __builtin_bswap64(integer_get(cpu, i->place[0], 8)));
    return X86_OK;
}

/* With an operand-size prefix the result is undefined [SDM2 BSWAP]: what the host makes of it. */
static int bswap2(struct x86_cpu *cpu, const struct x86_insn *i)
{
    u64 v = integer_get(cpu, i->place[0], 8);
    __asm__(".byte 0x66, 0x0f, 0xc8" : "+a"(v));
    integer_put(cpu, i->place[0], 8, v);
    return X86_OK;
}

static always_inline int movbe_rm(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size)
{
    u64 v;
    int r = integer_load_operand(cpu, i, size, &v);
    if (unlikely(r))
        return r;
    integer_put(cpu, i->place[0], size, swap_bytes(v, size));
    return X86_OK;
}

static always_inline int movbe_mr(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size)
{
    return x86_store(cpu, i->seg, integer_ea(cpu, i), size,
                     swap_bytes(integer_get(cpu, i->place[1], size), size));
}

static int xlat(struct x86_cpu *cpu, const struct x86_insn *i)
{
    u64 off = cpu->s.gpr[X86_RBX] + (u8)cpu->s.gpr[X86_RAX], v;
    off = i->asz == 8 ? off : i->asz == 4 ? (u32)off : (u16)off;
    int r = x86_load(cpu, i->seg, off, 1, &v);
    if (unlikely(r))
        return r;
    integer_set_gpr(cpu, X86_RAX, 1, v);
    return X86_OK;
}

/* --- Sign extension of the accumulator: CBW CWDE CDQE, CWD CDQ CQO --- */

static always_inline int widen(struct x86_cpu *cpu, unsigned size)
{
    integer_set_gpr(cpu, X86_RAX, size, sign_extend(cpu->s.gpr[X86_RAX], size * 4));
    return X86_OK;
}

static always_inline int spread(struct x86_cpu *cpu, unsigned size)
{
    u64 sign = (u64)((i64)sign_extend(cpu->s.gpr[X86_RAX], size * 8) >> 63);
    integer_set_gpr(cpu, X86_RDX, size, sign);
    return X86_OK;
}

/* --- CMOVcc, SETcc --- */

/* The source is read, and can fault, whatever the condition; a 32-bit destination is zero-extended
 * whatever the condition. */
static always_inline int cmov_r(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size,
                                unsigned cc)
{
    u64 v = integer_get(cpu, i->place[1], size), old = integer_get(cpu, i->place[0], size);
    integer_put(cpu, i->place[0], size, integer_cond(cpu->s.rflags, cc) ? v : old);
    return X86_OK;
}

static always_inline int cmov_m(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size,
                                unsigned cc)
{
    u64 v, old = integer_get(cpu, i->place[0], size);
    int r = integer_load_operand(cpu, i, size, &v);
    if (unlikely(r))
        return r;
    integer_put(cpu, i->place[0], size, integer_cond(cpu->s.rflags, cc) ? v : old);
    return X86_OK;
}

static always_inline int setcc_r(struct x86_cpu *cpu, const struct x86_insn *i, unsigned cc)
{
    integer_put(cpu, i->place[0], 1, integer_cond(cpu->s.rflags, cc));
    return X86_OK;
}

static always_inline int setcc_m(struct x86_cpu *cpu, const struct x86_insn *i, unsigned cc)
{
    return x86_store(cpu, i->seg, integer_ea(cpu, i), 1, integer_cond(cpu->s.rflags, cc));
}

/* --- Handlers --- */

#define MOV_SIZE(n)                                                                                \
    INTEGER_HANDLER(mov##n##_rr, mov_rr(cpu, i, n))                                                \
    INTEGER_HANDLER(mov##n##_ri, mov_ri(cpu, i, n))                                                \
    INTEGER_HANDLER(mov##n##_rm, mov_rm(cpu, i, n))                                                \
    INTEGER_HANDLER(mov##n##_mr, mov_mr(cpu, i, n))                                                \
    INTEGER_HANDLER(mov##n##_mi, mov_mi(cpu, i, n))                                                \
    INTEGER_HANDLER(mov##n##_ro, mov_ro(cpu, i, n))                                                \
    INTEGER_HANDLER(mov##n##_or, mov_or(cpu, i, n))
MOV_SIZE(1)
MOV_SIZE(2)
MOV_SIZE(4)
MOV_SIZE(8)
static const struct integer_handlers mov = {{INTEGER_BY_SIZE(mov, _rr), INTEGER_BY_SIZE(mov, _ri),
                                             INTEGER_BY_SIZE(mov, _rm), INTEGER_BY_SIZE(mov, _mr),
                                             INTEGER_BY_SIZE(mov, _mi)}};
static const x86_exec_fn mov_from_offset[] = INTEGER_BY_SIZE(mov, _ro);
static const x86_exec_fn mov_to_offset[] = INTEGER_BY_SIZE(mov, _or);

#define WIDE_SIZE(n)                                                                               \
    INTEGER_HANDLER(lea##n, lea(cpu, i, n))                                                        \
    INTEGER_HANDLER(movbe##n##_rm, movbe_rm(cpu, i, n))                                            \
    INTEGER_HANDLER(movbe##n##_mr, movbe_mr(cpu, i, n))                                            \
    INTEGER_HANDLER(widen##n, widen(cpu, n))                                                       \
    INTEGER_HANDLER(spread##n, spread(cpu, n))                                                     \
    INTEGER_HANDLER(movzx##n##_r1, extend_r(cpu, i, n, 1, false))                                  \
    INTEGER_HANDLER(movzx##n##_r2, extend_r(cpu, i, n, 2, false))                                  \
    INTEGER_HANDLER(movsx##n##_r1, extend_r(cpu, i, n, 1, true))                                   \
    INTEGER_HANDLER(movsx##n##_r2, extend_r(cpu, i, n, 2, true))                                   \
    INTEGER_HANDLER(movsx##n##_r4, extend_r(cpu, i, n, 4, true))                                   \
    INTEGER_HANDLER(movzx##n##_m1, extend_m(cpu, i, n, 1, false))                                  \
    INTEGER_HANDLER(movzx##n##_m2, extend_m(cpu, i, n, 2, false))                                  \
    INTEGER_HANDLER(movsx##n##_m1, extend_m(cpu, i, n, 1, true))                                   \
    INTEGER_HANDLER(movsx##n##_m2, extend_m(cpu, i, n, 2, true))                                   \
    INTEGER_HANDLER(movsx##n##_m4, extend_m(cpu, i, n, 4, true))
WIDE_SIZE(2)
WIDE_SIZE(4)
WIDE_SIZE(8)

/* By log2 of the operand size; there are no byte forms. */
#define BY_WIDE_SIZE(name, suffix)                                                                 \
    {                                                                                              \
        NULL, name##2##suffix, name##4##suffix, name##8##suffix                                    \
    }
static const x86_exec_fn lea_handlers[] = BY_WIDE_SIZE(lea, );
static const x86_exec_fn bswap_handlers[] = BY_WIDE_SIZE(bswap, );
static const x86_exec_fn widen_handlers[] = BY_WIDE_SIZE(widen, );
static const x86_exec_fn spread_handlers[] = BY_WIDE_SIZE(spread, );
/* By direction. */
static const x86_exec_fn movbe_handlers[2][4] = {BY_WIDE_SIZE(movbe, _mr),
                                                 BY_WIDE_SIZE(movbe, _rm)};
/* By source in memory, log2 of the source size. */
static const x86_exec_fn movzx_handlers[2][2][4] = {
    {BY_WIDE_SIZE(movzx, _r1), BY_WIDE_SIZE(movzx, _r2)},
    {BY_WIDE_SIZE(movzx, _m1), BY_WIDE_SIZE(movzx, _m2)}};
static const x86_exec_fn movsx_handlers[2][3][4] = {
    {BY_WIDE_SIZE(movsx, _r1), BY_WIDE_SIZE(movsx, _r2), BY_WIDE_SIZE(movsx, _r4)},
    {BY_WIDE_SIZE(movsx, _m1), BY_WIDE_SIZE(movsx, _m2), BY_WIDE_SIZE(movsx, _m4)}};

#define COND_HANDLERS(cc)                                                                          \
    INTEGER_HANDLER(cmov2_r##cc, cmov_r(cpu, i, 2, cc))                                            \
    INTEGER_HANDLER(cmov4_r##cc, cmov_r(cpu, i, 4, cc))                                            \
    INTEGER_HANDLER(cmov8_r##cc, cmov_r(cpu, i, 8, cc))                                            \
    INTEGER_HANDLER(cmov2_m##cc, cmov_m(cpu, i, 2, cc))                                            \
    INTEGER_HANDLER(cmov4_m##cc, cmov_m(cpu, i, 4, cc))                                            \
    INTEGER_HANDLER(cmov8_m##cc, cmov_m(cpu, i, 8, cc))                                            \
    INTEGER_HANDLER(setcc_r##cc, setcc_r(cpu, i, cc))                                              \
    INTEGER_HANDLER(setcc_m##cc, setcc_m(cpu, i, cc))
INTEGER_FOR_CONDS(COND_HANDLERS)

#define CMOV_ROW(cc) {BY_WIDE_SIZE(cmov, _r##cc), BY_WIDE_SIZE(cmov, _m##cc)},
static const x86_exec_fn cmov_handlers[16][2][4] = {INTEGER_FOR_CONDS(CMOV_ROW)};
#define SETCC_ROW(cc) {setcc_r##cc, setcc_m##cc},
static const x86_exec_fn setcc_handlers[16][2] = {INTEGER_FOR_CONDS(SETCC_ROW)};

x86_exec_fn integer_bind_mov(const struct x86_insn *i)
{
    const struct x86_form *form = &x86_forms[i->form];
    unsigned size = integer_size_index(i->osz);
    bool from_memory = integer_in_memory(i, 1);

    switch (i->op) {
    case X86_OP_MOV:
        if (form->opnd[0].kind == X86_OPND_O)
            return mov_to_offset[integer_size_index(x86_opnd_bytes(i, 0))];
        if (form->opnd[1].kind == X86_OPND_O)
            return mov_from_offset[integer_size_index(x86_opnd_bytes(i, 0))];
        return integer_pick(&mov, i);
    case X86_OP_MOVNTI: return integer_pick(&mov, i);
    case X86_OP_MOVZX:
        return movzx_handlers[from_memory][integer_size_index(x86_opnd_bytes(i, 1))][size];
    case X86_OP_MOVSX:
    case X86_OP_MOVSXD:
        return movsx_handlers[from_memory][integer_size_index(x86_opnd_bytes(i, 1))][size];
    case X86_OP_LEA: return lea_handlers[size];
    case X86_OP_BSWAP: return bswap_handlers[size];
    case X86_OP_MOVBE: return movbe_handlers[from_memory][size];
    case X86_OP_XLAT: return xlat;
    case X86_OP_CBW: return widen_handlers[size];
    case X86_OP_CWD: return spread_handlers[size];
    case X86_OP_CMOVCC: return cmov_handlers[i->opcode & 15][from_memory][size];
    case X86_OP_SETCC: return setcc_handlers[i->opcode & 15][integer_in_memory(i, 0)];
    }
    return NULL;
}
