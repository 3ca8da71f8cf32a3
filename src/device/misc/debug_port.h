/* SPDX-License-Identifier: BSD-2-Clause */
/* One-way console of firmware and small kernels: a byte written to the port is output. */
#ifndef DEVICE_MISC_DEBUG_PORT_H
#define DEVICE_MISC_DEBUG_PORT_H

#include "host/chardev_if.h"
#include "vm/device.h"

/* Bochs's port, and the one OVMF and SeaBIOS use. */
enum { DEBUG_PORT_BOCHS = 0xe9, DEBUG_PORT_FIRMWARE = 0x402 };

struct debug_port {
    struct device dev;
    struct chardev *chardev; /* handed in before init */
};

extern const struct device_type debug_port_type;

#endif
