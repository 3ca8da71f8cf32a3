/* SPDX-License-Identifier: BSD-2-Clause */
/* Namespaces: entering and making them. */
#include "container/spawn.h"

#include "container/channel.h"
#include "container/child.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

static const u64 flag_of[NS_KINDS] = {
    [NS_USER] = CLONE_NEWUSER,     [NS_MOUNT] = CLONE_NEWNS, [NS_PID] = CLONE_NEWPID,
    [NS_NET] = CLONE_NEWNET,       [NS_IPC] = CLONE_NEWIPC,  [NS_UTS] = CLONE_NEWUTS,
    [NS_CGROUP] = CLONE_NEWCGROUP, [NS_TIME] = CLONE_NEWTIME};
static const char *const proc_names[NS_KINDS] = {
    [NS_USER] = "user", [NS_MOUNT] = "mnt", [NS_PID] = "pid",       [NS_NET] = "net",
    [NS_IPC] = "ipc",   [NS_UTS] = "uts",   [NS_CGROUP] = "cgroup", [NS_TIME] = "time"};

static bool is_own(int fd, enum ns_kind k)
{
    char path[40];
    struct stat a, b;
    snprintf(path, sizeof path, "/proc/self/ns/%s", proc_names[k]);
    return !fstat(fd, &a) && !stat(path, &b) && a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

static void join_nothing(struct spawn *s)
{
    for (unsigned k = 0; k < NS_KINDS; k++)
        s->join[k] = -1;
}

int spawn_prepare(struct spawn *s, const struct config *c, struct err *e)
{
    join_nothing(s);
    for (unsigned k = 0; k < NS_KINDS; k++) {
        const struct ns_request *q = &c->ns[k];
        if (!q->wanted)
            continue;
        if (q->path) {
            s->join[k] = open(q->path, O_RDONLY | O_CLOEXEC);
            if (s->join[k] < 0)
                return fail(e, "open namespace `%s`", q->path);
            /* Entering one's own user namespace is refused by the kernel, and needless. */
            if (k == NS_USER && is_own(s->join[k], k)) {
                close(s->join[k]);
                s->join[k] = -1;
            }
        } else if (k == NS_TIME) {
            s->new_time = true;
        } else if (k != NS_CGROUP) {
            s->create |= flag_of[k];
        }
    }
    return 0;
}

int spawn_prepare_join(struct spawn *s, pid_t pid, struct err *e)
{
    join_nothing(s);
    for (unsigned k = 0; k < NS_KINDS; k++) {
        char path[48];
        snprintf(path, sizeof path, "/proc/%d/ns/%s", (int)pid, proc_names[k]);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 && errno == ENOENT && !access("/proc/self/ns", F_OK) &&
            (k == NS_TIME || k == NS_CGROUP))
            continue; /* this kernel has no such namespaces */
        if (fd < 0)
            return fail(e, "open namespace `%s`", path);
        if (is_own(fd, k))
            close(fd);
        else
            s->join[k] = fd;
    }
    return 0;
}

void spawn_close(struct spawn *s)
{
    for (unsigned k = 0; k < NS_KINDS; k++)
        if (s->join[k] >= 0)
            close(s->join[k]);
    join_nothing(s);
}

/* The init is born in its version 2 group. Where that cannot be (an older kernel, a user namespace
 * that does not own the group), it moves there itself. */
static pid_t clone_process(u64 flags, struct inner *in)
{
    struct clone_args a = {.flags = flags, .exit_signal = flags & CLONE_PARENT ? 0 : SIGCHLD};
    if (in && in->doors && in->doors->v2 >= 0) {
        a.flags |= CLONE_INTO_CGROUP;
        a.cgroup = (u64)in->doors->v2;
        long pid = syscall(SYS_clone3, &a, sizeof a);
        if (pid >= 0)
            return (pid_t)pid;
        a.flags = flags;
        a.cgroup = 0;
        in->enter_v2 = true;
    }
    return (pid_t)syscall(SYS_clone3, &a, sizeof a);
}

/* What can be entered with the privileges of now is entered; the rest is left for after the user
 * namespace, which may own it. The mount namespace comes last: the paths of others end there. */
static int join_namespaces(struct spawn *s, bool last, struct err *e)
{
    static const enum ns_kind order[] = {NS_IPC,    NS_UTS,  NS_NET,  NS_PID,
                                         NS_CGROUP, NS_TIME, NS_MOUNT};
    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        enum ns_kind k = order[i];
        if (s->join[k] < 0)
            continue;
        if (setns(s->join[k], (int)flag_of[k])) {
            if (!last && errno == EPERM)
                continue;
            return fail(e, "join the %s namespace", proc_names[k]);
        }
        close(s->join[k]);
        s->join[k] = -1;
    }
    return 0;
}

