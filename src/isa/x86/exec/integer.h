/* SPDX-License-Identifier: BSD-2-Clause */
/* What the handlers of integer instructions share: register operands as places, memory operands,
 * and the five operand patterns. Private to exec/integer_*.c.
 *
 * Binding resolves each register operand to a place, its byte offset in struct x86_cpu, so that AH,
 * an accumulator implied by the opcode and ModRM registers are all one indexed access:
 *   place[0]  the first operand, when it is a register
 *   place[1]  the first register among the others
 *   place[2]  the base register of the memory operand; without one, the next register
 *   place[3]  its index register
 * An absent base or index is the place of cpu->zero. */
#ifndef ISA_X86_EXEC_INTEGER_H
#define ISA_X86_EXEC_INTEGER_H

#include "isa/x86/exec/exec.h"
#include "isa/x86/exec/memory.h"

/* Each group gives the handler of a bound instruction (places are filled in), or NULL. */
x86_exec_fn integer_bind_alu(const struct x86_insn *i);
x86_exec_fn integer_bind_mov(const struct x86_insn *i);
x86_exec_fn integer_bind_shift(const struct x86_insn *i);
x86_exec_fn integer_bind_muldiv(const struct x86_insn *i);
x86_exec_fn integer_bind_bit(const struct x86_insn *i);
x86_exec_fn integer_bind_bmi(const struct x86_insn *i);
x86_exec_fn integer_bind_string(const struct x86_insn *i);
x86_exec_fn integer_bind_stack(const struct x86_insn *i);
x86_exec_fn integer_bind_control(const struct x86_insn *i);
x86_exec_fn integer_bind_bcd(const struct x86_insn *i);
x86_exec_fn integer_bind_exchange(const struct x86_insn *i);
x86_exec_fn integer_bind_misc(const struct x86_insn *i);

/* Computes a op b of the given size; *rflags is read where the operation reads flags (or leaves
 * some alone) and updated. Bits of the result above size are garbage. */
typedef u64 (*integer_fn)(u64 a, u64 b, unsigned size, u64 *rflags);

enum integer_pattern {
    INTEGER_RR, /* register, register */
    INTEGER_RI, /* register, immediate */
    INTEGER_RM, /* register, memory */
    INTEGER_MR, /* memory, register */
    INTEGER_MI, /* memory, immediate */
    INTEGER_PATTERNS
};
/* By pattern and log2 of the operand size. */
struct integer_handlers {
    x86_exec_fn fn[INTEGER_PATTERNS][4];
};

static inline unsigned integer_size_index(unsigned size)
{
    return size == 1 ? 0 : size == 2 ? 1 : size == 4 ? 2 : 3;
}

/* Is operand n of this instruction in memory? */
static inline bool integer_in_memory(const struct x86_insn *i, unsigned n)
{
    switch (x86_forms[i->form].opnd[n].kind) {
    case X86_OPND_E: return i->flags & X86_I_MEM;
    case X86_OPND_M:
    case X86_OPND_O:
    case X86_OPND_X:
    case X86_OPND_Y: return true;
    }
    return false;
}

/* Two-operand instructions: which pattern, and its handler. */
x86_exec_fn integer_pick(const struct integer_handlers *h, const struct x86_insn *i);

static always_inline void *integer_place(struct x86_cpu *cpu, unsigned place)
{
    return (u8 *)cpu + place;
}

/* Loads and stores of 1, 2, 4, 8 bytes; guest RAM is shared with other processors, hence whole. */
static always_inline u64 integer_peek(const void *p, unsigned size)
{
    switch (size) {
    case 1: return __atomic_load_n((const u8 *)p, __ATOMIC_RELAXED);
    case 2: return __atomic_load_n((const u16 *)p, __ATOMIC_RELAXED);
    case 4: return __atomic_load_n((const u32 *)p, __ATOMIC_RELAXED);
    }
    return __atomic_load_n((const u64 *)p, __ATOMIC_RELAXED);
}

static always_inline void integer_poke(void *p, unsigned size, u64 v)
{
    switch (size) {
    case 1: __atomic_store_n((u8 *)p, (u8)v, __ATOMIC_RELAXED); break;
    case 2: __atomic_store_n((u16 *)p, (u16)v, __ATOMIC_RELAXED); break;
    case 4: __atomic_store_n((u32 *)p, (u32)v, __ATOMIC_RELAXED); break;
    default: __atomic_store_n((u64 *)p, v, __ATOMIC_RELAXED);
    }
}

static always_inline u64 integer_get(struct x86_cpu *cpu, unsigned place, unsigned size)
{
    return integer_peek(integer_place(cpu, place), size);
}

/* 32-bit results are zero-extended to 64, narrower ones leave the rest alone [SDM1 3.4.1.1]. */
static always_inline void integer_put(struct x86_cpu *cpu, unsigned place, unsigned size, u64 v)
{
    if (size == 4)
        integer_poke(integer_place(cpu, place), 8, (u32)v);
    else
        integer_poke(integer_place(cpu, place), size, v);
}

/* A numbered register, by operand or address size: string counters, stack pointers. */
static always_inline u64 integer_gpr(const struct x86_cpu *cpu, unsigned r, unsigned size)
{
    u64 v = cpu->s.gpr[r];
    return size == 8 ? v : size == 4 ? (u32)v : size == 2 ? (u16)v : (u8)v;
}

static always_inline void integer_set_gpr(struct x86_cpu *cpu, unsigned r, unsigned size, u64 v)
{
    integer_put(cpu, offsetof(struct x86_cpu, s.gpr) + r * 8, size, v);
}

