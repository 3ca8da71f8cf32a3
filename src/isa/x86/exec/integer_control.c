/* SPDX-License-Identifier: BSD-2-Clause */
/* Near transfers: JMP Jcc CALL RET LOOPcc JrCXZ. The target is checked before anything changes. */
#include "isa/x86/exec/integer.h"
#include "isa/x86/exec/integer_cond.h"

static always_inline u64 relative(const struct x86_cpu *cpu, const struct x86_insn *i,
                                  unsigned size)
{
    u64 target = cpu->s.rip + i->imm;
    return size == 8 ? target : size == 4 ? (u32)target : (u16)target;
}

static always_inline int jcc(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size,
                             unsigned cc)
{
    if (!integer_cond(cpu->s.rflags, cc))
        return X86_OK;
    return x86_jump(cpu, relative(cpu, i, size));
}

static always_inline int jmp_m(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size)
{
    u64 target;
    int r = integer_load_operand(cpu, i, size, &target);
    return unlikely(r) ? r : x86_jump(cpu, target);
}

/* A stack that can't be written is noticed before a bad target, a bad target before anything is
 * written. */
static always_inline int call_to(struct x86_cpu *cpu, u64 target, unsigned size)
{
    u64 back = cpu->s.rip;
    int r = x86_jump(cpu, target);
    if (unlikely(r != X86_BRANCH)) {
        int stack = x86_probe_write(cpu, X86_SS, x86_sp_add(cpu, -(i64)size), size);
        return stack ? stack : x86_gp0(cpu);
    }
    r = x86_push(cpu, size, back);
    if (unlikely(r)) {
        cpu->s.rip = back;
        return r;
    }
    return X86_BRANCH;
}

static always_inline int call_m(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size)
{
    u64 target;
    int r = integer_load_operand(cpu, i, size, &target);
    return unlikely(r) ? r : call_to(cpu, target, size);
}

/* release: bytes of arguments that the callee takes off the stack. */
static always_inline int ret(struct x86_cpu *cpu, unsigned size, u16 release)
{
    u64 target, rsp = cpu->s.gpr[X86_RSP];
    int r = x86_pop(cpu, size, &target);
    if (unlikely(r))
        return r;
    r = x86_jump(cpu, target);
    if (unlikely(r != X86_BRANCH)) {
        cpu->s.gpr[X86_RSP] = rsp;
        return r;
    }
    if (release)
        x86_set_sp(cpu, x86_sp_add(cpu, release));
    return X86_BRANCH;
}

/* --- Loops count in rCX of the address size --- */

static int loop_if(struct x86_cpu *cpu, const struct x86_insn *i, bool condition)
{
    u64 count = integer_gpr(cpu, X86_RCX, i->asz) - 1;
    u64 left = i->asz == 8 ? count : i->asz == 4 ? (u32)count : (u16)count;
    int r = X86_OK;
    if (left && condition)
        r = x86_jump(cpu, relative(cpu, i, i->osz));
    if (r == X86_OK || r == X86_BRANCH)
        integer_set_gpr(cpu, X86_RCX, i->asz, count);
    return r;
}

INTEGER_HANDLER(loop, loop_if(cpu, i, true))
INTEGER_HANDLER(loope, loop_if(cpu, i, cpu->s.rflags &X86_ZF))
INTEGER_HANDLER(loopne, loop_if(cpu, i, !(cpu->s.rflags & X86_ZF)))
INTEGER_HANDLER(jcxz, integer_gpr(cpu, X86_RCX, i->asz) ? X86_OK
                                                        : x86_jump(cpu, relative(cpu, i, i->osz)))

/* --- Handlers --- */

#define CONTROL_SIZE(n)                                                                            \
    INTEGER_HANDLER(jmp##n##_j, x86_jump(cpu, relative(cpu, i, n)))                                \
    INTEGER_HANDLER(jmp##n##_r, x86_jump(cpu, integer_get(cpu, i->place[0], n)))                   \
    INTEGER_HANDLER(jmp##n##_m, jmp_m(cpu, i, n))                                                  \
    INTEGER_HANDLER(call##n##_j, call_to(cpu, relative(cpu, i, n), n))                             \
    INTEGER_HANDLER(call##n##_r, call_to(cpu, integer_get(cpu, i->place[0], n), n))                \
    INTEGER_HANDLER(call##n##_m, call_m(cpu, i, n))                                                \
    INTEGER_HANDLER(ret##n, ret(cpu, n, 0))                                                        \
    INTEGER_HANDLER(ret##n##_i, ret(cpu, n, (u16)i->imm))
CONTROL_SIZE(2)
CONTROL_SIZE(4)
CONTROL_SIZE(8)

enum { TO_RELATIVE, TO_REGISTER, TO_MEMORY };
#define BY_NEAR_SIZE(name, suffix)                                                                 \
    {                                                                                              \
        NULL, name##2##suffix, name##4##suffix, name##8##suffix                                    \
    }
static const x86_exec_fn jmp_handlers[3][4] = {BY_NEAR_SIZE(jmp, _j), BY_NEAR_SIZE(jmp, _r),
                                               BY_NEAR_SIZE(jmp, _m)};
static const x86_exec_fn call_handlers[3][4] = {BY_NEAR_SIZE(call, _j), BY_NEAR_SIZE(call, _r),
                                                BY_NEAR_SIZE(call, _m)};
static const x86_exec_fn ret_handlers[2][4] = {BY_NEAR_SIZE(ret, ), BY_NEAR_SIZE(ret, _i)};

#define JCC_HANDLERS(cc)                                                                           \
    INTEGER_HANDLER(jcc2_##cc, jcc(cpu, i, 2, cc))                                                 \
    INTEGER_HANDLER(jcc4_##cc, jcc(cpu, i, 4, cc))                                                 \
    INTEGER_HANDLER(jcc8_##cc, jcc(cpu, i, 8, cc))
INTEGER_FOR_CONDS(JCC_HANDLERS)
#define JCC_ROW(cc) {NULL, jcc2_##cc, jcc4_##cc, jcc8_##cc},
static const x86_exec_fn jcc_handlers[16][4] = {INTEGER_FOR_CONDS(JCC_ROW)};

x86_exec_fn integer_bind_control(const struct x86_insn *i)
{
    unsigned size = integer_size_index(i->osz);
    unsigned to = x86_forms[i->form].opnd[0].kind == X86_OPND_J ? TO_RELATIVE
                  : i->flags & X86_I_MEM                        ? TO_MEMORY
                                                                : TO_REGISTER;

    switch (i->op) {
    case X86_OP_JCC: return jcc_handlers[i->opcode & 15][size];
    case X86_OP_JMP: return jmp_handlers[to][size];
    case X86_OP_CALL: return call_handlers[to][size];
    case X86_OP_RET: return ret_handlers[i->off_imm != 0][size];
    case X86_OP_LOOP: return loop;
    case X86_OP_LOOPE: return loope;
    case X86_OP_LOOPNE: return loopne;
    case X86_OP_JCXZ: return jcxz;
    }
    return NULL;
}
