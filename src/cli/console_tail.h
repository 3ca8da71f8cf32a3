/* SPDX-License-Identifier: BSD-2-Clause */
/* Keeps the last lines of a console nobody watches, to be shown when something has gone wrong. */
#ifndef CLI_CONSOLE_TAIL_H
#define CLI_CONSOLE_TAIL_H

#include "base/err.h"
#include "host/chardev_if.h"

/* A back-end for a serial port; freed by chardev_destroy. */
int console_tail_create(struct chardev **out, struct err *e) must_check;
/* Writes the last lines to standard error. The machine has stopped. */
void console_tail_show(struct chardev *c, unsigned lines);

#endif
