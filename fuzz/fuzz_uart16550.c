/* SPDX-License-Identifier: BSD-2-Clause */
/* A serial port with a back-end that blocks at times. */
#include "device_fuzz.h"

#include "device/serial/uart16550.h"

static void plug(struct device_fuzz *f, struct device *d)
{
    struct uart16550 *u = container_of(d, struct uart16550, dev);
    u->irq = fake_line(&f->lines, 4);
    u->clock = &f->clock.clock;
    u->chardev = &f->chardev.chardev;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct device_fuzz f = {
        .type = &uart16550_type,
        .region_size = {8},
        .plug = plug,
    };
    return device_fuzz_run(&f, data, size);
}
