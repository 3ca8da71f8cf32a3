/* SPDX-License-Identifier: BSD-2-Clause */
/* Keyboard controller with a keyboard on its first port and nothing on the second. Every command
 * gets its answer at once, so a driver that probes never waits for a time-out. Keys come with a
 * display; today the keyboard only answers. */
#ifndef DEVICE_MISC_I8042_H
#define DEVICE_MISC_I8042_H

#include "vm/device.h"

enum { I8042_DATA, I8042_COMMAND }; /* regions: ports 60 and 64 */
enum { I8042_QUEUE = 16 };

struct i8042 {
    struct device dev;
    /* Handed in before init. */
    struct irq_line irq; /* IRQ 1 */
    void (*reset)(void *ctx);
    void *reset_ctx;

    u8 ram[32]; /* [0] is the command byte */
    u8 output_port;
    u8 data, status; /* output buffer; its status bits */
    u8 expects;      /* controller command whose argument comes through port 60; 0: none */
    u8 kbd_expects;  /* keyboard command whose argument comes next; 0: none */
    u8 kbd_last;     /* for RESEND */
    u8 scancode_set;
    bool scanning;
    u8 queue[I8042_QUEUE]; /* from the keyboard, behind the output buffer */
    u8 queue_head, queue_count;
};

extern const struct device_type i8042_type;

#endif