/* x86_effective() without its branches on absent registers. */
static always_inline u64 integer_ea(struct x86_cpu *cpu, const struct x86_insn *i)
{
    u64 ea = (u64)(i64)i->disp + integer_get(cpu, i->place[2], 8) +
             integer_get(cpu, i->place[3], 8) * i->scale;
    return likely(i->asz == 8) ? ea : i->asz == 4 ? (u32)ea : (u16)ea;
}

/* The memory operand of the instruction. */
static always_inline int integer_load_operand(struct x86_cpu *cpu, const struct x86_insn *i,
                                              unsigned size, u64 *v)
{
    return x86_load(cpu, i->seg, integer_ea(cpu, i), size, v);
}

/* Locked, or not on a page that is plain RAM and writable. */
int integer_rmw_slow(struct x86_cpu *cpu, const struct x86_insn *i, u64 off, unsigned size,
                     integer_fn fn, u64 b);

/* memory = fn(memory, b) */
static always_inline int integer_rmw(struct x86_cpu *cpu, const struct x86_insn *i, u64 off,
                                     unsigned size, integer_fn fn, u64 b)
{
    if (likely(!(i->flags & X86_I_LOCK))) {
        u64 lin;
        int r = x86_linear(cpu, i->seg, off, size, X86_WRITE, &lin);
        if (unlikely(r))
            return r;
        /* A page that may be written directly may be read too. */
        u8 *p = x86_tlb_host(cpu, lin, size, X86_WRITE);
        if (likely(p != NULL)) {
            integer_poke(p, size, fn(integer_peek(p, size), b, size, &cpu->s.rflags));
            return X86_OK;
        }
    }
    return integer_rmw_slow(cpu, i, off, size, fn, b);
}

/* The patterns. fn and size are constants at each use, so that the computation is inlined; keep
 * says that the result is written (not for CMP, TEST, BT). */
static always_inline int integer_rr(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size,
                                    integer_fn fn, bool keep)
{
    u64 v = fn(integer_get(cpu, i->place[0], size), integer_get(cpu, i->place[1], size), size,
               &cpu->s.rflags);
    if (keep)
        integer_put(cpu, i->place[0], size, v);
    return X86_OK;
}

static always_inline int integer_ri(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size,
                                    integer_fn fn, bool keep)
{
    u64 v = fn(integer_get(cpu, i->place[0], size), i->imm, size, &cpu->s.rflags);
    if (keep)
        integer_put(cpu, i->place[0], size, v);
    return X86_OK;
}

static always_inline int integer_rm(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size,
                                    integer_fn fn, bool keep)
{
    u64 b;
    int r = integer_load_operand(cpu, i, size, &b);
    if (unlikely(r))
        return r;
    u64 v = fn(integer_get(cpu, i->place[0], size), b, size, &cpu->s.rflags);
    if (keep)
        integer_put(cpu, i->place[0], size, v);
    return X86_OK;
}

static always_inline int integer_m(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size,
                                   integer_fn fn, bool keep, u64 b)
{
    if (keep)
        return integer_rmw(cpu, i, integer_ea(cpu, i), size, fn, b);
    u64 a;
    int r = integer_load_operand(cpu, i, size, &a);
    if (unlikely(r))
        return r;
    fn(a, b, size, &cpu->s.rflags);
    return X86_OK;
}

static always_inline int integer_mr(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size,
                                    integer_fn fn, bool keep)
{
    return integer_m(cpu, i, size, fn, keep, integer_get(cpu, i->place[1], size));
}

static always_inline int integer_mi(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size,
                                    integer_fn fn, bool keep)
{
    return integer_m(cpu, i, size, fn, keep, i->imm);
}

/* A handler: `expression` with cpu and i in scope. */
#define INTEGER_HANDLER(name, expression)                                                          \
    static int name(struct x86_cpu *cpu, const struct x86_insn *i)                                 \
    {                                                                                              \
        return expression;                                                                         \
    }

#define INTEGER_HANDLERS_SIZE(name, size, fn, keep)                                                \
    INTEGER_HANDLER(name##size##_rr, integer_rr(cpu, i, size, fn, keep))                           \
    INTEGER_HANDLER(name##size##_ri, integer_ri(cpu, i, size, fn, keep))                           \
    INTEGER_HANDLER(name##size##_rm, integer_rm(cpu, i, size, fn, keep))                           \
    INTEGER_HANDLER(name##size##_mr, integer_mr(cpu, i, size, fn, keep))                           \
    INTEGER_HANDLER(name##size##_mi, integer_mi(cpu, i, size, fn, keep))

#define INTEGER_BY_SIZE(name, suffix)                                                              \
    {                                                                                              \
        name##1##suffix, name##2##suffix, name##4##suffix, name##8##suffix                         \
    }

/* All patterns and sizes of a two-operand instruction: `name` is the table of its handlers. */
#define INTEGER_HANDLERS(name, compute, keep)                                                      \
    INTEGER_HANDLERS_SIZE(name, 1, compute, keep)                                                  \
    INTEGER_HANDLERS_SIZE(name, 2, compute, keep)                                                  \
    INTEGER_HANDLERS_SIZE(name, 4, compute, keep)                                                  \
    INTEGER_HANDLERS_SIZE(name, 8, compute, keep)                                                  \
    static const struct integer_handlers name = {                                                  \
        {INTEGER_BY_SIZE(name, _rr), INTEGER_BY_SIZE(name, _ri), INTEGER_BY_SIZE(name, _rm),       \
         INTEGER_BY_SIZE(name, _mr), INTEGER_BY_SIZE(name, _mi)}};

#endif
