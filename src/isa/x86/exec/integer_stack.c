/* SPDX-License-Identifier: BSD-2-Clause */
/* PUSH and POP of general registers, immediates, memory and segment selectors, PUSHA POPA, ENTER
 * LEAVE. rSP changes only when every access of the instruction succeeded. (POP of a segment
 * register loads a descriptor: system instructions.) */
#include "isa/x86/exec/integer.h"

static always_inline int push_r(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size)
{
    return x86_push(cpu, size, integer_get(cpu, i->place[0], size));
}

static always_inline int push_m(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size)
{
    u64 v;
    int r = integer_load_operand(cpu, i, size, &v);
    return unlikely(r) ? r : x86_push(cpu, size, v);
}

static always_inline int pop_r(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size)
{
    u64 v;
    int r = x86_pop(cpu, size, &v);
    if (unlikely(r))
        return r;
    integer_put(cpu, i->place[0], size, v); /* after rSP was incremented: POP RSP */
    return X86_OK;
}

/* An address made from rSP uses its value after the increment [SDM2 POP]. */
static always_inline int pop_m(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size)
{
    u64 v, rsp = cpu->s.gpr[X86_RSP];
    int r = x86_pop(cpu, size, &v);
    if (unlikely(r))
        return r;
    r = x86_store(cpu, i->seg, integer_ea(cpu, i), size, v);
    if (unlikely(r))
        cpu->s.gpr[X86_RSP] = rsp;
    return r;
}

/* A whole stack slot is written, its upper part with zeros. */
static int push_segment(struct x86_cpu *cpu, const struct x86_insn *i)
{
    unsigned seg = x86_forms[i->form].opnd[0].reg - X86_FIX_ES;
    return x86_push(cpu, i->osz, cpu->s.seg[seg].sel);
}
_Static_assert((int)X86_FIX_GS - (int)X86_FIX_ES == X86_GS, "fixed segments by number");

/* --- PUSHA, POPA --- */

static int pusha(struct x86_cpu *cpu, const struct x86_insn *i)
{
    u64 rsp = cpu->s.gpr[X86_RSP];
    for (unsigned r = X86_RAX; r <= X86_RDI; r++) {
        int result = x86_push(cpu, i->osz, r == X86_RSP ? rsp : cpu->s.gpr[r]);
        if (result) {
            cpu->s.gpr[X86_RSP] = rsp;
            return result;
        }
    }
    return X86_OK;
}

static int popa(struct x86_cpu *cpu, const struct x86_insn *i)
{
    u64 rsp = cpu->s.gpr[X86_RSP], v[8];
    for (unsigned r = 8; r-- > 0;) {
        int result = x86_pop(cpu, i->osz, &v[r]);
        if (result) {
            cpu->s.gpr[X86_RSP] = rsp;
            return result;
        }
    }
    for (unsigned r = X86_RAX; r <= X86_RDI; r++) {
        if (r != X86_RSP) /* the stored stack pointer is skipped */
            integer_set_gpr(cpu, r, i->osz, v[r]);
    }
    return X86_OK;
}

/* --- ENTER, LEAVE [SDM2 ENTER, LEAVE] --- */

/* Copies the frame pointers of the enclosing procedures and pushes this one's. rBP moves with the
 * copying in the stack's width; rbp is what is addressed by. */
static int enter_display(struct x86_cpu *cpu, const struct x86_insn *i, unsigned level, u64 frame)
{
    u64 link = cpu->s.gpr[X86_RBP];
    for (unsigned n = 1; n < level; n++) {
        u64 v;
        link -= i->osz;
        u64 off = cpu->stack_size == 8 ? link : cpu->stack_size == 4 ? (u32)link : (u16)link;
        int r = x86_load(cpu, X86_SS, off, i->osz, &v);
        if (r == X86_OK)
            r = x86_push(cpu, i->osz, v);
        if (r)
            return r;
    }
    return x86_push(cpu, i->osz, frame);
}

static int enter(struct x86_cpu *cpu, const struct x86_insn *i)
{
    unsigned level = i->imm2 & 31;
    u64 rsp = cpu->s.gpr[X86_RSP];
    int r = x86_push(cpu, i->osz, cpu->s.gpr[X86_RBP]);
    if (r)
        return r;
    u64 frame = cpu->s.gpr[X86_RSP];
    if (level)
        r = enter_display(cpu, i, level, frame);
    u64 sp = x86_sp_add(cpu, -(i64)(u16)i->imm);
    /* The processor checks that the new top of the stack can be written. */
    if (r == X86_OK)
        r = x86_probe_write(cpu, X86_SS, sp, i->osz);
    if (r) {
        cpu->s.gpr[X86_RSP] = rsp;
        return r;
    }
    integer_set_gpr(cpu, X86_RBP, i->osz, frame);
    x86_set_sp(cpu, sp);
    return X86_OK;
}

static int leave(struct x86_cpu *cpu, const struct x86_insn *i)
{
    u64 rsp = cpu->s.gpr[X86_RSP], v;
    x86_set_sp(cpu, cpu->s.gpr[X86_RBP]);
    int r = x86_pop(cpu, i->osz, &v);
    if (r) {
        cpu->s.gpr[X86_RSP] = rsp;
        return r;
    }
    integer_set_gpr(cpu, X86_RBP, i->osz, v);
    return X86_OK;
}

#define STACK_SIZE(n)                                                                              \
    INTEGER_HANDLER(push##n##_r, push_r(cpu, i, n))                                                \
    INTEGER_HANDLER(push##n##_m, push_m(cpu, i, n))                                                \
    INTEGER_HANDLER(push##n##_i, x86_push(cpu, n, i->imm))                                         \
    INTEGER_HANDLER(pop##n##_r, pop_r(cpu, i, n))                                                  \
    INTEGER_HANDLER(pop##n##_m, pop_m(cpu, i, n))
STACK_SIZE(2)
STACK_SIZE(4)
STACK_SIZE(8)
static const x86_exec_fn push_r_handlers[] = {NULL, push2_r, push4_r, push8_r};
static const x86_exec_fn push_m_handlers[] = {NULL, push2_m, push4_m, push8_m};
static const x86_exec_fn push_i_handlers[] = {NULL, push2_i, push4_i, push8_i};
static const x86_exec_fn pop_handlers[2][4] = {{NULL, pop2_r, pop4_r, pop8_r},
                                               {NULL, pop2_m, pop4_m, pop8_m}};

x86_exec_fn integer_bind_stack(const struct x86_insn *i)
{
    const struct x86_opnd *o = x86_forms[i->form].opnd;
    unsigned size = integer_size_index(i->osz);
    bool segment = o[0].kind == X86_OPND_FIX;

    switch (i->op) {
    case X86_OP_PUSH:
        if (segment)
            return push_segment;
        if (o[0].kind == X86_OPND_I)
            return push_i_handlers[size];
        return integer_in_memory(i, 0) ? push_m_handlers[size] : push_r_handlers[size];
    case X86_OP_POP: return segment ? NULL : pop_handlers[integer_in_memory(i, 0)][size];
    case X86_OP_PUSHA: return pusha;
    case X86_OP_POPA: return popa;
    case X86_OP_ENTER: return enter;
    case X86_OP_LEAVE: return leave;
    }
    return NULL;
}
