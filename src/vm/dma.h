/* SPDX-License-Identifier: BSD-2-Clause */
/* Guest memory as a device reaches it. Only RAM answers: an access that leaves RAM fails with
 * -EFAULT and changes nothing, so devices never re-enter each other. Writes mark dirty pages and
 * drop decoded and translated code. */
#ifndef VM_DMA_H
#define VM_DMA_H

#include "base/types.h"

struct dma;
struct dma_ops {
    /* Host address of [addr, addr+len) when it is one piece of RAM, else NULL. */
    void *(*ptr)(struct dma *, gpa_t addr, u64 len);
    /* After bytes were stored through ptr(). */
    void (*written)(struct dma *, gpa_t addr, u64 len);
};
struct dma {
    const struct dma_ops *ops;
};

static inline void *dma_ptr(struct dma *d, gpa_t addr, u64 len)
{
    return d->ops->ptr(d, addr, len);
}
static inline void dma_written(struct dma *d, gpa_t addr, u64 len)
{
    d->ops->written(d, addr, len);
}
/* 0 or -EFAULT. Pieces of RAM that touch are one range; all of it is checked before a byte moves.
 */
int dma_read(struct dma *d, gpa_t addr, void *dst, u64 len);
int dma_write(struct dma *d, gpa_t addr, const void *src, u64 len);

#endif
