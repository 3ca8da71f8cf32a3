/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands on a container that exists. */
#include "container/runtime.h"

#include "container/cgroup.h"
#include "container/cgroup_devices.h"
#include "container/hooks.h"
#include "container/intel_rdt.h"
#include "container/sdbus.h"
#include "container/systemd.h"

#include "base/log.h"
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/wait.h>

struct open_container {
    int root;
    struct container_dir dir;
    struct state state;
};

static void container_close(struct open_container *c)
{
    state_free(&c->state);
    container_dir_close(&c->dir);
    if (c->root >= 0)
        close(c->root);
    c->root = -1;
}

static int container_open(struct open_container *c, const struct runtime *rt, const char *id,
                          bool lock, struct err *e)
{
    *c = (struct open_container){.root = -1, .dir = {-1, -1, false}};
    int r;
    (void)((r = state_root_open(rt->root, &c->root, e)) ||
           (r = container_dir_open(&c->dir, c->root, id, lock, e)) ||
           (r = state_load(&c->state, &c->dir, id, e)));
    if (r)
        container_close(c);
    return r;
}
#define auto_container __attribute__((cleanup(container_close)))

/* The executing program has closed the FIFO's lock, or the init has died and left the reason. */
static int wait_for_exec(int fifo, const char *id, struct err *e)
{
    char text[sizeof e->text];
    while (flock(fifo, LOCK_SH))
        if (errno != EINTR)
            return fail(e, "wait for the program's start");
    ssize_t n = read(fifo, text, sizeof text - 1);
    if (n <= 0)
        return 0;
    text[n] = '\0';
    if (text[0] != '!') /* our own word: nobody has read it */
        return err_set(e, -ESRCH, "cannot start container `%s`: its process has gone", id);
    int code = strcasestr(text, err_name(ENOENT))   ? -ENOENT
               : strcasestr(text, err_name(EACCES)) ? -EACCES
                                                    : -EPERM;
    return err_set(e, code, "%s", text + 1);
}

/* A pid can be reused between the check and kill(2); a pidfd checked after it was opened cannot. */
static int signal_init(const struct state *s, int signal, struct err *e)
{
    auto_close int fd = (int)syscall(SYS_pidfd_open, s->pid, 0);
    if (fd < 0 || !state_alive(s))
        return err_set(e, -ESRCH, "container `%s` is not running", s->id);
    if (syscall(SYS_pidfd_send_signal, fd, signal, NULL, 0))
        return fail(e, "signal container `%s`", s->id);
    return 0;
}

/* Their failure ends the container, as the specification has it since 1.2.1. */
static int run_poststart(struct open_container *c, struct err *e)
{
    struct config config;
    int r = config_load(&config, c->dir.fd, "config.json", e);
    if (r)
        return r;
    auto_json json_t *state = state_to_json(&c->state, STATUS_RUNNING, false);
    r = hooks_run(&config, HOOK_POSTSTART, state, NULL, e);
    config_free(&config);
    if (r)
        (void)!signal_init(&c->state, SIGKILL, NULL);
    return r;
}

