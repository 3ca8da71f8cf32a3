/* SPDX-License-Identifier: BSD-2-Clause */
/* exec: one more process in a running container. */
#include "container/runtime.h"

#include "container/cgroup.h"
#include "container/config.h"
#include "container/exec_cgroup.h"
#include "container/intel_rdt.h"
#include "container/json.h"
#include "container/process_cpus.h"
#include "container/seccomp_agent.h"
#include "container/seccomp_cache.h"
#include "container/selinux.h"
#include "container/supervise.h"

#include "base/log.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

/* UID[:GID] */
static int parse_user(const char *text, struct process *p, struct err *e)
{
    unsigned uid, gid;
    int used = 0;
    if (sscanf(text, "%u:%u%n", &uid, &gid, &used) == 2 && !text[used]) {
        p->uid = uid;
        p->gid = gid;
        return 0;
    }
    used = 0;
    if (sscanf(text, "%u%n", &uid, &used) == 1 && !text[used]) {
        p->uid = uid;
        p->gid = 0;
        return 0;
    }
    return err_set(e, -EINVAL, "invalid user `%s`: UID[:GID] is expected", text);
}

/* Added variables replace the container's. */
static int merge_env(struct config *c, struct process *p, const char **more, struct err *e)
{
    size_t a = 0, b = 0, n = 0;
    while (p->env[a])
        a++;
    while (more && more[b])
        b++;
    const char **env = config_alloc(c, a + b + 1, sizeof *env);
    if (!env)
        return err_set(e, -ENOMEM, "out of memory");
    for (size_t i = 0; i < a; i++) {
        bool replaced = false;
        size_t name = strcspn(p->env[i], "=") + 1;
        for (size_t k = 0; k < b; k++)
            replaced |= !strncmp(p->env[i], more[k], name);
        if (!replaced)
            env[n++] = p->env[i];
    }
    for (size_t k = 0; k < b; k++)
        env[n++] = more[k];
    p->env = env;
    return 0;
}

/* The container's process with the command line's changes. */
static int process_from_options(struct config *c, const struct exec_options *o, struct process *p,
                                struct err *e)
{
    int r;
    if (!c->has_process)
        return err_set(e, -EINVAL, "the container's configuration has no process");
    *p = c->process;
    p->args = o->args;
    p->terminal = o->terminal;
    p->rows = p->columns = 0;
    if (o->cwd)
        p->cwd = o->cwd;
    if (p->cwd[0] != '/')
        return err_set(e, -EINVAL, "working directory `%s` is not absolute", p->cwd);
    if (o->apparmor)
        p->apparmor = o->apparmor;
    if (o->label)
        p->selinux = o->label;
    if (o->no_new_privileges)
        p->no_new_privileges = true;
    if (o->user && (r = parse_user(o->user, p, e)))
        return r;
    for (const char **cap = o->caps; cap && *cap; cap++) {
        int n = cap_number(*cap);
        if (n < 0) {
            log_warn("oci", "exec: ignoring unknown capability `%s`", *cap);
            continue;
        }
        for (unsigned i = 0; i < CAP_SETS; i++)
            if (i != CAP_SET_AMBIENT && i != CAP_SET_INHERITABLE)
                p->caps[i] |= (u64)1 << n;
        /* Inheritable ones are never added (CVE-2022-29162); those that are there may be ambient.
         */
        p->caps[CAP_SET_AMBIENT] |= p->caps[CAP_SET_INHERITABLE] & (u64)1 << n;
    }
    if (o->group_count) {
        u32 *groups = config_alloc(c, p->group_count + o->group_count, sizeof *groups);
        if (!groups)
            return err_set(e, -ENOMEM, "out of memory");
        memcpy(groups, p->groups, p->group_count * sizeof *groups);
        memcpy(groups + p->group_count, o->groups, o->group_count * sizeof *groups);
        p->groups = groups;
        p->group_count += o->group_count;
    }
    return merge_env(c, p, o->env, e);
}

static int unexpected(void *ctx, struct err *e)
{
    return err_set(e, -EPROTO, "unexpected message from the new process");
}

struct execution {
    struct config config;
    struct container_dir dir;
    struct state state;
    struct process process;
    struct seccomp_program seccomp;
    struct cgroup_doors doors;
    json_t *file;
    struct inner inner;
    struct spawn spawn;
    struct supervision supervision;
    int root, terminal;
};

static int load(struct execution *x, const struct runtime *rt, const struct exec_options *o,
                struct err *e)
{
    int r;
    if ((r = state_root_open(rt->root, &x->root, e)) ||
        (r = container_dir_open(&x->dir, x->root, o->id, false, e)) ||
        (r = state_load(&x->state, &x->dir, o->id, e)))
        return r;
    enum status status = state_status(&x->state, &x->dir);
    if (status == STATUS_STOPPED || status == STATUS_CREATING)
        return err_set(e, -ESRCH, "cannot exec in container `%s`: container not running (%s)",
                       o->id, status_name(status));
    if (status == STATUS_PAUSED && !o->ignore_paused)
        return err_set(e, -EBUSY, "cannot exec in a paused container: `%s`", o->id);
    if ((r = config_load(&x->config, x->dir.fd, "config.json", e)))
        return r;
    if (o->process_file) {
        auto_c_free char *text = NULL;
        if ((r = file_read(AT_FDCWD, o->process_file, 16 << 20, &text, e)) ||
            (r = json_parse(text, strlen(text), o->process_file, &x->file, e)) ||
            (r = config_parse_process(&x->config, x->file, &x->process, e)))
            return r;
        if (o->terminal)
            x->process.terminal = true;
    } else if ((r = process_from_options(&x->config, o, &x->process, e))) {
        return r;
    }
    if (x->process.terminal && !o->console_socket && o->detach)
        return err_set(e, -EINVAL, "a terminal needs --console-socket when detached");
    if ((r = selinux_check_label(x->process.selinux, "process.selinuxLabel", e)))
        return r;
    return x->config.seccomp ? seccomp_cache_compile(x->root, x->config.seccomp, &x->seccomp, e)
                             : 0;
}

