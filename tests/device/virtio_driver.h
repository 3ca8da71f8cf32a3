/* SPDX-License-Identifier: BSD-2-Clause */
/* A tiny virtio driver as the specification describes it: finds the structures by capabilities,
 * negotiates, builds split rings in RAM. Tests use it to behave, and to misbehave. */
#ifndef TESTS_DEVICE_VIRTIO_DRIVER_H
#define TESTS_DEVICE_VIRTIO_DRIVER_H

#include "device/virtio/virtio_pci.h"
#include "pci_machine.h"

enum { DRIVER_QUEUES = 34, DRIVER_VECTOR_BASE = 0x40 };
enum { DESC_F_NEXT = 1, DESC_F_WRITE = 2, DESC_F_INDIRECT = 4 };

struct driver_queue {
    u16 size;
    u64 desc, avail, used; /* guest addresses */
    u16 avail_idx, used_seen, next_desc;
};

struct driver {
    struct pci_machine *m;
    struct virtio_pci *pci;
    u8 devfn;
    u64 common, isr, device, notify;
    u32 notify_step;
    u8 cfg_cap;
    u64 features; /* accepted */
    u64 next_ram;
    struct driver_queue queue[DRIVER_QUEUES];
};

struct part {
    u64 addr;
    u32 len;
    bool write;
};

/* Puts vdev behind a transport at slot 3 and finds its structures. */
void driver_attach(struct driver *d, struct pci_machine *m, struct virtio_device *vdev);
void driver_detach(struct driver *d);
/* Everything up to FEATURES_OK with the given features; false when the device refuses. */
bool driver_negotiate(struct driver *d, u64 features);
u64 driver_offered(struct driver *d);
/* Rings of `size` entries for queue q, enabled; vector q+1 when MSI-X is on. */
void driver_queue_setup(struct driver *d, unsigned q, u16 size);
void driver_ok(struct driver *d);
/* All of the above for `queues` queues. */
void driver_start(struct driver *d, u64 features, unsigned queues, u16 size);
void driver_enable_msix(struct driver *d);
u8 driver_status(struct driver *d);
void driver_reset(struct driver *d);

/* n bytes of RAM, 16-byte aligned. */
u64 driver_ram(struct driver *d, u64 n);
void driver_set_desc(struct driver *d, u64 table, unsigned i, u64 addr, u32 len, u16 flags,
                     u16 next);
/* Offers a chain; returns its head. */
u16 driver_add(struct driver *d, unsigned q, const struct part *parts, unsigned count);
/* Publishes a head as it is. */
void driver_publish(struct driver *d, unsigned q, u16 head);
void driver_kick(struct driver *d, unsigned q);
/* Takes a used entry: false when there is none. */
bool driver_used(struct driver *d, unsigned q, u32 *id, u32 *len);

u64 driver_common(struct driver *d, unsigned off, unsigned size);
void driver_set_common(struct driver *d, unsigned off, unsigned size, u64 value);

#endif
