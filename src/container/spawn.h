/* SPDX-License-Identifier: BSD-2-Clause */
/* Starting the process that becomes the container's, in the namespaces it is to have. */
#ifndef CONTAINER_SPAWN_H
#define CONTAINER_SPAWN_H

#include "container/inner.h"

struct spawn {
    struct inner *inner;
    int join[NS_KINDS]; /* descriptors of namespaces to enter; -1: none */
    u64 create;         /* CLONE_NEW flags of those to make (not of time and cgroup) */
    u64 late;           /* of them: those the init makes itself */
    bool new_time;
    int runtime_end; /* of the channel: closed in the child, or it never sees the runtime die */
};

/* Namespaces of a configuration; descriptors opened here are closed by spawn_close. */
int spawn_prepare(struct spawn *s, const struct config *c, struct err *e) must_check;
/* The namespaces of a running process, except those we are in already. */
int spawn_prepare_join(struct spawn *s, pid_t pid, struct err *e) must_check;
void spawn_close(struct spawn *s);
/* Returns the first child. It is the init itself, or (then *indirect) a helper that announces the
 * init with MSG_PID on the channel and ends. The init is our child in both cases. */
int spawn_start(struct spawn *s, pid_t *child, bool *indirect, struct err *e) must_check;

#endif
