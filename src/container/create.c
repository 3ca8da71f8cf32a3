/* SPDX-License-Identifier: BSD-2-Clause */
/* create and run. Every step is recorded before it is taken, so that whoever comes after a runtime
 * that was killed can undo it. */
#include "container/runtime.h"

#include "container/cgroup.h"
#include "container/cgroup_devices.h"
#include "container/criu.h"
#include "container/hooks.h"
#include "container/intel_rdt.h"
#include "container/landlock.h"
#include "container/mount_source.h"
#include "container/mounts.h"
#include "container/rootfs_devices.h"
#include "container/seccomp_agent.h"
#include "container/seccomp_cache.h"
#include "container/selinux.h"
#include "container/supervise.h"
#include "container/systemd.h"
#include "container/userns.h"

#include "base/log.h"
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

struct creation {
    const struct runtime *rt;
    const struct create_options *options;
    struct config config;
    struct state state;
    struct container_dir dir;
    struct seccomp_program seccomp;
    const struct cgroup_host *cgroups;
    struct scope scope;
    struct cgroup_doors doors;
    struct inner inner;
    struct spawn spawn;
    struct supervision supervision;
    char *config_text;
    json_t *inner_state;
    int *prepared, *devices;
    int start;    /* the FIFO */
    int terminal; /* run in the foreground: our end of the console connection, later the master */
    bool rootless, cgroup_made, dir_made;
};

static char *now_text(void)
{
    struct timespec t;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &t);
    gmtime_r(&t.tv_sec, &tm);
    return print_new("%04d-%02d-%02dT%02d:%02d:%02d.%09ldZ", tm.tm_year + 1900, tm.tm_mon + 1,
                     tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, t.tv_nsec);
}

static char *owner_name(void)
{
    return geteuid() ? print_new("%u", (unsigned)geteuid()) : strdup("root");
}

/* The bundle becomes the working directory: relative paths in config.json mean it. */
static int read_bundle(struct creation *c, struct err *e)
{
    const struct create_options *o = c->options;
    char bundle[PATH_MAX];
    struct stat st;
    if (!realpath(o->bundle ? o->bundle : ".", bundle))
        return fail(e, "bundle `%s`", o->bundle);
    if (chdir(bundle))
        return fail(e, "bundle `%s`", bundle);
    int r =
        file_read(AT_FDCWD, o->config ? o->config : "config.json", CONFIG_MAX, &c->config_text, e);
    if (r || (r = config_parse(&c->config, c->config_text, strlen(c->config_text), e)))
        return r;
    char *rootfs = realpath(c->config.root, NULL);
    if (!rootfs)
        return fail(e, "root file system `%s`", c->config.root);
    c->state.bundle = strdup(bundle);
    c->state.rootfs = rootfs;
    if (stat(rootfs, &st) || !S_ISDIR(st.st_mode))
        return err_set(e, -ENOTDIR, "root file system `%s` is not a directory", rootfs);
    return 0;
}

static int check(struct creation *c, struct err *e)
{
    const struct config *k = &c->config;
    const struct create_options *o = c->options;
    struct mount_options parsed;
    int r;
    if (k->has_process && k->process.terminal && !o->console_socket && o->detach)
        return err_set(e, -EINVAL, "a terminal needs --console-socket when detached");
    if (k->has_process && !k->process.terminal && o->console_socket)
        return err_set(e, -EINVAL, "--console-socket needs `process.terminal` to be true");
    for (size_t i = 0; i < k->mount_count; i++)
        if ((r = mount_options_parse(k->mounts[i].options, &parsed, e)))
            return r;
    if (geteuid() && !k->ns[NS_USER].wanted)
        return err_set(e, -EPERM, "an ordinary user needs a user namespace in config.json");
    if ((r = selinux_check_label(k->mount_label, "linux.mountLabel", e)) ||
        (r = selinux_check_label(k->process.selinux, "process.selinuxLabel", e)))
        return r;
    if ((r = landlock_check(k, e)) || (r = sysctl_check(k, e)) ||
        (r = intel_rdt_check_host(k->intel_rdt, o->id, e)))
        return r;
    if (c->rt->systemd && (r = systemd_scope_parse(k->cgroups_path, o->id, &c->scope, e)))
        return r;
    r = device_rules_check(k->resources, e);
    if (!r && k->seccomp)
        r = seccomp_cache_compile(c->dir.root, k->seccomp, &c->seccomp, e);
    return r;
}

