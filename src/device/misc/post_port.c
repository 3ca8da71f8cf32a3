/* SPDX-License-Identifier: BSD-2-Clause */
/* The byte is kept and read back, as from the DMA page register that a PC has there [ICH9 13.2.1].
 * It takes no time: what waits for hardware by it finds hardware that is ready. */
#include "device/misc/post_port.h"

static struct post_port *port_of(struct device *d)
{
    return container_of(d, struct post_port, dev);
}

static enum io_result post_port_io(struct device *d, unsigned region, struct io_access *a)
{
    struct post_port *p = port_of(d);
    (void)region;
    if (a->write)
        p->code = (u8)a->val;
    else
        a->val = p->code;
    return IO_OK;
}

static void post_port_reset(struct device *d, enum reset_kind kind)
{
    (void)kind;
    port_of(d)->code = 0;
}

static const struct reg_desc post_port_regs[] = {
    {"code", 0, 0, 1, 0, 0xff, 0, "ICH9 13.2.1"},
    {0},
};

static const struct state_desc post_port_state[] = {
    STATE_FIELD(struct post_port, code, STATE_U8),
    STATE_END,
};

const struct device_type post_port_type = {
    .name = "post_port",
    .description = "progress code at port 80h",
    .size = sizeof(struct post_port),
    .regs = post_port_regs,
    .state = post_port_state,
    .io = post_port_io,
    .reset = post_port_reset,
};
