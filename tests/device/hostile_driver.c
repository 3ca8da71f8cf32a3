/* SPDX-License-Identifier: BSD-2-Clause */
/* A hostile virtio driver. It starts as a good one, so that the deep code is reached. */
#include "hostile_driver.h"

#include "base/bits.h"

enum { QUEUE_SIZE = 8, STEPS_MAX = 400 };

u64 input_take(struct input *in, unsigned n)
{
    u64 v = 0;
    for (unsigned i = 0; i < n && in->size; i++, in->data++, in->size--)
        v |= (u64)*in->data << 8 * i;
    return v;
}

/* Mostly inside RAM, near its ends and seam too. */
static u64 some_address(struct input *in)
{
    static const u64 near[] = {TEST_RAM_BASE,
                               TEST_RAM_SEAM - 8,
                               TEST_RAM_BASE + 0x4000,
                               TEST_RAM_BASE + TEST_RAM_SIZE - 64,
                               0,
                               ~(u64)0 - 64};
    return near[input_take(in, 1) % ARRAY_LEN(near)] + input_take(in, 1);
}

static void write_descriptor(struct driver *d, struct input *in, unsigned queues)
{
    struct driver_queue *vq = &d->queue[input_take(in, 1) % queues];
    u64 table = input_take(in, 1) % 4 ? vq->desc : TEST_RAM_BASE + 0x4000;
    unsigned index = (unsigned)input_take(in, 1) % QUEUE_SIZE;
    u64 addr = some_address(in);
    u32 len = (u32)input_take(in, 1);
    u16 flags = (u16)input_take(in, 1) & 7, next = (u16)(input_take(in, 1) % (QUEUE_SIZE + 1));
    if (len > 250)
        len = 0xffffff00 + len;
    else if (flags & DESC_F_INDIRECT)
        len = len % 9 * 16;
    if (table)
        driver_set_desc(d, table, index, addr, len, flags, next);
}

static void poke(struct driver *d, struct input *in)
{
    static const u16 at[] = {VIRTIO_PCI_COMMON, VIRTIO_PCI_COMMON, VIRTIO_PCI_ISR,
                             VIRTIO_PCI_DEVICE, VIRTIO_PCI_NOTIFY};
    u64 addr = d->common + at[input_take(in, 1) % ARRAY_LEN(at)] + input_take(in, 1) % 72;
    unsigned size = 1u << input_take(in, 1) % 4;
    u64 value = input_take(in, 1) & 1 ? some_address(in) : input_take(in, 2);
    test_mmio(d->m, addr, size, input_take(in, 1) & 1, &value);
}

static void poke_config(struct driver *d, struct input *in)
{
    unsigned reg = (unsigned)input_take(in, 1), size = 1u << input_take(in, 1) % 3;
    if (input_take(in, 1) & 1)
        test_config_write(d->m, d->devfn, reg, size, (u32)input_take(in, 4));
    else
        test_config_read(d->m, d->devfn, reg, size);
}

static void poke_ram(struct driver *d, struct input *in)
{
    u64 addr = TEST_RAM_BASE + input_take(in, 2) % 0x8000;
    *test_ram(d->m, addr) = (u8)input_take(in, 1);
}

static void publish(struct driver *d, struct input *in, unsigned queues)
{
    unsigned q = (unsigned)input_take(in, 1) % queues;
    if (d->queue[q].size)
        driver_publish(d, q, (u16)(input_take(in, 1) % (QUEUE_SIZE + 1)));
    driver_kick(d, q);
}

static void restart(struct driver *d, const struct hostile *h)
{
    pci_machine_assign(d->m);
    if (!driver_negotiate(d, h->features))
        return;
    for (unsigned q = 0; q < h->queues; q++)
        driver_queue_setup(d, q, QUEUE_SIZE);
    driver_ok(d);
}

void hostile_drive(const struct hostile *h, struct input *in)
{
    struct driver d;
    driver_attach(&d, h->m, h->vdev);
    restart(&d, h);
    for (unsigned step = 0; in->size && step < STEPS_MAX; step++) {
        switch (input_take(in, 1) % 16) {
        case 0:
        case 1:
        case 2:
        case 3:
        case 4: write_descriptor(&d, in, h->queues); break;
        case 5:
        case 6:
        case 7:
        case 8: publish(&d, in, h->queues); break;
        case 9: poke(&d, in); break;
        case 10: poke_config(&d, in); break;
        case 11: poke_ram(&d, in); break;
        case 12: restart(&d, h); break;
        case 13:
            device_reset(&d.pci->pci.dev, RESET_WARM);
            pci_machine_assign(d.m);
            break;
        default:
            if (h->backend)
                h->backend(h->ctx, input_take(in, 2));
        }
    }
    driver_detach(&d);
}
