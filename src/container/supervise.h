/* SPDX-License-Identifier: BSD-2-Clause */
/* The runtime's side of setting a process up, common to create and exec; and staying in the
 * foreground with it. */
#ifndef CONTAINER_SUPERVISE_H
#define CONTAINER_SUPERVISE_H

#include "container/channel.h"
#include "container/spawn.h"

struct supervision {
    struct spawn *spawn;
    int channel;        /* our end */
    pid_t helper;       /* 0: none */
    pid_t pid;          /* the init; 0: not known yet */
    const char *cgroup; /* told with MSG_GO when it was not known before; or NULL */
};

/* Starts the process and goes on until its pid is known (and its ids are mapped when that must be
 * earlier). maps: of a new user namespace. */
int supervise_start(struct supervision *s, const struct config *c, struct err *e) must_check;
struct supervision_calls {
    int (*hooks)(void *ctx, struct err *e);    /* for MSG_HOOKS */
    int (*prepared)(void *ctx, struct err *e); /* for MSG_PREPARED: while it changes its root */
};
/* Lets it go, with these descriptors, and serves it until it is ready (MSG_READY) or has executed
 * its program (MSG_EOF). */
int supervise_finish(struct supervision *s, const struct config *c, const int *fds, unsigned n,
                     const struct supervision_calls *calls, void *ctx, enum message *how,
                     struct err *e) must_check;
/* After a failure r of ours: if the process has said why it ended, that is the reason. */
int supervise_explain(struct supervision *s, int r, struct err *e) must_check;
/* Kills what was started and reaps it. */
void supervise_abandon(struct supervision *s);

int write_pid_file(const char *path, pid_t pid, struct err *e) must_check;
/* A descriptor of the process for who listens at path; NULL: nobody. */
int send_pidfd(const char *path, pid_t pid, struct err *e) must_check;
/* A connection to the socket at path. */
int connect_to(const char *path, struct err *e) must_check;
/* Waits for pid, passing signals on and, with a terminal (else -1), its bytes and size. Signals
 * that arrived since foreground_prepare count. Returns an exit status as a shell has it. */
int foreground_prepare(struct err *e) must_check;
int foreground_wait(int signals, pid_t pid, int terminal, int *status, struct err *e) must_check;

#endif
