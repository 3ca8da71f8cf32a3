/* SPDX-License-Identifier: BSD-2-Clause */
/* The fakes: they record, and do what a test tells them. */
#include "fake.h"

#include "base/bits.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

static void fail(const char *what, const char *detail)
{
    fprintf(stderr, "%s: %s\n", what, detail);
    abort();
}

static void line_set(void *ctx, unsigned n, bool level)
{
    struct fake_lines *l = ctx;
    l->rises[n] += level && !l->level[n];
    l->falls[n] += !level && l->level[n];
    l->level[n] = level;
}

struct irq_line fake_line(struct fake_lines *l, unsigned n)
{
    return (struct irq_line){line_set, l, n};
}

static void record_message(void *ctx, u64 addr, u32 data)
{
    struct fake_msi *m = ctx;
    m->count++;
    m->addr = addr;
    m->data = data;
}

struct msi_sink fake_msi_sink(struct fake_msi *m)
{
    return (struct msi_sink){record_message, m};
}

static size_t chardev_take(struct chardev *chardev, const u8 *data, size_t n)
{
    struct fake_chardev *c = container_of(chardev, struct fake_chardev, chardev);
    size_t space = sizeof c->output - c->written;
    size_t take = MIN(n, c->room);
    take = MIN(take, space);
    mem_copy(c->output + c->written, data, take);
    c->written += take;
    if (c->room != SIZE_MAX)
        c->room -= take;
    return take;
}

static void chardev_room(struct chardev *chardev)
{
    container_of(chardev, struct fake_chardev, chardev)->accepts++;
}

void fake_chardev_init(struct fake_chardev *c)
{
    static const struct chardev_ops ops = {.write = chardev_take, .accept = chardev_room};
    mem_fill(c, 0, sizeof *c);
    c->chardev.ops = &ops;
    c->room = SIZE_MAX;
}

size_t fake_chardev_send(struct fake_chardev *c, const void *data, size_t n)
{
    const struct chardev_events *ev = c->chardev.events;
    size_t take = MIN(n, ev->can_receive(c->chardev.events_ctx));
    if (take)
        ev->receive(c->chardev.events_ctx, data, take);
    return take;
}

void fake_chardev_unblock(struct fake_chardev *c)
{
    c->room = SIZE_MAX;
    c->chardev.events->writable(c->chardev.events_ctx);
}

static void *ram_ptr(struct dma *dma, gpa_t addr, u64 len)
{
    struct fake_ram *r = container_of(dma, struct fake_ram, dma);
    return range_inside(addr.v, len, r->base, FAKE_RAM) ? r->bytes + (addr.v - r->base) : NULL;
}

static void ram_written(struct dma *dma, gpa_t addr, u64 len)
{
    (void)addr;
    container_of(dma, struct fake_ram, dma)->written += len;
}

void fake_ram_init(struct fake_ram *r, u64 base)
{
    static const struct dma_ops ops = {.ptr = ram_ptr, .written = ram_written};
    mem_fill(r, 0, sizeof *r);
    r->dma.ops = &ops;
    r->base = base;
}

u64 fake_read(struct device *d, unsigned region, u64 off, unsigned size)
{
    struct io_access a = {.off = off, .size = (u8)size};
    if (device_io(d, region, &a) == IO_UNCLAIMED)
        return mask_low(8 * size);
    if (a.val & ~mask_low(8 * size))
        fail(d->id, "a read gave more bits than its size");
    return a.val;
}

void fake_write(struct device *d, unsigned region, u64 off, unsigned size, u64 val)
{
    struct io_access a = {
        .off = off, .val = val & mask_low(8 * size), .size = (u8)size, .write = true};
    (void)device_io(d, region, &a);
}

void fake_device_start(struct device *d)
{
    struct err e = {0};
    if (!d)
        fail("device", "no memory");
    if (device_init(d, &e))
        fail(d->id, e.text);
}

void fake_check_resets(struct device *d)
{
    for (const struct reg_desc *r = d->type->regs; r->name; r++) {
        u64 val = fake_read(d, r->region, r->offset, r->width);
        if (val == r->reset)
            continue;
        fprintf(stderr, "%s is %#llx, resets to %#llx\n", r->name, (unsigned long long)val,
                (unsigned long long)r->reset);
        fail(d->id, "wrong reset value");
    }
}

void fake_check_round_trip(struct device *d)
{
    static u8 before[16384], after[16384];
    struct err e = {0};
    size_t n = device_save(d, before, sizeof before);
    if (n > sizeof before)
        fail(d->id, "state larger than the test's buffer");
    if (!n)
        return;
    device_reset(d, RESET_COLD);
    if (!device_load(d, before, n - 1, NULL))
        fail(d->id, "a short image was loaded");
    if (device_load(d, before, n, &e))
        fail(d->id, e.text);
    if (device_save(d, after, sizeof after) != n || mem_compare(before, after, n))
        fail(d->id, "state changed by saving and loading");
}
