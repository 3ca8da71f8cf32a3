/* SPDX-License-Identifier: BSD-2-Clause */
/* Port 80h: a byte of progress for a display that is not there. Drivers write to it for the
 * microsecond such a write takes on a real bus. */
#ifndef DEVICE_MISC_POST_PORT_H
#define DEVICE_MISC_POST_PORT_H

#include "vm/device.h"

struct post_port {
    struct device dev;
    u8 code;
};

extern const struct device_type post_port_type;

#endif
