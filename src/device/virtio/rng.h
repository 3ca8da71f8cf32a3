/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio entropy device [VIRTIO1.2 5.4]. */
#ifndef DEVICE_VIRTIO_RNG_H
#define DEVICE_VIRTIO_RNG_H

#include "device/virtio/virtio.h"
#include "host/entropy_if.h"

extern const struct device_type virtio_rng_type;

struct virtio_rng {
    struct virtio_device virtio;
    struct entropy *entropy; /* given before init */
    u64 max_bytes;           /* a request */
    struct virtq_chain chain;
};

#endif
