/* SPDX-License-Identifier: BSD-2-Clause */
/* Waiting for the kernel to say that a group is out of memory. */
#include "container/cgroup.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>

/* Version 1: an eventfd that is registered with the group. */
static int watch_v1(int dir, struct err *e)
{
    char text[40];
    auto_close int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    auto_close int control = openat(dir, "memory.oom_control", O_RDONLY | O_CLOEXEC);
    if (event < 0 || control < 0)
        return fail(e, "open memory.oom_control");
    snprintf(text, sizeof text, "%d %d", event, control);
    int r = file_write(dir, "cgroup.event_control", text, e);
    return r ? r : steal_fd(&event);
}

static int watch_v2(int dir, struct err *e)
{
    char path[64];
    auto_close int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (fd < 0)
        return fail(e, "inotify_init1");
    snprintf(path, sizeof path, "/proc/self/fd/%d/memory.events", dir);
    return inotify_add_watch(fd, path, IN_MODIFY) < 0 ? fail(e, "watch memory.events")
                                                      : steal_fd(&fd);
}

int cgroup_oom_watch(const char *path, struct err *e)
{
    const struct cgroup_host *host;
    int r = cgroup_host_read(&host, e);
    if (r)
        return r;
    const struct cgroup_hierarchy *h = cgroup_find(host, "memory");
    if (!h)
        return err_set(e, -ENOTSUP, "no memory control group is mounted");
    auto_close int dir = cgroup_open(h, path, e);
    return dir < 0 ? dir : h->v2 ? watch_v2(dir, e) : watch_v1(dir, e);
}
