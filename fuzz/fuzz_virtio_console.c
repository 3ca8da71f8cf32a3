/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio-console under a hostile driver, over back-ends with changing room. */
#include <stdlib.h>
#include <string.h>

#include "device/virtio/console.h"
#include "hostile_driver.h"

enum { PORTS = 2, QUEUES = 6 };

struct pipe {
    struct chardev dev;
    size_t room;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t pipe_write(struct chardev *c, const u8 *data, size_t n)
{
    struct pipe *p = container_of(c, struct pipe, dev);
    volatile u8 sum = 0;
    n = MIN(n, p->room);
    for (size_t i = 0; i < n && i < 64; i++)
        sum = (u8)(sum + data[i]);
    p->room -= n;
    return n;
}

static void backend_step(void *ctx, u64 choice)
{
    static const u8 text[64] = "to the guest";
    struct pipe *p = (struct pipe *)ctx + choice % PORTS;
    const struct chardev_events *ev = p->dev.events;
    size_t room;
    switch (choice >> 8 & 3) {
    case 0:
        room = ev->can_receive(p->dev.events_ctx);
        if (room)
            ev->receive(p->dev.events_ctx, text, MIN(room, sizeof text));
        break;
    case 1:
        p->room = choice & 0x7f;
        ev->writable(p->dev.events_ctx);
        break;
    case 2: ev->receive(p->dev.events_ctx, text, sizeof text); break;
    case 3:
        if ((choice & 0xf0) == 0xf0)
            ev->end_of_file(p->dev.events_ctx);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct chardev_ops ops = {.write = pipe_write};
    struct input in = {data, size};
    struct pci_machine *m = pci_machine_create();
    struct pipe pipe[PORTS] = {{.dev.ops = &ops, .room = 100}, {.dev.ops = &ops, .room = 100}};
    struct virtio_console *c =
        (struct virtio_console *)device_alloc(&virtio_console_type, "console0");
    for (unsigned i = 0; i < PORTS; i++)
        if (virtio_console_add_port(c, i ? "stream" : NULL, &pipe[i].dev, NULL))
            abort();
    if (device_init(&c->virtio.dev, NULL))
        abort();
    /* Control messages in the first buffers. */
    for (unsigned i = 0; i < 16; i++) {
        test_ram(m, TEST_RAM_BASE + 0x4000 + 8 * i)[0] = i & 1;
        test_ram(m, TEST_RAM_BASE + 0x4000 + 8 * i)[4] = (u8)(i / 2);
        test_ram(m, TEST_RAM_BASE + 0x4000 + 8 * i)[6] = i % 3 > 0;
    }
    hostile_drive(&(struct hostile){.m = m,
                                    .vdev = &c->virtio,
                                    .queues = QUEUES,
                                    .features = c->virtio.offered,
                                    .backend = backend_step,
                                    .ctx = pipe},
                  &in);
    device_destroy(&c->virtio.dev);
    pci_machine_destroy(m);
    return 0;
}
