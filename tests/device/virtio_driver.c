/* SPDX-License-Identifier: BSD-2-Clause */
/* A tiny virtio driver. */
#include "virtio_driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

enum { SLOT = PCI_DEVFN(3, 0) };

static void find_structures(struct driver *d)
{
    u8 cap = (u8)test_config_read(d->m, d->devfn, PCI_CAPABILITIES, 1);
    for (; cap; cap = (u8)test_config_read(d->m, d->devfn, cap + 1u, 1)) {
        if (test_config_read(d->m, d->devfn, cap, 1) != PCI_CAP_VENDOR)
            continue;
        unsigned bar = test_config_read(d->m, d->devfn, cap + 4u, 1);
        u64 at = (test_config_read(d->m, d->devfn, PCI_BAR0 + 4 * bar, 4) & ~15u) +
                 test_config_read(d->m, d->devfn, cap + 8u, 4);
        switch (test_config_read(d->m, d->devfn, cap + 3u, 1)) {
        case 1: d->common = at; break;
        case 2:
            d->notify = at;
            d->notify_step = test_config_read(d->m, d->devfn, cap + 16u, 4);
            break;
        case 3: d->isr = at; break;
        case 4: d->device = at; break;
        case 5: d->cfg_cap = cap; break;
        }
    }
}

void driver_attach(struct driver *d, struct pci_machine *m, struct virtio_device *vdev)
{
    struct err e;
    *d = (struct driver){.m = m, .devfn = SLOT, .next_ram = TEST_RAM_BASE};
    vdev->dma = &m->dma;
    d->pci = (struct virtio_pci *)device_alloc(&virtio_pci_type, "transport");
    d->pci->vdev = vdev;
    d->pci->bus = &m->bus;
    d->pci->devfn = SLOT;
    if (device_init(&d->pci->pci.dev, &e)) {
        fprintf(stderr, "%s\n", e.text);
        exit(1);
    }
    pci_machine_assign(m);
    find_structures(d);
}

void driver_detach(struct driver *d)
{
    device_destroy(&d->pci->pci.dev);
}

u64 driver_common(struct driver *d, unsigned off, unsigned size)
{
    return test_mmio_read(d->m, d->common + off, size);
}

void driver_set_common(struct driver *d, unsigned off, unsigned size, u64 value)
{
    test_mmio_write(d->m, d->common + off, size, value);
}

u8 driver_status(struct driver *d)
{
    return (u8)driver_common(d, 0x14, 1);
}

void driver_reset(struct driver *d)
{
    driver_set_common(d, 0x14, 1, 0);
    d->next_ram = TEST_RAM_BASE;
    memset(d->queue, 0, sizeof d->queue);
}

u64 driver_offered(struct driver *d)
{
    u64 f = 0;
    for (unsigned i = 0; i < 2; i++) {
        driver_set_common(d, 0, 4, i);
        f |= driver_common(d, 4, 4) << 32 * i;
    }
    return f;
}

bool driver_negotiate(struct driver *d, u64 features)
{
    driver_reset(d);
    driver_set_common(d, 0x14, 1, VIRTIO_ACKNOWLEDGE);
    driver_set_common(d, 0x14, 1, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER);
    d->features = features;
    for (unsigned i = 0; i < 2; i++) {
        driver_set_common(d, 8, 4, i);
        driver_set_common(d, 12, 4, (u32)(features >> 32 * i));
    }
    driver_set_common(d, 0x14, 1, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FEATURES_OK);
    return driver_status(d) & VIRTIO_FEATURES_OK;
}

u64 driver_ram(struct driver *d, u64 n)
{
    u64 at = d->next_ram;
    d->next_ram = align_up(at + n, 16);
    if (d->next_ram > TEST_RAM_BASE + TEST_RAM_SIZE)
        abort();
    memset(test_ram(d->m, at), 0, n);
    return at;
}

