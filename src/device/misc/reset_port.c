/* SPDX-License-Identifier: BSD-2-Clause */
/* PORT92 after [ICH9 13.7.2]. The A20 gate is always open: its bit is kept for the guest to read
 * back. */
#include "device/misc/reset_port.h"

enum { PORT92_INIT = 0x01, PORT92_A20 = 0x02 };

static struct reset_port *port_of(struct device *d)
{
    return container_of(d, struct reset_port, dev);
}

static enum io_result port_io(struct device *d, unsigned region, struct io_access *a)
{
    struct reset_port *p = port_of(d);
    (void)region;
    if (!a->write) {
        a->val = p->port92;
        return IO_OK;
    }
    u8 v = (u8)a->val;
    bool fires = v & ~p->port92 & PORT92_INIT; /* the transition counts, not the level */
    p->port92 = v & (PORT92_A20 | PORT92_INIT);
    if (fires && p->reset)
        p->reset(p->reset_ctx);
    return IO_OK;
}

static void port_reset(struct device *d, enum reset_kind kind)
{
    (void)kind;
    port_of(d)->port92 = PORT92_A20;
}

static int port_init(struct device *d, struct err *e)
{
    (void)e;
    port_reset(d, RESET_COLD);
    return 0;
}

static const struct reg_desc port_regs[] = {
    {"PORT92", 0, 0, 1, PORT92_A20, PORT92_A20 | PORT92_INIT, 0, "ICH9 13.7.2"},
    {0},
};

static const struct state_desc port_state[] = {
    STATE_FIELD(struct reset_port, port92, STATE_U8),
    STATE_END,
};

const struct device_type reset_port_type = {
    .name = "reset_port",
    .description = "system control port A: fast reset and A20",
    .size = sizeof(struct reset_port),
    .regs = port_regs,
    .state = port_state,
    .init = port_init,
    .io = port_io,
    .reset = port_reset,
};
