/* SPDX-License-Identifier: BSD-2-Clause */
/* There is no flow control: a byte the back-end cannot take is lost. */
#include "device/misc/debug_port.h"

enum { PRESENT = 0xe9 }; /* what a read gives: guests look for it before they write */

static enum io_result debug_port_io(struct device *d, unsigned region, struct io_access *a)
{
    struct debug_port *p = container_of(d, struct debug_port, dev);
    (void)region;
    if (!a->write) {
        a->val = PRESENT;
        return IO_OK;
    }
    u8 byte = (u8)a->val;
    (void)chardev_write(p->chardev, &byte, 1);
    return IO_OK;
}

static const struct reg_desc debug_port_regs[] = {
    {"data", 0, 0, 1, PRESENT, 0, 0, "doppel"},
    {0},
};

const struct device_type debug_port_type = {
    .name = "debug_port",
    .description = "debug console port",
    .size = sizeof(struct debug_port),
    .regs = debug_port_regs,
    .io = debug_port_io,
};