void driver_queue_setup(struct driver *d, unsigned q, u16 size)
{
    struct driver_queue *vq = &d->queue[q];
    *vq = (struct driver_queue){.size = size};
    vq->desc = driver_ram(d, 16u * size);
    vq->avail = driver_ram(d, 6 + 2u * size);
    vq->used = driver_ram(d, 6 + 8u * size);
    driver_set_common(d, 0x16, 2, q);
    driver_set_common(d, 0x18, 2, size);
    driver_set_common(d, 0x1a, 2, q + 1);
    driver_set_common(d, 0x20, 4, (u32)vq->desc);
    driver_set_common(d, 0x24, 4, vq->desc >> 32);
    driver_set_common(d, 0x28, 8, vq->avail);
    driver_set_common(d, 0x30, 8, vq->used);
    driver_set_common(d, 0x1c, 2, 1);
}

void driver_ok(struct driver *d)
{
    driver_set_common(d, 0x14, 1,
                      VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FEATURES_OK | VIRTIO_DRIVER_OK);
}

void driver_start(struct driver *d, u64 features, unsigned queues, u16 size)
{
    if (!driver_negotiate(d, features))
        abort();
    for (unsigned q = 0; q < queues; q++)
        driver_queue_setup(d, q, size);
    driver_ok(d);
}

void driver_enable_msix(struct driver *d)
{
    u8 cap = d->pci->pci.msix.cap;
    u64 table = test_config_read(d->m, d->devfn, PCI_BAR0 + 4 * VIRTIO_PCI_MSIX_BAR, 4) & ~15u;
    for (unsigned i = 0; i < d->pci->pci.msix.vectors; i++) {
        test_mmio_write(d->m, table + 16 * i, 8, 0xfee00000);
        test_mmio_write(d->m, table + 16 * i + 8, 4, DRIVER_VECTOR_BASE + i);
        test_mmio_write(d->m, table + 16 * i + 12, 4, 0);
    }
    test_config_write(d->m, d->devfn, cap + 2u, 2, PCI_MSIX_ENABLE);
}

void driver_set_desc(struct driver *d, u64 table, unsigned i, u64 addr, u32 len, u16 flags,
                     u16 next)
{
    u8 *p = test_ram(d->m, table + 16 * i);
    store64(p, addr);
    store32(p + 8, len);
    store16(p + 12, flags);
    store16(p + 14, next);
}

void driver_publish(struct driver *d, unsigned q, u16 head)
{
    struct driver_queue *vq = &d->queue[q];
    u8 *avail = test_ram(d->m, vq->avail);
    store16(avail + 4 + 2u * (vq->avail_idx % vq->size), head);
    __atomic_store_n((u16 *)(void *)(avail + 2), ++vq->avail_idx, __ATOMIC_RELEASE);
}

u16 driver_add(struct driver *d, unsigned q, const struct part *parts, unsigned count)
{
    struct driver_queue *vq = &d->queue[q];
    u16 head = vq->next_desc;
    for (unsigned i = 0; i < count; i++) {
        u16 next = (u16)((vq->next_desc + 1) % vq->size);
        u16 flags = (u16)((parts[i].write ? DESC_F_WRITE : 0) | (i + 1 < count ? DESC_F_NEXT : 0));
        driver_set_desc(d, vq->desc, vq->next_desc, parts[i].addr, parts[i].len, flags, next);
        vq->next_desc = next;
    }
    driver_publish(d, q, head);
    return head;
}

void driver_kick(struct driver *d, unsigned q)
{
    test_mmio_write(d->m, d->notify + (u64)q * d->notify_step, 2, q);
}

bool driver_used(struct driver *d, unsigned q, u32 *id, u32 *len)
{
    struct driver_queue *vq = &d->queue[q];
    const u8 *used = test_ram(d->m, vq->used);
    if (__atomic_load_n((const u16 *)(const void *)(used + 2), __ATOMIC_ACQUIRE) == vq->used_seen)
        return false;
    const u8 *entry = used + 4 + 8u * (vq->used_seen++ % vq->size);
    if (id)
        *id = load32(entry);
    if (len)
        *len = load32(entry + 4);
    return true;
}