int runtime_start(const struct runtime *rt, const char *id, pid_t pid, struct err *e)
{
    auto_container struct open_container c;
    int r = container_open(&c, rt, id, true, e);
    if (r)
        return r;
    if (pid && c.state.pid != pid)
        return err_set(e, -ENOENT, "container `%s` does not exist", id);
    enum status status = state_status(&c.state, &c.dir);
    if (status != STATUS_CREATED)
        return err_set(e, -EBUSY, "cannot start container `%s`: it is %s", id, status_name(status));
    /* For reading too: what the init leaves there outlives it only while somebody has it open. */
    auto_close int fifo =
        openat(c.dir.fd, "exec.fifo", O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
    if (fifo < 0)
        return fail(e, "open the start FIFO");
    if ((r = write_all(fifo, "s", 1)))
        return err_set(e, r, "start container `%s`: %s", id, err_name(r));
    if ((r = wait_for_exec(fifo, id, e)))
        return r;
    return c.state.late_hooks ? run_poststart(&c, e) : 0;
}

int runtime_state(const struct runtime *rt, const char *id, json_t **out, struct err *e)
{
    auto_container struct open_container c;
    int r = container_open(&c, rt, id, false, e);
    if (r)
        return r;
    *out = state_to_json(&c.state, state_status(&c.state, &c.dir), true);
    return *out ? 0 : err_set(e, -ENOMEM, "out of memory");
}

int runtime_kill(const struct runtime *rt, const char *id, int signal, bool all, struct err *e)
{
    auto_container struct open_container c;
    int r = container_open(&c, rt, id, false, e);
    if (r)
        return r;
    if (all && c.state.cgroup)
        return cgroup_kill(c.state.cgroup, signal, e);
    enum status status = state_status(&c.state, &c.dir);
    if (status == STATUS_STOPPED) {
        /* The init's death does not end the others when it was no pid 1. */
        pid_t *pids;
        size_t left;
        if (signal == SIGKILL && c.state.cgroup && !c.state.own_pids &&
            !cgroup_pids(c.state.cgroup, &pids, &left, NULL)) {
            free(pids);
            if (left)
                return cgroup_kill(c.state.cgroup, signal, e);
        }
        return err_set(e, -ESRCH, "cannot kill container `%s`: container not running", id);
    }
    r = signal_init(&c.state, signal, e);
    if (!r && signal == SIGKILL && c.state.cgroup && !c.state.own_pids)
        (void)!cgroup_kill(c.state.cgroup, signal, NULL);
    /* A frozen process of version 1 does not even die. */
    if (!r && signal == SIGKILL && status == STATUS_PAUSED)
        (void)!cgroup_freeze(c.state.cgroup, false, NULL);
    return r;
}

static void kill_and_wait(struct open_container *c)
{
    const struct state *s = &c->state;
    auto_close int fd = (int)syscall(SYS_pidfd_open, s->pid, 0);
    if (fd >= 0 && state_alive(s)) {
        struct pollfd p = {fd, POLLIN, 0};
        (void)!syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
        if (s->cgroup && cgroup_is_frozen(s->cgroup))
            (void)!cgroup_freeze(s->cgroup, false, NULL);
        poll(&p, 1, 10000);
        waitpid(s->pid, NULL, WNOHANG); /* when it is our own child */
    }
    /* Where create was killed, the group may hold what the state does not know. */
    if (s->cgroup && (!s->own_pids || !s->complete))
        (void)!cgroup_kill(s->cgroup, SIGKILL, NULL);
}

/* A damaged state file names nothing any more. The copy of the configuration still names the
 * group, and the group the processes. */
static int salvage(struct open_container *c, const struct runtime *rt, const char *id,
                   struct err *e)
{
    struct err why = e ? *e : (struct err){0};
    struct config config;
    int r;
    *c = (struct open_container){.root = -1, .dir = {-1, -1, false}};
    if ((r = state_root_open(rt->root, &c->root, e)) ||
        (r = container_dir_open(&c->dir, c->root, id, true, e))) {
        container_close(c);
        return r;
    }
    log_warn("oci", "%s; deleting what is found", why.text);
    c->state.id = strdup(id);
    if (!config_load(&config, c->dir.fd, "config.json", NULL)) {
        if (!rt->cgroups_disabled)
            (void)!cgroup_path(config.cgroups_path, id, &c->state.cgroup, NULL);
        c->state.resctrl = intel_rdt_owned(config.intel_rdt, id);
        config_free(&config);
    }
    return c->state.id ? 0 : err_set(e, -ENOMEM, "out of memory");
}

int runtime_delete(const struct runtime *rt, const char *id, pid_t pid, bool force, struct err *e)
{
    auto_container struct open_container c;
    struct err why;
    int r = container_open(&c, rt, id, true, e);
    if (r == -ENOENT && force)
        return 0;
    if (r && force)
        r = salvage(&c, rt, id, e);
    if (r)
        return r;
    if (pid && c.state.pid != pid)
        return 0;
    enum status status = state_status(&c.state, &c.dir);
    if (status != STATUS_STOPPED && !force)
        return err_set(e, -EBUSY, "cannot delete container `%s` that is not stopped: %s", id,
                       status_name(status));
    kill_and_wait(&c);
    if (c.state.cgroup && (r = cgroup_remove(c.state.cgroup, e))) {
        if (!force)
            return r;
        log_warn("oci", "%s", e ? e->text : "the control group could not be removed");
    }
    if (c.state.scope && sdbus_loadable() && systemd_scope_stop(c.state.scope, &why))
        log_warn("oci", "%s", why.text);
    if (intel_rdt_remove(c.state.resctrl, &why))
        log_warn("oci", "%s", why.text);
    struct config config;
    bool hooks = c.state.late_hooks && !config_load(&config, c.dir.fd, "config.json", NULL);
    if ((r = container_dir_remove(&c.dir, id, e)))
        return r;
    if (hooks) {
        auto_json json_t *state = state_to_json(&c.state, STATUS_STOPPED, false);
        hooks_run_all(&config, HOOK_POSTSTOP, state);
        config_free(&config);
    }
    return 0;
}

static int by_id(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names below root, sorted; NULL without memory. */
static char **read_ids(DIR *d, size_t *n)
{
    char **ids = malloc(sizeof *ids);
    *n = 0;
    for (struct dirent *f; ids && (f = readdir(d));) {
        char **more = f->d_name[0] == '.' ? ids : realloc(ids, (*n + 2) * sizeof *ids);
        if (more)
            ids = more;
        if (more && f->d_name[0] != '.' && (ids[*n] = strdup(f->d_name)))
            ++*n;
    }
    if (ids)
        qsort(ids, *n, sizeof *ids, by_id);
    return ids;
}

int runtime_list(const struct runtime *rt, json_t **out, struct err *e)
{
    int root;
    int r = state_root_open(rt->root, &root, e);
    if (r)
        return r;
    DIR *d = fdopendir(root);
    json_t *list = json_array();
    size_t n = 0;
    char **ids = d && list ? read_ids(d, &n) : NULL;
    for (size_t i = 0; i < n; i++) {
        json_t *one;
        if (!runtime_state(rt, ids[i], &one, NULL))
            json_array_append_new(list, one);
        free(ids[i]);
    }
    free(ids);
    if (d)
        closedir(d);
    else
        close(root);
    *out = list;
    return list && d ? 0 : err_set(e, -ENOMEM, "out of memory");
}

int runtime_freeze(const struct runtime *rt, const char *id, bool freeze, struct err *e)
{
    auto_container struct open_container c;
    int r = container_open(&c, rt, id, true, e);
    if (r)
        return r;
    enum status status = state_status(&c.state, &c.dir);
    if (freeze ? status != STATUS_RUNNING && status != STATUS_CREATED : status != STATUS_PAUSED)
        return err_set(e, -EINVAL, "cannot %s container `%s`: it is %s",
                       freeze ? "pause" : "resume", id, status_name(status));
    if (!c.state.cgroup)
        return err_set(e, -ENOTSUP, "container `%s` has no control group to freeze", id);
    return cgroup_freeze(c.state.cgroup, freeze, e);
}

/* Not a resource of control groups, but changed by the same command. */
static int update_resctrl(struct open_container *c, json_t *schemas, struct err *e)
{
    struct config config;
    int r = schemas ? config_load(&config, c->dir.fd, "config.json", e) : 0;
    if (r || !schemas)
        return r;
    r = intel_rdt_update(config.intel_rdt, c->state.id, schemas, e);
    config_free(&config);
    return r;
}

int runtime_update(const struct runtime *rt, const char *id, json_t *resources, struct err *e)
{
    auto_container struct open_container c;
    const struct cgroup_host *host;
    int r = container_open(&c, rt, id, true, e);
    if (r)
        return r;
    if (state_status(&c.state, &c.dir) == STATUS_STOPPED)
        return err_set(e, -ESRCH, "cannot update container `%s`: it is stopped", id);
    json_t *schemas = json_object_get(resources, "intelRdt");
    if ((r = update_resctrl(&c, schemas, e)) || (schemas && json_object_size(resources) == 1))
        return r;
    if (!c.state.cgroup)
        return err_set(e, -ENOTSUP, "container `%s` has no control group", id);
    /* What is wrong with it is said before anything is changed. */
    if ((r = device_rules_check(resources, e)) || (r = cgroup_host_read(&host, e)) ||
        (c.state.scope && sdbus_loadable() &&
         (r = systemd_scope_update(c.state.scope, resources, host->pure_v2, e))) ||
        (r = cgroup_set(host, c.state.cgroup, resources, e)))
        return r;
    json_t *devices = json_object_get(resources, "devices");
    return json_array_size(devices) ? cgroup_set_devices(host, c.state.cgroup, resources, e) : 0;
}

int runtime_checkpoint(const struct runtime *rt, const char *id, const struct checkpoint *how,
                       struct err *e)
{
    auto_container struct open_container c;
    struct config config;
    int r = container_open(&c, rt, id, true, e);
    if (r)
        return r;
    enum status status = state_status(&c.state, &c.dir);
    if (status != STATUS_RUNNING && status != STATUS_PAUSED)
        return err_set(e, -EBUSY, "cannot checkpoint container `%s`: it is %s", id,
                       status_name(status));
    if ((r = config_load(&config, c.dir.fd, "config.json", e)))
        return r;
    auto_c_free char *freezer = c.state.cgroup ? cgroup_freezer_path(c.state.cgroup) : NULL;
    r = criu_checkpoint(how, &config, c.state.rootfs, c.state.pid, freezer, e);
    config_free(&config);
    return r;
}

int runtime_pids(const struct runtime *rt, const char *id, pid_t **out, size_t *n, struct err *e)
{
    auto_container struct open_container c;
    int r = container_open(&c, rt, id, false, e);
    if (r)
        return r;
    if (!c.state.cgroup)
        return err_set(e, -ENOTSUP, "container `%s` has no control group", id);
    return cgroup_pids(c.state.cgroup, out, n, e);
}

int runtime_stats(const struct runtime *rt, const char *id, json_t **out, struct err *e)
{
    auto_container struct open_container c;
    int r = container_open(&c, rt, id, false, e);
    if (r)
        return r;
    if (state_status(&c.state, &c.dir) == STATUS_STOPPED)
        return err_set(e, -ESRCH, "container `%s` is not running", id);
    if (!c.state.cgroup)
        return err_set(e, -ENOTSUP, "container `%s` has no control group", id);
    return cgroup_stats(c.state.cgroup, out, e);
}

int runtime_oom_watch(const struct runtime *rt, const char *id, struct oom_watch *w, struct err *e)
{
    auto_container struct open_container c;
    int r = container_open(&c, rt, id, false, e);
    if (r)
        return r;
    return c.state.cgroup ? cgroup_oom_watch(c.state.cgroup, w, e)
                          : err_set(e, -ENOTSUP, "container `%s` has no control group", id);
}

int signal_number(const char *name)
{
    char *end;
    long n = strtol(name, &end, 10);
    if (*name && !*end)
        return n >= 0 && n < NSIG ? (int)n : -1;
    if (!strncasecmp(name, "SIG", 3))
        name += 3;
    for (int s = 1; s < NSIG; s++) {
        const char *abbreviation = sigabbrev_np(s);
        if (abbreviation && !strcasecmp(abbreviation, name))
            return s;
    }
    if (!strncasecmp(name, "RTMIN+", 6) && (n = strtol(name + 6, &end, 10)) >= 0 && !*end &&
        SIGRTMIN + n <= SIGRTMAX)
        return SIGRTMIN + (int)n;
    return -1;
}
