/* SPDX-License-Identifier: BSD-2-Clause */
/* That a group is out of memory. Version 1 tells it before it kills anybody, or when it may kill
 * nobody, and tells the end of the group the same way; version 2 counts those it has killed. Both
 * are read through descriptors of before: the container may be at its end, and gone by its name. */
#include "container/cgroup_oom.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>

/* The number after a word at the start of a line of the counters; -1 when the group has gone. */
static i64 read_counter(int file, const char *word)
{
    char text[512], *save = NULL;
    ssize_t n = pread(file, text, sizeof text - 1, 0);
    if (n < 0)
        return -1;
    text[n] = '\0';
    for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
        char name[32];
        i64 value;
        if (sscanf(l, "%31s %" SCNd64, name, &value) == 2 && !strcmp(name, word))
            return value;
    }
    return 0; /* kernels before 4.13 do not count on version 1 */
}

static int watch_v1(int dir, struct oom_watch *w, struct err *e)
{
    char text[40];
    w->counters = openat(dir, "memory.oom_control", O_RDONLY | O_CLOEXEC);
    if (w->counters < 0)
        return fail(e, "open memory.oom_control");
    w->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (w->fd < 0)
        return fail(e, "eventfd");
    snprintf(text, sizeof text, "%d %d", w->fd, w->counters);
    return file_write(dir, "cgroup.event_control", text, e);
}

static int watch_v2(int dir, struct oom_watch *w, struct err *e)
{
    char path[64];
    w->v2 = true;
    w->counters = openat(dir, "memory.events", O_RDONLY | O_CLOEXEC);
    if (w->counters < 0)
        return fail(e, "open memory.events");
    w->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (w->fd < 0)
        return fail(e, "inotify_init1");
    snprintf(path, sizeof path, "/proc/self/fd/%d/memory.events", dir);
    return inotify_add_watch(w->fd, path, IN_MODIFY) < 0 ? fail(e, "watch memory.events") : 0;
}

int cgroup_oom_watch(const char *path, struct oom_watch *w, struct err *e)
{
    const struct cgroup_host *host;
    int r = cgroup_host_read(&host, e);
    if (r)
        return r;
    const struct cgroup_hierarchy *h = cgroup_find(host, "memory");
    if (!h)
        return err_set(e, -ENOTSUP, "no memory control group is mounted");
    auto_close int dir = cgroup_open(h, path, e);
    if (dir < 0)
        return dir;
    *w = OOM_WATCH_NONE;
    r = h->v2 ? watch_v2(dir, w, e) : watch_v1(dir, w, e);
    if (r) {
        cgroup_oom_end(w);
        return err_wrap(e, "watch control group `%s` for lack of memory", path);
    }
    w->kills = MAX(read_counter(w->counters, "oom_kill"), (i64)0);
    return 0;
}

bool cgroup_oom_happened(struct oom_watch *w)
{
    char drained[4096];
    if (w->fd < 0)
        return false;
    /* In this order: what is counted by now has been told before. */
    i64 kills = read_counter(w->counters, "oom_kill");
    bool told = read(w->fd, drained, sizeof drained) > 0;
    if (kills < 0)
        return false;
    bool killed = kills > w->kills;
    w->kills = kills;
    if (w->v2)
        return killed;
    /* One lack of memory is told, and counted a little later. That of the whole host is counted
     * only. */
    bool again = killed && !told && w->awaited;
    w->awaited = told ? !killed : w->awaited && !killed;
    return told || (killed && !again);
}

void cgroup_oom_end(struct oom_watch *w)
{
    if (w->fd >= 0)
        close(w->fd);
    if (w->counters >= 0)
        close(w->counters);
    *w = OOM_WATCH_NONE;
}
