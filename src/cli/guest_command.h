/* SPDX-License-Identifier: BSD-2-Clause */
/* `-- COMMAND` of doppel run: the user's standard streams, signals and terminal size, connected to
 * a command in the guest. */
#ifndef CLI_GUEST_COMMAND_H
#define CLI_GUEST_COMMAND_H

#include "cli/run.h"
#include "machine/agent.h"

struct guest_command {
    struct agent *agent;
    struct chardev *in, *out, *error;
    struct chardev
        *console;  /* kept when the user sends the kernel's console nowhere; the machine's */
    bool terminal; /* the command gets one, ours goes raw */
    bool ended;    /* with a status, or a reason why there is none */
    int status;
    char why[256];
    unsigned signals;        /* forwarded */
    void (*stop)(void *ctx); /* ends the machine; any thread */
    /* Standard output is gone for another reason than a reader that left. */
    void (*broken)(void *ctx, int error);
    void (*hung_up)(void *ctx); /* our terminal is gone */
    void *ctx;
};

/* Opens the streams and gives the machine its ports. stop, broken and ctx are set before; filter
 * sees the terminal's keys. */
int guest_command_open(struct guest_command *g, struct os_loop *loop, struct run_request *r,
                       size_t (*filter)(void *ctx, u8 *data, size_t n), struct err *e) must_check;
/* After the machine is gone and the loop has stopped. */
void guest_command_close(struct guest_command *g);
/* Passes a signal on; SIGWINCH as the new size. A third one ends the machine. */
void guest_command_signal(struct guest_command *g, int number);
/* Exit status after the machine's end; says why when the command did not run. */
int guest_command_status(const struct guest_command *g, bool by_user);

#endif
