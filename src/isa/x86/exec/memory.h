/* SPDX-License-Identifier: BSD-2-Clause */
/* Guest data access for instruction handlers: segmentation, software TLB, paging. Every store goes
 * through x86_store_linear, which a store buffer can divert. A function that returns nonzero
 * (enum x86_result) has changed nothing and the handler returns that value. */
#ifndef ISA_X86_EXEC_MEMORY_H
#define ISA_X86_EXEC_MEMORY_H

#include "base/bits.h"
#include "isa/x86/exec/cpu.h"

/* Offset of the memory operand within its segment, wrapped to the address size. */
static always_inline u64 x86_effective(const struct x86_cpu *cpu, const struct x86_insn *i)
{
    u64 ea = (u64)(i64)i->disp;
    if (i->base < 16)
        ea += cpu->s.gpr[i->base];
    else if (i->base == X86_REG_RIP)
        ea += cpu->s.rip; /* handlers run with rip past the instruction */
    if (i->index < 16)
        ea += cpu->s.gpr[i->index] * i->scale;
    return i->asz == 8 ? ea : i->asz == 4 ? (u32)ea : (u16)ea;
}

/* Segment checks: gives the linear address of [seg:off, +size) or raises #GP/#SS. */
int x86_linear_checked(struct x86_cpu *cpu, unsigned seg, u64 off, unsigned size,
                       enum x86_access access, u64 *lin);
static always_inline int x86_linear(struct x86_cpu *cpu, unsigned seg, u64 off, unsigned size,
                                    enum x86_access access, u64 *lin)
{
    /* In 64-bit mode only the canonical check is left, and the TLB makes it: no entry ever holds a
     * non-canonical page. */
    if (likely(cpu->flat & (1u << seg))) {
        *lin = off;
        return X86_OK;
    }
    if (likely(cpu->mode == X86_MODE64)) {
        *lin = off + cpu->s.seg[seg].base;
        return X86_OK;
    }
    return x86_linear_checked(cpu, seg, off, size, access, lin);
}

/* TLB miss, page crossing, MMIO, code page, store buffer, #AC: everything the fast path is not.
 * Takes the current privilege from cpu->tlb_index. seg chooses #SS or #GP when the address is not
 * canonical. size 1, 2, 4, 8. */
int x86_load_slow(struct x86_cpu *cpu, unsigned seg, u64 lin, unsigned size, u64 *value);
int x86_store_slow(struct x86_cpu *cpu, unsigned seg, u64 lin, unsigned size, u64 value);

static always_inline u8 *x86_tlb_host(struct x86_cpu *cpu, u64 lin, unsigned size,
                                      enum x86_access access)
{
    struct x86_tlb_entry *t = &cpu->tlb[cpu->tlb_index][(lin >> 12) & (X86_TLB_SIZE - 1)];
    /* The last byte's page must be the tag: it covers the first byte too, because a neighbour
     * page has another index and its address can't equal this entry's tag. */
    if (likely(((lin + size - 1) & ~(u64)0xfff) == t->tag[access]))
        return (u8 *)(uintptr_t)(lin + t->addend);
    return NULL;
}

