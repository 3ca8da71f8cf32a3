/* SPDX-License-Identifier: BSD-2-Clause */
/* The order of things inside the namespaces. */
#include "container/inner.h"

#include "container/channel.h"
#include "container/child.h"
#include "container/process_cpus.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/keyctl.h>
#include <linux/magic.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

/* Root of the user namespace: what may set the container up. */
static int become_root(struct inner *in, struct err *e)
{
    if (!in->userns)
        return 0;
    if (setgroups(0, NULL) && errno != EPERM) /* refused where setgroups is "deny" */
        return fail(e, "setgroups in the user namespace");
    if (setresgid(0, 0, 0) || setresuid(0, 0, 0))
        return fail(e, "become root of the user namespace");
    return 0;
}

/* Nobody in the container may trace us or use our /proc entries before execve. */
static int hide(struct err *e)
{
    return prctl(PR_SET_DUMPABLE, 0) ? fail(e, "prctl PR_SET_DUMPABLE") : 0;
}

/* The session key ring is a name space of its own: without a new one the container would see the
 * caller's keys. */
static int join_keyring(struct inner *in, int proc, struct err *e)
{
    static const char file[] = "thread-self/attr/keycreate";
    const char *label = in->process ? in->process->selinux : NULL;
    char name[300];
    int r = 0;
    if (in->no_new_keyring)
        return 0;
    snprintf(name, sizeof name, "_ses.%s", in->id);
    /* The ring is the program's, not ours: it gets the label that the program will have. */
    if (label && *label && (r = process_write_label(proc, file, label, e)))
        return r;
    if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name) < 0 && errno != ENOSYS &&
        errno != EDQUOT && errno != EPERM)
        return fail(e, "join a new session keyring");
    return label && *label ? process_write_label(proc, file, "\n", e) : 0; /* the default again */
}

static int set_names(struct inner *in, struct err *e)
{
    const struct config *c = in->config;
    if (c->hostname && sethostname(c->hostname, strlen(c->hostname)))
        return fail(e, "set the host name");
    if (c->domainname && setdomainname(c->domainname, strlen(c->domainname)))
        return fail(e, "set the domain name");
    return 0;
}

/* The group namespace shows the group one is in at its creation: only now is it the right one. */
static int enter_cgroup_namespace(struct inner *in, struct err *e)
{
    const struct ns_request *q = &in->config->ns[NS_CGROUP];
    if (!q->wanted || q->path)
        return 0;
    return unshare(CLONE_NEWCGROUP) ? fail(e, "create a cgroup namespace") : 0;
}

/* procfs as the host has it, checked: later /proc is the container's. */
static int open_proc(struct err *e)
{
    struct statfs fs;
    int fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return fail(e, "open /proc");
    if (fstatfs(fd, &fs) || fs.f_type != PROC_SUPER_MAGIC) {
        close(fd);
        return err_set(e, -EINVAL, "/proc is not a procfs");
    }
    return fd;
}

/* The first process of a pid namespace is spared the signals it does not handle: a container that
 * waits for its start could only be killed. Before anybody can call it created. */
static void end_on_signals(void)
{
    static const int ending[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
    for (size_t i = 0; i < ARRAY_LEN(ending); i++)
        child_exit_on(ending[i]);
}

static int wait_for_start(struct inner *in, struct err *e)
{
    char c;
    ssize_t n;
    if (in->start < 0)
        return 0;
    do
        n = read(in->start, &c, 1);
    while (n < 0 && errno == EINTR);
    return n == 1 ? 0 : fail(e, "wait for start");
}

int inner_join_groups(struct inner *in, struct err *e)
{
    struct packet p;
    int fds[CHANNEL_FDS], r;
    unsigned n = CHANNEL_FDS;
    if (in->in_group)
        return 0;
    if ((r = channel_receive_fds(in->channel, &p, fds, &n)) || p.type != MSG_GO)
        return err_set(e, r ? r : -ECONNRESET, "the runtime has gone");
    in->in_group = true;
    if (in->state) /* our own getpid() is another number in a pid namespace */
        json_object_set_new(in->state, "pid", json_integer(p.value));
    if (p.text[0] && !(in->cgroup = strdup(p.text)))
        return err_set(e, -ENOMEM, "out of memory");
    if (in->waits && !n)
        return err_set(e, -EPROTO, "the runtime sent no start FIFO");
    if (in->waits)
        in->start = fds[--n];
    for (unsigned i = 0; i < n && in->doors->n < ARRAY_LEN(in->doors->v1); i++)
        in->doors->v1[in->doors->n++] = fds[i];
    r = cgroup_enter(in->doors, in->enter_v2, e);
    if (!in->joined || (in->process && !in->process->cpus_initial))
        process_reset_cpus();
    cgroup_doors_close(in->doors);
    if (r || in->joined)
        return r;
    /* The runtime listens from now on. Hooks and sysctls find the devices in place. */
    if (in->config->net_devices && (r = channel_ask(in->channel, MSG_NETWORK, 0, e)))
        return r;
    return enter_cgroup_namespace(in, e);
}

static int go(struct inner *in, struct err *e)
{
    int r;
    char program[4096];
    if (in->map_ids && (r = channel_ask(in->channel, MSG_MAP_IDS, 0, e)))
        return r;
    setsid(); /* fails only when we lead a session already */
    umask(0);
    auto_close int proc =
        in->joined ? open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC) : open_proc(e);
    if (proc < 0 && !in->joined)
        return proc;
    if ((r = become_root(in, e)) || (r = hide(e)) || (r = join_keyring(in, proc, e)))
        return r;
    if (!in->joined && (r = set_names(in, e)))
        return r;
    if (in->joined && (r = inner_join_groups(in, e)))
        return r;
    if (!in->joined) {
        r = rootfs_setup(in, proc, e);
    } else if (in->process && in->process->terminal) {
        auto_close int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        r = root < 0 ? fail(e, "open /") : console_setup(in, root, e);
    }
    if (r)
        return r;
    umask(022);
    /* Needed only to start: until then a container without a program is a container. */
    if (in->process && ((r = process_environment(in, e)) ||
                        (r = process_find_program(in->process, program, sizeof program, e))))
        return r;
    if (in->waits) {
        if (in->start >= 0)
            end_on_signals();
        if ((r = channel_ask(in->channel, MSG_READY, 0, e)))
            return r;
        close(in->channel); /* the runtime may go */
        in->channel = -1;
        if ((r = wait_for_start(in, e)))
            return r;
        if (!in->process)
            return err_set(e, -EINVAL, "config: `process` is missing");
    }
    return process_become(in, proc, e);
}

void inner_main(struct inner *in)
{
    struct err e = {0};
    signal(SIGPIPE, SIG_IGN);
    kept_fds_close_others(&in->kept);
    for (size_t i = 0; i < ARRAY_LEN(in->foreign); i++)
        if (in->foreign[i] >= 0)
            close(in->foreign[i]);
    int r = go(in, &e);
    if (in->channel >= 0)
        (void)!channel_send(in->channel, MSG_ERROR, r, e.text);
    else if (in->start >= 0 && !write_all(in->start, "!", 1))
        (void)!write_all(in->start, e.text, strlen(e.text));
}
