/* SPDX-License-Identifier: BSD-2-Clause */
/* Waiting for the kernel to say that a group is out of memory. */
#ifndef CONTAINER_CGROUP_OOM_H
#define CONTAINER_CGROUP_OOM_H

#include "container/cgroup.h"

struct oom_watch {
    int fd;       /* readable when it may have happened; -1: nothing is watched */
    int counters; /* the file that counts */
    bool v2;
    i64 kills;    /* counted so far */
    bool awaited; /* told, and not counted yet */
};
#define OOM_WATCH_NONE ((struct oom_watch){.fd = -1, .counters = -1})

int cgroup_oom_watch(const char *path, struct oom_watch *w, struct err *e) must_check;
/* Whether it has happened since the last call; does not wait. */
bool cgroup_oom_happened(struct oom_watch *w);
void cgroup_oom_end(struct oom_watch *w);

#endif
