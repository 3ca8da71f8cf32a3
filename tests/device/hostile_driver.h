/* SPDX-License-Identifier: BSD-2-Clause */
/* A virtio driver that does what bytes tell it: registers, configuration space, descriptors,
 * rings, notifications, in any order. For fuzz targets. */
#ifndef TESTS_DEVICE_HOSTILE_DRIVER_H
#define TESTS_DEVICE_HOSTILE_DRIVER_H

#include "virtio_driver.h"

struct input {
    const u8 *data;
    size_t size;
};
/* The next n bytes as a number; zero when the input has ended. */
u64 input_take(struct input *in, unsigned n);

struct hostile {
    struct pci_machine *m;
    struct virtio_device *vdev;
    unsigned queues;
    u64 features;
    /* What the back-end does between two steps of the driver; may be NULL. */
    void (*backend)(void *ctx, u64 choice);
    void *ctx;
};
void hostile_drive(const struct hostile *h, struct input *in);

#endif
