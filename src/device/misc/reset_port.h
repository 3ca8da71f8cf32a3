/* SPDX-License-Identifier: BSD-2-Clause */
/* System control port A at 92h: the fast reset of a PS/2 and its A20 gate. The other reset port,
 * CF9h, lies among the ports of PCI configuration and is the host bridge's (device/pci/host.c). */
#ifndef DEVICE_MISC_RESET_PORT_H
#define DEVICE_MISC_RESET_PORT_H

#include "vm/device.h"

enum { RESET_PORT_92 };           /* region */
enum { RESET_PORT_VALUE = 0x06 }; /* what the FADT tells the guest to write to CF9h */

struct reset_port {
    struct device dev;
    void (*reset)(void *ctx); /* handed in before init */
    void *reset_ctx;

    u8 port92;
};

extern const struct device_type reset_port_type;

#endif
