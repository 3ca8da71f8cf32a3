/* SPDX-License-Identifier: BSD-2-Clause */
/* Checkpoints by CRIU, through libcriu, which is loaded when it is asked for. */
#ifndef CONTAINER_CRIU_H
#define CONTAINER_CRIU_H

#include "container/config.h"

struct checkpoint {
    const char *images, *work, *parent; /* directories; work: logs, NULL: images */
    bool leave_running, tcp_established, ext_unix_sk, shell_job, file_locks, pre_dump;
    const char *cgroups; /* soft, full, strict, ignore; NULL: soft */
};

/* Writes the images of the container whose init is pid. freezer: the directory of its group that
 * can be frozen, or NULL. */
int criu_checkpoint(const struct checkpoint *o, const struct config *c, const char *rootfs,
                    pid_t pid, const char *freezer, struct err *e) must_check;
/* Makes the processes anew, below a root that is mounted in a namespace of the caller's own.
 * console: a socket that gets the terminal, or -1. *pid: the init, a child of ours. */
int criu_restore(const struct checkpoint *o, const struct config *c, const char *rootfs,
                 int console, pid_t *pid, struct err *e) must_check;

#endif
