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
    /* 64-bit, segments other than FS and GS: only the canonical check is left, and the TLB makes
     * it: no entry ever holds a non-canonical page. */
    if (likely(cpu->flat & (1u << seg))) {
        *lin = off;
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
int x86_load(struct x86_cpu *cpu, unsigned seg, u64 off, unsigned size, u64 *value);
int x86_store(struct x86_cpu *cpu, unsigned seg, u64 off, unsigned size, u64 value);
/* Any length up to 4096, for wide operands; a store faults before its first byte is written. */
int x86_load_bytes(struct x86_cpu *cpu, unsigned seg, u64 off, void *dst, unsigned n);
int x86_store_bytes(struct x86_cpu *cpu, unsigned seg, u64 off, const void *src, unsigned n);

/* Read-modify-write. _begin checks read and write permission first, loads the old value and
 * remembers the place; _end stores. Locked forms compare and exchange in a loop: x86_rmw_end
 * returns false when another processor was faster, and the handler computes again from the
 * refreshed old value. */
struct x86_rmw {
    u64 lin, pa;
    u8 *host;     /* plain RAM, or NULL */
    u64 old;
    u8 size, locked, seg;
};
int x86_rmw_begin(struct x86_cpu *cpu, struct x86_rmw *m, unsigned seg, u64 off, unsigned size,
                  bool locked);
/* *done false: changed under us, m->old is new. */
int x86_rmw_end(struct x86_cpu *cpu, struct x86_rmw *m, u64 value, bool *done);

/* Supervisor accesses of the processor itself (descriptor tables, TSS, IDT): linear addresses,
 * privilege 0 whatever CPL is. */
int x86_sys_load(struct x86_cpu *cpu, u64 lin, unsigned size, u64 *value);
int x86_sys_store(struct x86_cpu *cpu, u64 lin, unsigned size, u64 value);

/* Full translation with permission checks and A/D update for one access at the given privilege;
 * fills the TLB. X86_OK and *pa (of lin), or X86_EXCEPTION with #PF set up. */
int x86_translate(struct x86_cpu *cpu, u64 lin, enum x86_access access, unsigned tlb_index,
                  u64 *pa);

/* Stack in the current stack size, SS. */
int x86_push(struct x86_cpu *cpu, unsigned size, u64 value);
int x86_pop(struct x86_cpu *cpu, unsigned size, u64 *value);

#endif
