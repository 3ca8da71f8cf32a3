/* SPDX-License-Identifier: BSD-2-Clause */
/* A command in the guest, as the monitor sees it: four ports of the virtio console, and what the
 * agent at their other end reports. */
#ifndef MACHINE_AGENT_H
#define MACHINE_AGENT_H

#include "machine/agent_protocol.h"
#include "machine/machine.h"

enum { AGENT_PORTS = 4 };

struct agent_config {
    char *const *arguments;   /* ended by NULL; at least one */
    char *const *environment; /* "NAME=value", ended by NULL; NULL: none */
    bool terminal; /* the command gets a pseudo-terminal; its errors come with its output */
    u16 columns, rows;
    struct chardev *in, *out, *error; /* the command's streams; the caller destroys them */
    /* On the loop's thread, once, one of them. exited: every byte of output was taken by `out` and
     * `error`; status as a shell would report it. failed: one line, why it could not be run. */
    void (*exited)(void *ctx, int status);
    void (*failed)(void *ctx, const char *why);
    void *ctx;
};

struct agent;

/* -E2BIG when the arguments do not fit into a message. */
int agent_create(struct agent **out, struct os_loop *loop, const struct agent_config *c,
                 struct err *e) must_check;
/* After the machine is gone and the loop has stopped. NULL is allowed. */
void agent_destroy(struct agent *a);
/* The ports for the machine's console. */
void agent_ports(struct agent *a, struct machine_port ports[AGENT_PORTS]);
/* The guest's end has reported for duty: before that there may be no agent in the guest at all. */
bool agent_is_there(struct agent *a);
/* Any thread; also before the command runs: it then gets the signal at its start. */
void agent_signal(struct agent *a, int number);
void agent_resize(struct agent *a, u16 columns, u16 rows);

#endif
