/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside exec: page walks, and physical memory as a processor reaches it (directly on host memory,
 * through the operations, or through the store buffer). */
#ifndef ISA_X86_EXEC_PLACE_H
#define ISA_X86_EXEC_PLACE_H

#include "isa/x86/exec/cpu.h"

/* A translated page. */
struct x86_page {
    u64 pa;    /* of the linear address asked for */
    u8 shift;  /* 12, 21, 22, 30 */
    u8 rights; /* BIT(enum x86_access) of what needs no further walk */
    bool global;
};

/* Walks the page tables with all checks, and sets A and D. 0, or -1 with the #PF error code.
 * index gives the privilege; the page tables themselves are always reached. */
int x86_page_walk(struct x86_cpu *cpu, u64 lin, enum x86_access access, unsigned index,
                  struct x86_page *page, u32 *error);
/* PAE: reads the four page-directory-pointer entries that cr3 points at and checks their reserved
 * bits [SDM3 4.4.1]. False: #GP. */
bool x86_load_pdptrs(struct x86_cpu *cpu, u64 cr3, u64 pdptr[4]);

/* Where an access goes: pa, and the host address when it is plain RAM that needs no diversion. */
struct x86_place {
    u64 pa;
    u8 *host;
};
/* Translates one byte's address for an access; lin is canonical. */
int x86_resolve(struct x86_cpu *cpu, u64 lin, enum x86_access access, unsigned index,
                struct x86_place *place);

/* size 1..8 and inside one page. */
u64 x86_place_load(struct x86_cpu *cpu, const struct x86_place *p, unsigned size);
void x86_place_store(struct x86_cpu *cpu, const struct x86_place *p, unsigned size, u64 value);
/* Compare and exchange, atomic on RAM; size 1, 2, 4, 8. Returns true on success; *seen is what
 * was there. */
bool x86_place_cmpxchg(struct x86_cpu *cpu, const struct x86_place *p, unsigned size, u64 expect,
                       u64 value, u64 *seen);

/* An operation returned X86_STOP: the access is complete, the engine leaves after the
 * instruction. */
static inline void x86_note_stop(struct x86_cpu *cpu, int r)
{
    if (unlikely(r == X86_STOP))
        x86_request_stop(cpu);
}

/* Bits that a physical address may have. */
static inline u64 x86_physical_mask(const struct x86_cpu *cpu)
{
    return ((u64)1 << cpu->model->physical_bits) - 1;
}

void x86_tlb_init(struct x86_cpu *cpu);
/* Empties the TLB alone. */
void x86_tlb_clear(struct x86_cpu *cpu, bool global_too);

/* tlb_walk.c: walks remembered by address space. */
bool x86_walk_recall(struct x86_cpu *cpu, u64 lin, enum x86_access access, unsigned index,
                     struct x86_page *page);
void x86_walk_keep(struct x86_cpu *cpu, u64 lin, unsigned index, const struct x86_page *page);
void x86_walk_drop(struct x86_cpu *cpu, u64 va);
/* All pieces of large pages around va; true when some are left in its GiB. */
bool x86_walk_drop_large(struct x86_cpu *cpu, u64 va);
static inline unsigned x86_tlb_gib(u64 va)
{
    return (va >> 30 ^ (va >> 63) * 0x155) & 511; /* halves apart, which often begin alike */
}

/* One access of up to 4096 bytes, in one or two pages. */
struct x86_span {
    struct x86_place first, second;
    unsigned split; /* bytes in the first page */
};
/* Checks the canonical form (seg chooses #SS or #GP), translates all of it, first page first,
 * and checks the alignment. */
int x86_span_resolve(struct x86_cpu *cpu, unsigned seg, u64 lin, unsigned size,
                     enum x86_access access, struct x86_span *span);

/* Checks that a system structure may be written. */
int x86_sys_probe_write(struct x86_cpu *cpu, u64 lin, unsigned size);
/* Sets bits in a byte of a system structure (descriptor accessed bit) atomically; privilege 0. */
int x86_sys_set_bits(struct x86_cpu *cpu, u64 lin, u8 bits);

/* After a successful data access: records matching data breakpoints. */
void x86_debug_check_data(struct x86_cpu *cpu, u64 lin, unsigned size, enum x86_access access);

#endif
