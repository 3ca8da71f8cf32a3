/* SPDX-License-Identifier: BSD-2-Clause */
/* The PCI transport and its MSI-X table, with the entropy device behind it. */
#include <stdlib.h>
#include <string.h>

#include "device/virtio/rng.h"
#include "hostile_driver.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int fill(struct entropy *s, void *dst, size_t n)
{
    memset(dst, 0x42, n);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    struct pci_machine *m = pci_machine_create();
    struct entropy entropy = {.fill = fill};
    struct virtio_rng *r = (struct virtio_rng *)device_alloc(&virtio_rng_type, "rng0");
    r->entropy = &entropy;
    if (device_init(&r->virtio.dev, NULL))
        abort();
    hostile_drive(
        &(struct hostile){.m = m, .vdev = &r->virtio, .queues = 1, .features = r->virtio.offered},
        &in);
    device_destroy(&r->virtio.dev);
    pci_machine_destroy(m);
    return 0;
}
