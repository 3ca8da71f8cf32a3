/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupt lines and message-signalled interrupts, as devices are handed them. A line may be set
 * from any thread; setting it never calls back into the device. */
#ifndef VM_IRQ_H
#define VM_IRQ_H

#include "base/types.h"

struct irq_line {
    void (*set)(void *ctx, unsigned n, bool level); /* NULL: not connected */
    void *ctx;
    unsigned n;
};

static inline void irq_set(const struct irq_line *l, bool level)
{
    if (l && l->set)
        l->set(l->ctx, l->n, level);
}
static inline void irq_raise(const struct irq_line *l)
{
    irq_set(l, true);
}
static inline void irq_lower(const struct irq_line *l)
{
    irq_set(l, false);
}
static inline void irq_pulse(const struct irq_line *l)
{
    irq_set(l, true);
    irq_set(l, false);
}

/* Where a message-signalled interrupt goes: the write of data to addr [SDM3 10.11]. */
struct msi_sink {
    void (*send)(void *ctx, u64 addr, u32 data);
    void *ctx;
};
static inline void msi_send(const struct msi_sink *m, u64 addr, u32 data)
{
    if (m && m->send)
        m->send(m->ctx, addr, data);
}

#endif
