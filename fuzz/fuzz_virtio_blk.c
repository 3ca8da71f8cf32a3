/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio-blk under a hostile driver, over a disk in memory that completes at once or later. It
 * aborts when a request reaches beyond the disk. */
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "device/virtio/blk.h"
#include "hostile_driver.h"

enum { DISK_SIZE = 16 * 512, HELD_MAX = 256 };

struct disk {
    struct block_backend backend;
    u8 data[DISK_SIZE];
    struct block_request *held[HELD_MAX];
    unsigned count;
    bool hold;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void complete(struct disk *k, struct block_request *r)
{
    u64 off = r->offset;
    for (unsigned i = 0; i < r->segment_count; i++) {
        const struct block_segment *s = &r->segments[i];
        if (!range_inside(off, s->size, 0, DISK_SIZE))
            abort();
        if (r->op == BLOCK_WRITE)
            memcpy(k->data + off, s->base, s->size);
        else
            memcpy(s->base, k->data + off, s->size);
        off += s->size;
    }
    if (!r->segment_count && !range_inside(r->offset, r->length, 0, DISK_SIZE))
        abort();
    r->done(r);
}

static void disk_submit(struct block_backend *b, struct block_request *r)
{
    struct disk *k = container_of(b, struct disk, backend);
    r->result = 0;
    if (!k->hold) {
        complete(k, r);
        return;
    }
    if (k->count == HELD_MAX)
        abort();
    k->held[k->count++] = r;
}

static void disk_drain(struct block_backend *b)
{
    struct disk *k = container_of(b, struct disk, backend);
    while (k->count)
        complete(k, k->held[--k->count]);
}

static void backend_step(void *ctx, u64 choice)
{
    struct disk *k = ctx;
    k->hold = choice & 1;
    if (k->count && choice & 2)
        complete(k, k->held[--k->count]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct block_ops ops = {.submit = disk_submit, .drain = disk_drain};
    struct input in = {data, size};
    struct pci_machine *m = pci_machine_create();
    struct disk k = {.backend = {.ops = &ops, .size = DISK_SIZE, .block_size = 512, .id = "fuzz"}};
    struct virtio_blk *b = (struct virtio_blk *)device_alloc(&virtio_blk_type, "disk0");
    b->backend = &k.backend;
    if (device_init(&b->virtio.dev, NULL))
        abort();
    /* Headers for the first buffers: a write, a read, ranges. */
    for (unsigned i = 0; i < 16; i++) {
        static const u8 types[] = {0, 1, 4, 8, 11, 13};
        test_ram(m, TEST_RAM_BASE + 0x4000 + 16 * i)[0] = types[i % ARRAY_LEN(types)];
        test_ram(m, TEST_RAM_BASE + 0x4000 + 16 * i)[8] = (u8)i;
    }
    hostile_drive(&(struct hostile){.m = m,
                                    .vdev = &b->virtio,
                                    .queues = 1,
                                    .features = b->virtio.offered,
                                    .backend = backend_step,
                                    .ctx = &k},
                  &in);
    device_destroy(&b->virtio.dev);
    pci_machine_destroy(m);
    return 0;
}
