/* SPDX-License-Identifier: BSD-2-Clause */
/* The seccomp agent: who listens at listenerPath and answers the container's system calls. */
#ifndef CONTAINER_SECCOMP_AGENT_H
#define CONTAINER_SECCOMP_AGENT_H

#include "container/inner.h"
#include "container/state.h"

/* Connects, when the program names an agent. One that no rule would ever ask may be absent; when it
 * is there it gets the listener all the same. */
int seccomp_agent_open(struct inner *in, struct seccomp_program *p, struct err *e) must_check;
/* Writes the message that goes with the listener; pid: the process that will load the filter. */
int seccomp_agent_describe(struct inner *in, const struct seccomp_program *p, const struct state *s,
                           enum status status, pid_t pid, struct err *e) must_check;
void seccomp_agent_close(struct inner *in);

#endif
