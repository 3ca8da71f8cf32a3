/* SPDX-License-Identifier: BSD-2-Clause */
/* Two ways to reset a PC: the reset control register at CF9h (the FADT's RESET_REG) and the fast
 * reset of system control port A at 92h, which also holds the A20 gate. */
#ifndef DEVICE_MISC_RESET_PORT_H
#define DEVICE_MISC_RESET_PORT_H

#include "vm/device.h"

enum { RESET_PORT_CF9, RESET_PORT_92 };
enum { RESET_PORT_VALUE = 0x06 }; /* what the FADT tells the guest to write */

struct reset_port {
    struct device dev;
    void (*reset)(void *ctx); /* handed in before init */
    void *reset_ctx;

    u8 control; /* CF9h */
    u8 port92;
};

extern const struct device_type reset_port_type;

#endif
