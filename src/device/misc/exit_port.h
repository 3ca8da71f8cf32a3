/* SPDX-License-Identifier: BSD-2-Clause */
/* A port that ends the machine: the value written is its exit status. Test guests use it. */
#ifndef DEVICE_MISC_EXIT_PORT_H
#define DEVICE_MISC_EXIT_PORT_H

#include "vm/device.h"

enum { EXIT_PORT_DEFAULT = 0xf4, EXIT_PORT_SIZE = 4 };

struct exit_port {
    struct device dev;
    void (*exit)(void *ctx, int status); /* handed in before init */
    void *exit_ctx;
    u64 port; /* option: where the machine puts it */
};

extern const struct device_type exit_port_type;

#endif
