/* SPDX-License-Identifier: BSD-2-Clause */
/* XCHG, XADD, CMPXCHG, CMPXCHG8B, CMPXCHG16B. With LOCK (XCHG with memory: always) the memory
 * operand is exchanged atomically on the host. */
#include "isa/x86/exec/integer.h"
#include "isa/x86/exec/integer_host.h"

/* --- XCHG --- */

static always_inline int xchg_r(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size)
{
    u64 a = integer_get(cpu, i->place[0], size), b = integer_get(cpu, i->place[1], size);
    integer_put(cpu, i->place[0], size, b);
    integer_put(cpu, i->place[1], size, a);
    return X86_OK;
}

static always_inline int xchg_m(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size)
{
    u64 b = integer_get(cpu, i->place[1], size);
    struct x86_rmw m;
    int r = x86_rmw_begin(cpu, &m, i->seg, integer_ea(cpu, i), size, true);
    if (unlikely(r))
        return r;
    for (bool done = false; !done;) {
        r = x86_rmw_end(cpu, &m, b, &done);
        if (unlikely(r))
            return r;
    }
    integer_put(cpu, i->place[1], size, m.old);
    return X86_OK;
}

/* --- XADD --- */

#define exchange_add_asm(s, m) HOST_BINARY_ASM("add", s, m)
HOST_BINARY(exchange_add)

/* The sum is written last: it stays when both operands are one register. */
static always_inline int xadd_r(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size)
{
    u64 a = integer_get(cpu, i->place[0], size), b = integer_get(cpu, i->place[1], size);
    u64 sum = exchange_add(a, b, size, &cpu->s.rflags);
    integer_put(cpu, i->place[1], size, a);
    integer_put(cpu, i->place[0], size, sum);
    return X86_OK;
}

static always_inline int xadd_m(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size)
{
    u64 b = integer_get(cpu, i->place[1], size), rflags;
    struct x86_rmw m;
    int r = x86_rmw_begin(cpu, &m, i->seg, integer_ea(cpu, i), size, i->flags & X86_I_LOCK);
    if (unlikely(r))
        return r;
    for (bool done = false; !done;) {
        rflags = cpu->s.rflags;
        r = x86_rmw_end(cpu, &m, exchange_add(m.old, b, size, &rflags), &done);
        if (unlikely(r))
            return r;
    }
    cpu->s.rflags = rflags;
    integer_put(cpu, i->place[1], size, m.old);
    return X86_OK;
}

/* --- CMPXCHG --- */

#define CMPXCHG_ASM(s, m)                                                                          \
    __asm__("cmpxchg" s " %" m "[src], %" m "[dst]\n\tmov %%rax, %[out]" HOST_FLAGS_OUT            \
            : [dst] "+&r"(*dst), [out] "=&r"(out), "+&a"(acc)                                      \
            : [src] "r"(src)                                                                       \
            : "cc")

/* On the host's registers, so that upper halves are cleared or kept as the host does: *dst is the
 * destination, the accumulator is returned. */
static always_inline u64 compare_exchange(u64 *dst, u64 acc, u64 src, unsigned size, u64 *rflags)
{
    u64 out;
    HOST_BY_SIZE(size, CMPXCHG_ASM)
    host_flags_unpack(rflags, (u16)acc);
    return out;
}

static always_inline int cmpxchg_r(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size)
{
    unsigned whole = size == 4 ? 8 : size; /* byte and word places may not be widened: AH */
    u64 dst = integer_get(cpu, i->place[0], whole), src = integer_get(cpu, i->place[1], size);
    u64 acc = compare_exchange(&dst, cpu->s.gpr[X86_RAX], src, size, &cpu->s.rflags);
    /* The accumulator first: when it is the destination too it was equal, and the source wins. */
    cpu->s.gpr[X86_RAX] = acc;
    if (whole == 8)
        integer_poke(integer_place(cpu, i->place[0]), 8, dst);
    else
        integer_put(cpu, i->place[0], size, dst);
    return X86_OK;
}

static always_inline int cmpxchg_m(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size)
{
    u64 src = integer_get(cpu, i->place[1], size), acc = 0, rflags = 0;
    struct x86_rmw m;
    int r = x86_rmw_begin(cpu, &m, i->seg, integer_ea(cpu, i), size, i->flags & X86_I_LOCK);
    if (unlikely(r))
        return r;
    for (bool done = false; !done;) {
        u64 dst = m.old;
        rflags = cpu->s.rflags;
        acc = compare_exchange(&dst, cpu->s.gpr[X86_RAX], src, size, &rflags);
        r = x86_rmw_end(cpu, &m, dst, &done);
        if (unlikely(r))
            return r;
    }
    cpu->s.rflags = rflags;
    cpu->s.gpr[X86_RAX] = acc;
    return X86_OK;
}