static int prepare(struct execution *x, const struct exec_options *o, struct err *e)
{
    struct inner *in = &x->inner;
    in->config = &x->config;
    in->foreign[0] = x->dir.fd;
    in->foreign[1] = x->root;
    in->process = &x->process;
    in->id = o->id;
    in->rootfs = "/";
    in->seccomp = x->config.seccomp ? &x->seccomp : NULL;
    in->keep_groups = config_annotation(&x->config, "run.oci.keep_original_groups") != NULL;
    in->doors = &x->doors;
    in->joined = true;
    in->no_new_keyring = true; /* the container's is the session of its init alone */
    in->userns = false;        /* entered and root there before the init code runs */
    int r = seccomp_agent_open(in, &x->seccomp, e);
    if (r)
        return r;
    if (!x->process.terminal)
        return 0;
    if (o->console_socket) {
        in->console = connect_to(o->console_socket, e);
        return in->console < 0 ? in->console : 0;
    }
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
        return fail(e, "socketpair");
    x->terminal = ends[0];
    in->plain_lines = true;
    in->console = ends[1];
    return 0;
}

static int start(struct execution *x, const struct exec_options *o, struct err *e)
{
    static const struct supervision_calls calls = {unexpected, unexpected};
    enum message how;
    char path[48], text[16];
    int r;
    if ((r = spawn_prepare_join(&x->spawn, x->state.pid, e)))
        return r;
    if (x->state.cgroup && (r = exec_cgroup_open(&x->state, o->cgroups, &x->doors, e)))
        return r;
    /* The descriptors are of that process; was it still the container's when they were opened? */
    if (!state_alive(&x->state))
        return err_set(e, -ESRCH, "cannot exec in container `%s`: container not running", o->id);
    if ((r = supervise_start(&x->supervision, &x->config, e)))
        return r;
    pid_t pid = x->supervision.pid;
    if ((r = seccomp_agent_describe(&x->inner, &x->seccomp, &x->state, STATUS_RUNNING, pid, e)))
        return r;
    if ((r = intel_rdt_join(x->config.intel_rdt, o->id, pid, e)))
        return r;
    if (x->process.cpus_initial && (r = process_set_cpus(pid, x->process.cpus_initial, e)))
        return r;
    if (x->process.has_oom_score) {
        snprintf(path, sizeof path, "/proc/%d/oom_score_adj", (int)pid);
        snprintf(text, sizeof text, "%d", (int)x->process.oom_score);
        if ((r = file_write(AT_FDCWD, path, text, e)))
            return r;
    }
    if ((r = supervise_finish(&x->supervision, &x->config, NULL, 0, &calls, NULL, &how, e)))
        return r;
    if (x->terminal >= 0) {
        close(x->inner.console);
        x->inner.console = -1;
        int master = fd_receive(x->terminal, e);
        if (master < 0)
            return master;
        close(x->terminal);
        x->terminal = master;
    }
    r = send_pidfd(o->pidfd_socket, pid, e);
    return r ? r : write_pid_file(o->pid_file, pid, e);
}

static void execution_free(struct execution *x)
{
    int fds[] = {x->inner.console, x->supervision.channel, x->terminal, x->root};
    spawn_close(&x->spawn);
    seccomp_agent_close(&x->inner);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        if (fds[i] >= 0)
            close(fds[i]);
    cgroup_doors_close(&x->doors);
    json_decref(x->file);
    seccomp_program_free(&x->seccomp);
    config_free(&x->config);
    state_free(&x->state);
    container_dir_close(&x->dir);
}

int runtime_exec(const struct runtime *rt, const struct exec_options *o, int *status, struct err *e)
{
    struct execution x = {.dir = {-1, -1, false},
                          .root = -1,
                          .terminal = -1,
                          .doors = {.v2 = -1, .v2_procs = -1},
                          .supervision = {.channel = -1},
                          .inner = INNER_NONE};
    for (unsigned k = 0; k < NS_KINDS; k++)
        x.spawn.join[k] = -1;
    x.spawn.inner = &x.inner;
    x.supervision.spawn = &x.spawn;
    auto_close int signals = -1;
    int r = 0;
    *status = 0;
    if ((r = kept_fds_reserve(&x.inner.kept, o->preserve_fds, e)))
        return r;
    if (!o->detach && (signals = foreground_prepare(e)) < 0)
        return signals;
    (void)((r = load(&x, rt, o, e)) || (r = prepare(&x, o, e)) || (r = start(&x, o, e)));
    if (r)
        supervise_abandon(&x.supervision);
    else if (!o->detach)
        r = foreground_wait(signals, x.supervision.pid, x.terminal, status, e);
    execution_free(&x);
    return r;
}
