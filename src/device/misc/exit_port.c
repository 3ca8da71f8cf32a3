/* SPDX-License-Identifier: BSD-2-Clause */
/* The status is the value as it was written; no bit of it is changed. */
#include "device/misc/exit_port.h"

static enum io_result exit_port_io(struct device *d, unsigned region, struct io_access *a)
{
    struct exit_port *p = container_of(d, struct exit_port, dev);
    (void)region;
    if (a->off != 0)
        return IO_UNCLAIMED;
    if (!a->write)
        a->val = 0;
    else if (p->exit)
        p->exit(p->exit_ctx, (int)(u32)a->val);
    return IO_OK;
}

static const struct opt_desc exit_port_opts[] = {
    {"port", OPT_U64, offsetof(struct exit_port, port), "0xf4", "port number"},
    {0},
};

static const struct reg_desc exit_port_regs[] = {
    {"status", 0, 0, 4, 0, 0, 0, "doppel"},
    {0},
};

const struct device_type exit_port_type = {
    .name = "exit_port",
    .description = "port that ends the machine with a status",
    .size = sizeof(struct exit_port),
    .opts = exit_port_opts,
    .regs = exit_port_regs,
    .io = exit_port_io,
};