/* --- CMPXCHG8B, CMPXCHG16B: rDX:rAX against memory, rCX:rBX to store; only ZF changes --- */

static int cmpxchg8b(struct x86_cpu *cpu, const struct x86_insn *i)
{
    u64 expect = cpu->s.gpr[X86_RDX] << 32 | (u32)cpu->s.gpr[X86_RAX];
    u64 desired = cpu->s.gpr[X86_RCX] << 32 | (u32)cpu->s.gpr[X86_RBX];
    struct x86_rmw m;
    int r = x86_rmw_begin(cpu, &m, i->seg, integer_ea(cpu, i), 8, i->flags & X86_I_LOCK);
    if (r)
        return r;
    for (bool done = false; !done;) {
        r = x86_rmw_end(cpu, &m, m.old == expect ? desired : m.old, &done);
        if (r)
            return r;
    }
    if (m.old == expect) {
        cpu->s.rflags |= X86_ZF;
    } else {
        cpu->s.rflags &= ~(u64)X86_ZF;
        integer_set_gpr(cpu, X86_RAX, 4, m.old);
        integer_set_gpr(cpu, X86_RDX, 4, m.old >> 32);
    }
    return X86_OK;
}

static int cmpxchg16b(struct x86_cpu *cpu, const struct x86_insn *i)
{
    u64 expect[2] = {cpu->s.gpr[X86_RAX], cpu->s.gpr[X86_RDX]};
    u64 desired[2] = {cpu->s.gpr[X86_RBX], cpu->s.gpr[X86_RCX]}, seen[2];
    bool equal;
    int r = x86_cmpxchg16(cpu, i->seg, integer_ea(cpu, i), expect, desired, i->flags & X86_I_LOCK,
                          seen, &equal);
    if (r)
        return r;
    if (equal) {
        cpu->s.rflags |= X86_ZF;
    } else {
        cpu->s.rflags &= ~(u64)X86_ZF;
        cpu->s.gpr[X86_RAX] = seen[0];
        cpu->s.gpr[X86_RDX] = seen[1];
    }
    return X86_OK;
}

#define EXCHANGE_SIZE(n)                                                                           \
    INTEGER_HANDLER(xchg##n##_r, xchg_r(cpu, i, n))                                                \
    INTEGER_HANDLER(xchg##n##_m, xchg_m(cpu, i, n))                                                \
    INTEGER_HANDLER(xadd##n##_r, xadd_r(cpu, i, n))                                                \
    INTEGER_HANDLER(xadd##n##_m, xadd_m(cpu, i, n))                                                \
    INTEGER_HANDLER(cmpxchg##n##_r, cmpxchg_r(cpu, i, n))                                          \
    INTEGER_HANDLER(cmpxchg##n##_m, cmpxchg_m(cpu, i, n))
EXCHANGE_SIZE(1)
EXCHANGE_SIZE(2)
EXCHANGE_SIZE(4)
EXCHANGE_SIZE(8)
static const x86_exec_fn xchg_handlers[2][4] = {INTEGER_BY_SIZE(xchg, _r),
                                                INTEGER_BY_SIZE(xchg, _m)};
static const x86_exec_fn xadd_handlers[2][4] = {INTEGER_BY_SIZE(xadd, _r),
                                                INTEGER_BY_SIZE(xadd, _m)};
static const x86_exec_fn cmpxchg_handlers[2][4] = {INTEGER_BY_SIZE(cmpxchg, _r),
                                                   INTEGER_BY_SIZE(cmpxchg, _m)};

x86_exec_fn integer_bind_exchange(const struct x86_insn *i)
{
    unsigned size = integer_size_index(i->osz);
    bool memory = i->flags & X86_I_MEM;

    switch (i->op) {
    case X86_OP_XCHG: return xchg_handlers[memory][size];
    case X86_OP_XADD: return xadd_handlers[memory][size];
    case X86_OP_CMPXCHG: return cmpxchg_handlers[memory][size];
    case X86_OP_CMPXCHG8B: return cmpxchg8b;
    case X86_OP_CMPXCHG16B: return cmpxchg16b;
    }
    return NULL;
}
