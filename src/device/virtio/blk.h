/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio block device [VIRTIO1.2 5.2]. */
#ifndef DEVICE_VIRTIO_BLK_H
#define DEVICE_VIRTIO_BLK_H

#include "base/list.h"
#include "device/virtio/virtio.h"
#include "host/block_if.h"

extern const struct device_type virtio_blk_type;

struct virtio_blk {
    struct virtio_device virtio;
    struct block_backend *backend; /* given before init; outlives this */
    u64 queue_size;
    unsigned in_flight;
    struct list idle; /* requests to use again */
};

/* The disk's size changed. Any thread. */
void virtio_blk_resized(struct virtio_blk *b);

#endif
