/* SPDX-License-Identifier: BSD-2-Clause */
/* A small overlay over guest physical memory: while a processor has one, its stores (and A/D
 * updates of its page walks) stay here and its loads see them. One thread uses it at a time. */
#ifndef ISA_X86_EXEC_STORE_BUFFER_H
#define ISA_X86_EXEC_STORE_BUFFER_H

#include "base/types.h"

enum { X86_STORE_SLOTS = 1024, X86_STORE_MAX = X86_STORE_SLOTS * 3 / 4, X86_STORE_FILLS = 64 };

struct x86_store_slot {
    u64 group; /* physical address of eight aligned bytes */
    u64 bytes;
    u8 mask; /* which of the eight were stored; 0: the slot is free */
};

struct x86_store_buffer {
    u32 count;
    bool overflow; /* a store found no room and is lost: what ran on this buffer is void */
    u16 order[X86_STORE_MAX]; /* slots in the order of their first store */
    u32 fills; /* entries of the TLB filled meanwhile; beyond the list: only counted */
    u16 fill[X86_STORE_FILLS]; /* index in tlb * X86_TLB_SIZE + slot */
    struct x86_store_slot slot[X86_STORE_SLOTS];
};

void x86_store_buffer_clear(struct x86_store_buffer *b);
/* Physical [pa, pa+size), size 1..8, at any alignment. */
void x86_store_buffer_write(struct x86_store_buffer *b, u64 pa, unsigned size, u64 value);
/* What a load sees when memory holds under. */
u64 x86_store_buffer_read(const struct x86_store_buffer *b, u64 pa, unsigned size, u64 under);
/* Calls fn for each stored byte, in the order of the groups' first stores. */
void x86_store_buffer_each(const struct x86_store_buffer *b,
                           void (*fn)(void *ctx, u64 pa, u8 value), void *ctx);

#endif
