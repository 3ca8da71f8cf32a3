/* SPDX-License-Identifier: BSD-2-Clause */
/* The inside of struct guest_memory, shared by the files of this folder. */
#ifndef MEMORY_MEMORY_PRIV_H
#define MEMORY_MEMORY_PRIV_H

#include "memory/memory.h"

enum { MEMORY_PAGE = 4096, MEMORY_PAGE_SHIFT = 12 };

/* Per block, a bit a page, changed by atomic operations. */
struct block_map {
    u64 *code;  /* decoded or translated code was made from it */
    u64 *dirty; /* NULL until the first log; valid while guest_memory.logging */
};

struct guest_memory {
    struct ram_provider provider;
    struct memory_listener listener;
    unsigned count;
    bool logging;   /* atomic */
    bool code_seen; /* atomic: some page has been marked since the start */
    struct ram_block block[GUEST_MEMORY_BLOCKS_MAX]; /* sorted by start */
    struct block_map map[GUEST_MEMORY_BLOCKS_MAX];   /* of the block with the same index */
};

static inline u64 bitmap_bytes(u64 block_size)
{
    return ((block_size >> MEMORY_PAGE_SHIFT) + 63) / 64 * sizeof(u64);
}

void memory_tell(struct guest_memory *m, const struct memory_event *ev);

#endif
