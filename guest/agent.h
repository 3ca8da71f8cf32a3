/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts of the agent. Every descriptor but the command's own is non-blocking and close-on-exec;
 * -1 is a closed one. */
#ifndef GUEST_AGENT_H
#define GUEST_AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "machine/agent_protocol.h"

enum { RELAY_SIZE = 32 * 1024 };

struct ports {
    int control, in, out, error;
};
/* Waits for the named ports and opens them. 0, or -errno when they do not come. */
int ports_open(struct ports *p);
/* "CONTROL,IN,OUT,ERR" */
int ports_parse(struct ports *p, const char *text);

/* Bytes on their way from one descriptor to another. */
struct relay {
    int from, to;
    size_t start, end; /* in bytes */
    bool ended;        /* from has no more */
    uint8_t bytes[RELAY_SIZE];
};
bool relay_wants_read(const struct relay *r);
bool relay_wants_write(const struct relay *r);
/* Moves what goes without blocking; closes `to` behind the last byte if own_to. */
void relay_move(struct relay *r, bool own_to);
/* Nothing can be read now, and all that was is written. */
bool relay_idle(const struct relay *r);

struct command {
    pid_t pid;
    int in;         /* we write; -1 with a terminal's: see out */
    int out, error; /* we read */
    bool terminal;  /* in and out are the terminal's other side */
};
/* Starts what a valid START asks for. 0, or the errno of what failed. */
int command_start(struct command *c, const struct agent_message *m, const struct agent_start *s);
void command_signal(const struct command *c, uint32_t number);
void command_resize(const struct command *c, const struct agent_window *w);

#endif