/* The copy is what exec, update and the late hooks read: the bundle may change. */
static int keep_config(struct creation *c, struct err *e)
{
    auto_close int fd =
        openat(c->dir.fd, "config.json", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int r = fd < 0 ? -errno : write_all(fd, c->config_text, strlen(c->config_text));
    return r ? err_set(e, r, "keep the configuration: %s", err_name(r)) : 0;
}

static int record(struct creation *c, struct err *e)
{
    int r;
    if ((r = container_dir_create(&c->dir, c->dir.root, c->options->id, e)))
        return r;
    c->dir_made = true;
    struct state *s = &c->state;
    s->id = strdup(c->options->id);
    s->created = now_text();
    s->owner = owner_name();
    s->annotations = json_incref(c->config.annotations);
    s->creator = getpid();
    s->own_pids = c->config.ns[NS_PID].wanted && !c->config.ns[NS_PID].path;
    s->resctrl = intel_rdt_owned(c->config.intel_rdt, s->id);
    s->late_hooks = c->config.hooks[HOOK_POSTSTART].n || c->config.hooks[HOOK_POSTSTOP].n;
    if ((r = process_start_time(s->creator, &s->creator_start)))
        return err_set(e, r, "read the own start time");
    if (c->rt->systemd)
        s->scope = strdup(c->scope.unit);
    else if (!c->rt->cgroups_disabled &&
             (r = cgroup_path(c->config.cgroups_path, s->id, &s->cgroup, e)))
        return r;
    return state_save(s, &c->dir, e);
}

/* What else is in the state directory: the copy, and the FIFO the init will wait at. */
static int furnish(struct creation *c, struct err *e)
{
    int r = keep_config(c, e);
    if (r)
        return r;
    if (mkfifoat(c->dir.fd, "exec.fifo", 0600))
        return fail(e, "create the start FIFO");
    c->start = openat(c->dir.fd, "exec.fifo", O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (c->start < 0 || flock(c->start, LOCK_EX))
        return fail(e, "lock the start FIFO");
    return 0;
}

/* The version 2 group comes before the process, which is born in it; those of version 1 come while
 * the process already works. An ordinary user can often not make control groups: limits are then an
 * error, the absence of a group is not. */
static int make_group(struct creation *c, bool v2, struct err *e)
{
    const char *path = c->state.cgroup;
    int r;
    if (!path)
        return 0;
    if (!c->cgroups && (r = cgroup_host_read(&c->cgroups, e)))
        return r;
    if (!c->cgroups->n)
        return err_set(e, -ENOTSUP, "no control group hierarchy is mounted");
    c->cgroup_made = true;
    r = cgroup_create(c->cgroups, path, v2, c->rootless, e);
    if (r == -EBUSY)
        c->cgroup_made = false; /* it is somebody else's */
    return r ? r : cgroup_doors_open(c->cgroups, path, v2, c->rootless, &c->doors, e);
}

/* resctrl's group is for processes; what they start is in it too. */
static int join_resctrl(struct creation *c, struct err *e)
{
    json_t *o = c->config.intel_rdt;
    int r = intel_rdt_make(o, c->state.id, e);
    return r ? r : intel_rdt_join(o, c->state.id, c->state.pid, e);
}

/* systemd makes the scope around the process, which then is in it; what systemd leaves out (it
 * knows not every controller of version 1) is ours. */
static int start_scope(struct creation *c, struct err *e)
{
    struct state *s = &c->state;
    int r;
    if ((r = cgroup_host_read(&c->cgroups, e)) ||
        (r = systemd_scope_start(&c->scope, s->pid, c->config.resources, c->config.annotations,
                                 c->cgroups->pure_v2, e)) ||
        (r = cgroup_path_of(s->pid, &s->cgroup, e)))
        return r;
    c->cgroup_made = true;
    c->supervision.cgroup = s->cgroup;
    if ((r = state_save(s, &c->dir, e)) ||
        (r = cgroup_complete(c->cgroups, s->cgroup, c->rootless, e)))
        return r;
    return cgroup_doors_open(c->cgroups, s->cgroup, false, c->rootless, &c->doors, e);
}

static int set_resources(struct creation *c, struct err *e)
{
    json_t *resources = c->config.resources;
    if (!c->cgroup_made)
        return 0;
    if (resources && cgroup_set(c->cgroups, c->state.cgroup, resources, e))
        return err_wrap(e, "control group");
    if (!c->rootless && cgroup_set_devices(c->cgroups, c->state.cgroup, resources, e))
        return err_wrap(e, "control group");
    return 0;
}

static int prepare_devices(struct creation *c, struct err *e)
{
    size_t n = c->config.device_count;
    c->devices = calloc(n + 1, sizeof *c->devices);
    if (!c->devices)
        return err_set(e, -ENOMEM, "out of memory");
    for (size_t i = 0; i < n; i++)
        c->devices[i] = -1;
    c->inner.devices = c->devices;
    return n ? devices_prepare(&c->config, c->devices, e) : 0;
}

static int prepare_inner(struct creation *c, struct err *e)
{
    const struct config *k = &c->config;
    const struct create_options *o = c->options;
    struct inner *in = &c->inner;
    int r;
    in->config = k;
    in->foreign[0] = c->dir.fd;
    in->foreign[1] = c->dir.root;
    in->process = k->has_process ? &k->process : NULL;
    in->id = o->id;
    in->rootfs = c->state.rootfs;
    in->cgroup = c->state.cgroup;
    in->doors = &c->doors;
    in->waits = true;
    in->seccomp = k->seccomp ? &c->seccomp : NULL;
    in->userns = k->ns[NS_USER].wanted;
    in->confined = in->userns || c->rootless;
    in->no_pivot = o->no_pivot;
    in->no_new_keyring = o->no_new_keyring;
    in->keep_groups = config_annotation(k, "run.oci.keep_original_groups") != NULL;
    c->prepared = calloc(k->mount_count + 1, sizeof *c->prepared);
    if (!c->prepared)
        return err_set(e, -ENOMEM, "out of memory");
    if ((r = mount_sources_prepare(&c->config, c->state.rootfs, !geteuid(), c->prepared, e)))
        return r;
    in->prepared = c->prepared;
    if (in->userns && !c->rootless && (r = prepare_devices(c, e)))
        return r;
    if (in->process && in->process->terminal) {
        if (o->console_socket) {
            in->console = connect_to(o->console_socket, e);
            if (in->console < 0)
                return in->console;
        } else {
            int ends[2];
            if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
                return fail(e, "socketpair");
            c->terminal = ends[0];
            in->plain_lines = true;
            in->console = ends[1];
        }
    }
    if ((r = seccomp_agent_open(in, &c->seccomp, e)))
        return r;
    c->inner_state = state_to_json(&c->state, STATUS_CREATED, false);
    in->state = c->inner_state;
    return in->state ? 0 : err_set(e, -ENOMEM, "out of memory");
}

static int set_oom_score(struct creation *c, struct err *e)
{
    char path[48], text[16];
    if (!c->config.has_process || !c->config.process.has_oom_score)
        return 0;
    snprintf(path, sizeof path, "/proc/%d/oom_score_adj", (int)c->state.pid);
    snprintf(text, sizeof text, "%d", (int)c->config.process.oom_score);
    return file_write(AT_FDCWD, path, text, e);
}

/* The environment is there when they run, and no program: what the specification calls created. */
static int run_early_hooks(void *ctx, struct err *e)
{
    struct creation *c = ctx;
    auto_json json_t *state = state_to_json(&c->state, STATUS_CREATED, false);
    if (!state)
        return err_set(e, -ENOMEM, "out of memory");
    int r = hooks_run(&c->config, HOOK_PRESTART, state, NULL, e);
    return r ? r : hooks_run(&c->config, HOOK_CREATE_RUNTIME, state, NULL, e);
}

/* The last thing that is recorded: from here on the container is there, or its process has died. */
static int complete(void *ctx, struct err *e)
{
    struct creation *c = ctx;
    c->state.complete = true;
    return state_save(&c->state, &c->dir, e);
}

static int start_init(struct creation *c, struct err *e)
{
    static const struct supervision_calls calls = {run_early_hooks, complete};
    int r;
    enum message how;
    if ((r = spawn_prepare(&c->spawn, &c->config, e)) ||
        (r = supervise_start(&c->supervision, &c->config, e)))
        return r;
    c->state.pid = c->supervision.pid;
    if ((r = process_start_time(c->state.pid, &c->state.pid_start)))
        return err_set(e, r, "the container's process died at once");
    /* Hooks may ask for the state. To clean up after us nobody needs the pid yet: the process ends
     * when the channel closes, and until then its group names it. */
    bool hooks = c->config.hooks[HOOK_PRESTART].n || c->config.hooks[HOOK_CREATE_RUNTIME].n ||
                 c->config.hooks[HOOK_CREATE_CONTAINER].n;
    if ((r = c->state.scope ? start_scope(c, e) : make_group(c, false, e)) ||
        (r = set_resources(c, e)) || (r = join_resctrl(c, e)) || (r = furnish(c, e)) ||
        (hooks && (r = state_save(&c->state, &c->dir, e))) ||
        (r = seccomp_agent_describe(&c->inner, &c->seccomp, &c->state, STATUS_CREATING,
                                    c->state.pid, e)) ||
        (r = set_oom_score(c, e)))
        return r;
    int fds[CHANNEL_FDS];
    unsigned n = c->doors.n;
    memcpy(fds, c->doors.v1, n * sizeof *fds);
    fds[n++] = c->start;
    if ((r = supervise_finish(&c->supervision, &c->config, fds, n, &calls, c, &how, e)))
        return r;
    if (how != MSG_READY)
        return err_set(e, -ECONNRESET, "the container's process died during its set-up");
    if ((!c->state.complete && (r = complete(c, e))) ||
        (r = write_pid_file(c->options->pid_file, c->state.pid, e)) ||
        (r = send_pidfd(c->options->pidfd_socket, c->state.pid, e)))
        return r;
    if (c->terminal >= 0) {
        close(c->inner.console);
        c->inner.console = -1;
        int master = fd_receive(c->terminal, e);
        if (master < 0)
            return master;
        close(c->terminal);
        c->terminal = master;
    }
    /* Without this answer it ends: a container nobody has recorded must not wait for ever. */
    r = channel_send(c->supervision.channel, MSG_GO, 0, NULL);
    return r ? err_set(e, r, "the container's process died during its set-up") : 0;
}

/* The processes come back from a checkpoint, into groups and a record of our making. */
static int restore(struct creation *c, struct err *e)
{
    const struct create_options *o = c->options;
    int r, console = -1;
    if (c->state.scope)
        return err_set(e, -ENOTSUP, "restore with the systemd cgroup manager is not supported");
    if ((r = make_group(c, false, e)) || (r = set_resources(c, e)) || (r = furnish(c, e)))
        return r;
    if (o->console_socket && (console = c->inner.console = connect_to(o->console_socket, e)) < 0)
        return console;
    r = criu_restore(o->restore, &c->config, c->state.rootfs, console, &c->state.pid, e);
    if (r)
        return r;
    c->supervision.pid = c->state.pid;
    if ((r = process_start_time(c->state.pid, &c->state.pid_start)))
        return err_set(e, r, "the restored process died at once");
    if ((r = join_resctrl(c, e)))
        return r;
    c->state.complete = true;
    r = write_pid_file(o->pid_file, c->state.pid, e);
    return r ? r : state_save(&c->state, &c->dir, e);
}

static void undo(struct creation *c)
{
    struct err e;
    supervise_abandon(&c->supervision);
    if (c->cgroup_made) {
        (void)!cgroup_kill(c->state.cgroup, SIGKILL, NULL);
        if (cgroup_remove(c->state.cgroup, &e))
            log_warn("oci", "%s", e.text);
    }
    if (c->state.scope)
        (void)!systemd_scope_stop(c->state.scope, NULL);
    if (c->dir_made && intel_rdt_remove(c->state.resctrl, &e))
        log_warn("oci", "%s", e.text);
    if (c->dir_made) {
        auto_json json_t *state = state_to_json(&c->state, STATUS_STOPPED, false);
        if (c->state.pid > 0)
            hooks_run_all(&c->config, HOOK_POSTSTOP, state);
        if (container_dir_remove(&c->dir, c->options->id, &e))
            log_warn("oci", "%s", e.text);
    }
}

static void creation_free(struct creation *c)
{
    spawn_close(&c->spawn);
    for (size_t i = 0; c->prepared && i < c->config.mount_count; i++)
        if (c->prepared[i] >= 0)
            close(c->prepared[i]);
    free(c->prepared);
    for (size_t i = 0; c->devices && i < c->config.device_count; i++)
        if (c->devices[i] >= 0)
            close(c->devices[i]);
    free(c->devices);
    int fds[] = {c->start, c->inner.console, c->supervision.channel, c->terminal};
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        if (fds[i] >= 0)
            close(fds[i]);
    seccomp_agent_close(&c->inner);
    cgroup_doors_close(&c->doors);
    free(c->config_text);
    json_decref(c->inner_state);
    seccomp_program_free(&c->seccomp);
    config_free(&c->config);
    state_free(&c->state);
    container_dir_close(&c->dir);
    if (c->dir.root >= 0)
        close(c->dir.root);
}

/* How many descriptors the caller has given: --preserve-fds and those of socket activation. */
static int reserve_kept(const struct create_options *o, struct inner *in, struct err *e)
{
    const char *listen = getenv("LISTEN_FDS");
    int activated = listen ? atoi(listen) : 0;
    in->listen_fds = activated > 0 && activated < KEPT_FDS_MAX / 2;
    return kept_fds_reserve(&in->kept, o->preserve_fds + (in->listen_fds ? (unsigned)activated : 0),
                            e);
}

/* Everything up to "created". *pid and *terminal are for run. */
static int create(const struct runtime *rt, const struct create_options *o, struct inner *in,
                  pid_t *pid, int *terminal, struct err *e)
{
    struct creation c = {.rt = rt,
                         .options = o,
                         .dir = {-1, -1, false},
                         .terminal = -1,
                         .doors = {.v2 = -1, .v2_procs = -1},
                         .rootless = !is_host_root(),
                         .supervision = {.channel = -1},
                         .inner = *in};
    for (unsigned k = 0; k < NS_KINDS; k++)
        c.spawn.join[k] = -1;
    c.spawn.inner = &c.inner;
    c.supervision.spawn = &c.spawn;
    int r;
    (void)((r = state_id_check(o->id, e)) || (r = state_root_open(rt->root, &c.dir.root, e)) ||
           (r = read_bundle(&c, e)) || (r = check(&c, e)) || (r = record(&c, e)) ||
           (r = make_group(&c, true, e)) || (o->restore && (r = restore(&c, e))) ||
           (!o->restore && ((r = prepare_inner(&c, e)) || (r = start_init(&c, e)))));
    if (r) {
        r = supervise_explain(&c.supervision, r, e);
        undo(&c);
    } else {
        *pid = c.state.pid;
        *terminal = steal_fd(&c.terminal);
    }
    creation_free(&c);
    return r;
}

int runtime_create(const struct runtime *rt, const struct create_options *o, struct err *e)
{
    struct create_options detached = *o;
    struct inner in = INNER_NONE;
    pid_t pid;
    int terminal = -1, r = reserve_kept(o, &in, e);
    detached.detach = true;
    return r ? r : create(rt, &detached, &in, &pid, &terminal, e);
}

int runtime_run(const struct runtime *rt, const struct create_options *o, int *status,
                struct err *e)
{
    pid_t pid;
    struct inner in = INNER_NONE;
    auto_close int terminal = -1, signals = -1;
    int r = reserve_kept(o, &in, e);
    *status = 0;
    if (r)
        return r;
    if (!o->detach) {
        if ((signals = foreground_prepare(e)) < 0)
            return signals;
        /* The container's orphans of a shared pid namespace come to us, not to the host's init. */
        if (!o->no_subreaper)
            prctl(PR_SET_CHILD_SUBREAPER, 1);
    }
    if ((r = create(rt, o, &in, &pid, &terminal, e)))
        return r;
    if (!o->restore && (r = runtime_start(rt, o->id, pid, e))) {
        (void)!runtime_delete(rt, o->id, pid, true, NULL);
        return r;
    }
    if (o->detach)
        return 0;
    r = foreground_wait(signals, pid, terminal, status, e);
    if (!o->keep && !r)
        r = runtime_delete(rt, o->id, pid, true, e);
    return r;
}
