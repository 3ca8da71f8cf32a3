/* SPDX-License-Identifier: BSD-2-Clause */
/* Devices' access to guest memory: copies over any dma_ops, and the machine's own. */
#include "vm/dma.h"

#include "base/bits.h"
#include "base/mem.h"
#include "vm/vm_priv.h"

#include <errno.h>

enum { DMA_PIECE = 4096 };

/* The piece at addr: up to the end of its page, the whole rest when that is one piece of RAM. */
static u8 *piece(struct dma *d, u64 addr, u64 *len)
{
    u8 *p = dma_ptr(d, gpa(addr), *len);
    if (p)
        return p;
    *len = MIN(*len, DMA_PIECE - (addr & (DMA_PIECE - 1)));
    return dma_ptr(d, gpa(addr), *len);
}

static int check(struct dma *d, u64 addr, u64 len)
{
    if (addr + len < addr)
        return -EFAULT;
    while (len) {
        u64 n = len;
        if (!piece(d, addr, &n))
            return -EFAULT;
        addr += n;
        len -= n;
    }
    return 0;
}

int dma_read(struct dma *d, gpa_t addr, void *dst, u64 len)
{
    int r = check(d, addr.v, len);
    u8 *to = dst;
    for (u64 a = addr.v, n; !r && len; a += n, to += n, len -= n) {
        n = len;
        mem_copy(to, piece(d, a, &n), n);
    }
    return r;
}

int dma_write(struct dma *d, gpa_t addr, const void *src, u64 len)
{
    int r = check(d, addr.v, len);
    const u8 *from = src;
    for (u64 a = addr.v, n; !r && len; a += n, from += n, len -= n) {
        n = len;
        mem_copy(piece(d, a, &n), from, n);
        dma_written(d, gpa(a), n);
    }
    return r;
}

static struct guest_memory *memory_of(struct dma *d)
{
    return container_of(d, struct vm, dma)->memory;
}

static void *vm_dma_ptr(struct dma *d, gpa_t addr, u64 len)
{
    /* ROM is no RAM: a device can neither change it nor be pointed at it. */
    const struct ram_block *b = guest_memory_find(memory_of(d), addr);
    return b && !b->read_only ? guest_memory_ptr(memory_of(d), addr, len) : NULL;
}

static void vm_dma_written(struct dma *d, gpa_t addr, u64 len)
{
    guest_memory_written(memory_of(d), addr, len);
}

const struct dma_ops vm_dma_ops = {.ptr = vm_dma_ptr, .written = vm_dma_written};
