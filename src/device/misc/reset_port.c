/* SPDX-License-Identifier: BSD-2-Clause */
/* RST_CNT after [ICH9 13.7.5], PORT92 after [ICH9 13.7.2]. The A20 gate is always open: its bit
 * is kept for the guest to read back. */
#include "device/misc/reset_port.h"

enum { CF9_SYSTEM = 0x02, CF9_RESET = 0x04, CF9_FULL = 0x08 };
enum { PORT92_INIT = 0x01, PORT92_A20 = 0x02 };

static struct reset_port *port_of(struct device *d)
{
    return container_of(d, struct reset_port, dev);
}

static void port_fire(struct reset_port *p)
{
    if (p->reset)
        p->reset(p->reset_ctx);
}

static enum io_result port_io(struct device *d, unsigned region, struct io_access *a)
{
    struct reset_port *p = port_of(d);
    if (a->size != 1) /* a 32-bit access to CF8h belongs to PCI configuration */
        return IO_UNCLAIMED;
    u8 *reg = region == RESET_PORT_CF9 ? &p->control : &p->port92;
    if (!a->write) {
        a->val = *reg;
        return IO_OK;
    }
    u8 v = (u8)a->val;
    u8 rising = v & ~*reg;
    if (region == RESET_PORT_CF9) {
        p->control = v & (CF9_SYSTEM | CF9_FULL);
        if (rising & CF9_RESET)
            port_fire(p);
    } else {
        p->port92 = v & (PORT92_A20 | PORT92_INIT);
        if (rising & PORT92_INIT)
            port_fire(p);
    }
    return IO_OK;
}

static void port_reset(struct device *d, enum reset_kind kind)
{
    struct reset_port *p = port_of(d);
    (void)kind;
    p->control = 0;
    p->port92 = PORT92_A20;
}

static int port_init(struct device *d, struct err *e)
{
    (void)e;
    port_reset(d, RESET_COLD);
    return 0;
}

static const struct reg_desc port_regs[] = {
    {"RST_CNT", RESET_PORT_CF9, 0, 1, 0, CF9_SYSTEM | CF9_FULL, 0, "ICH9 13.7.5"},
    {"PORT92", RESET_PORT_92, 0, 1, PORT92_A20, PORT92_A20 | PORT92_INIT, 0, "ICH9 13.7.2"},
    {0},
};

static const struct state_desc port_state[] = {
    STATE_FIELD(struct reset_port, control, STATE_U8),
    STATE_FIELD(struct reset_port, port92, STATE_U8),
    STATE_END,
};

const struct device_type reset_port_type = {
    .name = "reset_port",
    .description = "reset control register and system control port A",
    .size = sizeof(struct reset_port),
    .regs = port_regs,
    .state = port_state,
    .init = port_init,
    .io = port_io,
    .reset = port_reset,
};