#define X86_DEFINE_ACCESS(bits)                                                                    \
    static always_inline int x86_load##bits(struct x86_cpu *cpu, unsigned seg, u64 off,            \
                                            u##bits *value)                                        \
    {                                                                                              \
        u64 lin, v;                                                                                \
        int r = x86_linear(cpu, seg, off, bits / 8, X86_READ, &lin);                               \
        if (unlikely(r))                                                                           \
            return r;                                                                              \
        u8 *p = x86_tlb_host(cpu, lin, bits / 8, X86_READ);                                        \
        if (likely(p != NULL)) {                                                                   \
            *value = __atomic_load_n((u##bits *)p, __ATOMIC_RELAXED);                              \
            return X86_OK;                                                                         \
        }                                                                                          \
        r = x86_load_slow(cpu, seg, lin, bits / 8, &v);                                            \
        *value = (u##bits)v;                                                                       \
        return r;                                                                                  \
    }                                                                                              \
    static always_inline int x86_store##bits(struct x86_cpu *cpu, unsigned seg, u64 off,           \
                                             u##bits value)                                        \
    {                                                                                              \
        u64 lin;                                                                                   \
        int r = x86_linear(cpu, seg, off, bits / 8, X86_WRITE, &lin);                              \
        if (unlikely(r))                                                                           \
            return r;                                                                              \
        u8 *p = x86_tlb_host(cpu, lin, bits / 8, X86_WRITE);                                       \
        if (likely(p != NULL)) {                                                                   \
            __atomic_store_n((u##bits *)p, value, __ATOMIC_RELAXED);                               \
            return X86_OK;                                                                         \
        }                                                                                          \
        return x86_store_slow(cpu, seg, lin, bits / 8, value);                                     \
    }
X86_DEFINE_ACCESS(8)
X86_DEFINE_ACCESS(16)
X86_DEFINE_ACCESS(32)
X86_DEFINE_ACCESS(64)

/* By size 1, 2, 4, 8. */
static always_inline int x86_load(struct x86_cpu *cpu, unsigned seg, u64 off, unsigned size,
                                  u64 *value)
{
    u64 lin;
    int r = x86_linear(cpu, seg, off, size, X86_READ, &lin);
    if (unlikely(r))
        return r;
    u8 *p = x86_tlb_host(cpu, lin, size, X86_READ);
    if (unlikely(!p))
        return x86_load_slow(cpu, seg, lin, size, value);
    switch (size) {
    case 1: *value = __atomic_load_n(p, __ATOMIC_RELAXED); break;
    case 2: *value = __atomic_load_n((u16 *)p, __ATOMIC_RELAXED); break;
    case 4: *value = __atomic_load_n((u32 *)p, __ATOMIC_RELAXED); break;
    default: *value = __atomic_load_n((u64 *)p, __ATOMIC_RELAXED); break;
    }
    return X86_OK;
}
static always_inline int x86_store(struct x86_cpu *cpu, unsigned seg, u64 off, unsigned size,
                                   u64 value)
{
    u64 lin;
    int r = x86_linear(cpu, seg, off, size, X86_WRITE, &lin);
    if (unlikely(r))
        return r;
    u8 *p = x86_tlb_host(cpu, lin, size, X86_WRITE);
    if (unlikely(!p))
        return x86_store_slow(cpu, seg, lin, size, value);
    switch (size) {
    case 1: __atomic_store_n(p, (u8)value, __ATOMIC_RELAXED); break;
    case 2: __atomic_store_n((u16 *)p, (u16)value, __ATOMIC_RELAXED); break;
    case 4: __atomic_store_n((u32 *)p, (u32)value, __ATOMIC_RELAXED); break;
    default: __atomic_store_n((u64 *)p, value, __ATOMIC_RELAXED); break;
    }
    return X86_OK;
}
/* Any length up to 4096, for wide operands; a store faults before its first byte is written. */
int x86_load_bytes(struct x86_cpu *cpu, unsigned seg, u64 off, void *dst, unsigned n);
int x86_store_bytes(struct x86_cpu *cpu, unsigned seg, u64 off, const void *src, unsigned n);

/* Read-modify-write. _begin checks read and write permission first, loads the old value and
 * remembers the place; _end stores. Locked forms compare and exchange in a loop: x86_rmw_end
 * returns false when another processor was faster, and the handler computes again from the
 * refreshed old value. */
struct x86_rmw {
    u64 lin, pa;
    u8 *host; /* plain RAM inside one page, or NULL */
    u64 pa2;  /* the second page when the operand crosses one */
    u8 *host2;
    u64 old;
    u8 size, locked, seg;
    u8 first; /* bytes in the first page; size when there is no second */
};
int x86_rmw_begin(struct x86_cpu *cpu, struct x86_rmw *m, unsigned seg, u64 off, unsigned size,
                  bool locked);
/* *done false: changed under us, m->old is new. Cannot raise anything. */
int x86_rmw_end(struct x86_cpu *cpu, struct x86_rmw *m, u64 value, bool *done);
/* CMPXCHG16B: 16 bytes, #GP when not aligned. *equal tells whether seen was expect and desired was
 * stored; the place is written (with what it held) in either case, as the processor does. */
int x86_cmpxchg16(struct x86_cpu *cpu, unsigned seg, u64 off, const u64 expect[2],
                  const u64 desired[2], bool locked, u64 seen[2], bool *equal);
/* Checks that [seg:off, +size) may be written (size up to 4096) and does nothing else. */
int x86_probe_write(struct x86_cpu *cpu, unsigned seg, u64 off, unsigned size);

/* Supervisor accesses of the processor itself (descriptor tables, TSS, IDT): linear addresses,
 * privilege 0 whatever CPL is. */
int x86_sys_load(struct x86_cpu *cpu, u64 lin, unsigned size, u64 *value);
int x86_sys_store(struct x86_cpu *cpu, u64 lin, unsigned size, u64 value);

/* Full translation with permission checks and A/D update for one access at the given privilege;
 * fills the TLB. X86_OK and *pa (of lin), or X86_EXCEPTION with #PF set up. */
int x86_translate(struct x86_cpu *cpu, u64 lin, enum x86_access access, unsigned tlb_index,
                  u64 *pa);

/* Stack in the current stack size, SS. rsp changes only when the access succeeded. */
static always_inline u64 x86_sp(const struct x86_cpu *cpu)
{
    u64 sp = cpu->s.gpr[X86_RSP];
    return cpu->stack_size == 8 ? sp : cpu->stack_size == 4 ? (u32)sp : (u16)sp;
}
static always_inline u64 x86_sp_add(const struct x86_cpu *cpu, i64 delta)
{
    u64 sp = cpu->s.gpr[X86_RSP] + (u64)delta;
    return cpu->stack_size == 8 ? sp : cpu->stack_size == 4 ? (u32)sp : (u16)sp;
}
static always_inline void x86_set_sp(struct x86_cpu *cpu, u64 sp)
{
    u64 *rsp = &cpu->s.gpr[X86_RSP];
    *rsp = cpu->stack_size == 8   ? sp
           : cpu->stack_size == 4 ? (u32)sp
                                  : (*rsp & ~(u64)0xffff) | (u16)sp;
}
static always_inline int x86_push(struct x86_cpu *cpu, unsigned size, u64 value)
{
    u64 sp = x86_sp_add(cpu, -(i64)size);
    int r = x86_store(cpu, X86_SS, sp, size, value);
    if (likely(r == X86_OK))
        x86_set_sp(cpu, sp);
    return r;
}
static always_inline int x86_pop(struct x86_cpu *cpu, unsigned size, u64 *value)
{
    int r = x86_load(cpu, X86_SS, x86_sp(cpu), size, value);
    if (likely(r == X86_OK))
        x86_set_sp(cpu, x86_sp_add(cpu, size));
    return r;
}

/* Near transfer to target, already masked to the operand size: checks the code segment's limit or
 * the canonical form, then sets rip. Returns X86_BRANCH, or raises #GP(0) with rip untouched. */
static always_inline int x86_jump(struct x86_cpu *cpu, u64 target)
{
    if (unlikely(cpu->mode == X86_MODE64 ? !x86_canonical(target)
                                         : target > cpu->s.seg[X86_CS].limit))
        return x86_gp0(cpu);
    cpu->s.rip = target;
    return X86_BRANCH;
}

#endif
