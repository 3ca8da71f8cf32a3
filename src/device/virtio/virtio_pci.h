/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio over PCI, the modern interface only [VIRTIO1.2 4.1]: a PCI function in front of a virtio
 * device. BAR 0 holds the four structures, BAR 1 the MSI-X table. */
#ifndef DEVICE_VIRTIO_VIRTIO_PCI_H
#define DEVICE_VIRTIO_VIRTIO_PCI_H

#include "device/pci/pci.h"
#include "device/virtio/virtio.h"

extern const struct device_type virtio_pci_type;

struct virtio_pci {
    struct pci_function pci;
    struct virtio_device *vdev; /* given before init, initialised; outlives this */
    struct pci_bus *bus;        /* given before init */
    u8 devfn;                   /* given before init */

    u8 cfg_cap; /* offset of the configuration access capability */
    u32 device_feature_select, driver_feature_select;
    u16 queue_select, config_vector;
    u16 queue_vector[VIRTIO_QUEUES_MAX];
    u8 isr;
};

enum { VIRTIO_PCI_BAR = 0, VIRTIO_PCI_MSIX_BAR = 1, VIRTIO_PCI_BAR_SIZE = 0x4000 };
/* Where the structures are in BAR 0; a driver learns it from the capabilities. */
enum {
    VIRTIO_PCI_COMMON = 0x0000,
    VIRTIO_PCI_ISR = 0x1000,
    VIRTIO_PCI_DEVICE = 0x2000,
    VIRTIO_PCI_NOTIFY = 0x3000,
    VIRTIO_PCI_NOTIFY_STEP = 4,
};

#endif