static int become_namespace_root(struct err *e)
{
    if (setgroups(0, NULL) && errno != EPERM)
        return fail(e, "setgroups in the user namespace");
    if (setresgid(0, 0, 0) || setresuid(0, 0, 0))
        return fail(e, "become root of the user namespace");
    /* The change hid our /proc entries from ourselves; timens_offsets is one of them. */
    prctl(PR_SET_DUMPABLE, 1);
    return 0;
}

static int enter_user_namespace(struct spawn *s, struct err *e)
{
    if (s->join[NS_USER] >= 0) {
        /* From here on processes of the container could look into us. */
        prctl(PR_SET_DUMPABLE, 0);
        if (setns(s->join[NS_USER], CLONE_NEWUSER))
            return fail(e, "join the user namespace");
        if (setgroups(0, NULL) && errno != EPERM)
            return fail(e, "setgroups in the user namespace");
        if (setresgid(0, 0, 0) || setresuid(0, 0, 0))
            return fail(e, "become root of the user namespace");
        prctl(PR_SET_DUMPABLE, 0);
        return 0;
    }
    if (!(s->create & CLONE_NEWUSER))
        return 0;
    if (unshare(CLONE_NEWUSER))
        return fail(e, "create a user namespace");
    s->create &= ~(u64)CLONE_NEWUSER;
    int r = channel_ask(s->inner->channel, MSG_MAP_IDS, 0, e);
    if (!r)
        r = become_namespace_root(e);
    s->inner->map_ids = false;
    return r;
}

static int make_time_namespace(const struct config *c, struct err *e)
{
    char text[64];
    if (unshare(CLONE_NEWTIME))
        return fail(e, "create a time namespace");
    for (unsigned i = 0; i < 2; i++) {
        bool wanted = i ? c->boottime.wanted : c->monotonic.wanted;
        i64 secs = i ? c->boottime.secs : c->monotonic.secs;
        i64 nsecs = i ? c->boottime.nsecs : c->monotonic.nsecs;
        if (!wanted)
            continue;
        snprintf(text, sizeof text, "%s %lld %lld", i ? "boottime" : "monotonic", (long long)secs,
                 (long long)nsecs);
        int r = file_write(AT_FDCWD, "/proc/self/timens_offsets", text, e);
        if (r)
            return r;
    }
    return 0;
}

/* The helper: enters and makes what must be there before the init is born in it. The init gets the
 * runtime as its parent, so that waiting for it works. */
static void helper_main(struct spawn *s)
{
    struct err e = {0};
    int r;
    if (!(r = join_namespaces(s, false, &e)) && !(r = enter_user_namespace(s, &e)) &&
        !(r = join_namespaces(s, true, &e)) && s->new_time)
        r = make_time_namespace(s->inner->config, &e);
    pid_t pid = r ? 0 : clone_process(s->create | CLONE_PARENT, s->inner);
    if (!r && !pid) {
        inner_main(s->inner);
        child_exit(1);
    }
    if (!r && pid < 0)
        r = fail(&e, "create the container's process");
    if (r)
        (void)!channel_send(s->inner->channel, MSG_ERROR, r, e.text);
    else
        (void)!channel_send(s->inner->channel, MSG_PID, pid, NULL);
}

/* Without a helper: the init enters and makes what it need not be born in. Network namespaces take
 * longest of all to make; the runtime meanwhile makes the groups. */
static void init_main(struct spawn *s)
{
    struct err e;
    int r = s->late && unshare((int)s->late) ? fail(&e, "create namespaces")
                                             : join_namespaces(s, true, &e);
    if (r)
        (void)!channel_send(s->inner->channel, MSG_ERROR, r, e.text);
    else
        inner_main(s->inner);
}

/* A process gets other pids and another clock only by being born, and privileges over what a user
 * namespace owns only inside it. */
static bool needs_helper(const struct spawn *s)
{
    bool joins = false;
    for (unsigned k = 0; k < NS_KINDS; k++)
        joins |= s->join[k] >= 0;
    return s->new_time || s->join[NS_USER] >= 0 || s->join[NS_PID] >= 0 || s->join[NS_TIME] >= 0 ||
           (joins && s->create & CLONE_NEWUSER);
}

int spawn_start(struct spawn *s, pid_t *child, bool *indirect, struct err *e)
{
    *indirect = needs_helper(s);
    s->inner->map_ids = s->create & CLONE_NEWUSER;
    s->late = *indirect || s->inner->map_ids ? 0 : s->create & ~(u64)CLONE_NEWPID;
    pid_t pid = *indirect ? clone_process(0, NULL) : clone_process(s->create & ~s->late, s->inner);
    if (pid < 0)
        return fail(e, "create the container's process");
    if (!pid) {
        close(s->runtime_end);
        if (*indirect)
            helper_main(s);
        else
            init_main(s);
        child_exit(*indirect ? 0 : 1);
    }
    *child = pid;
    return 0;
}
