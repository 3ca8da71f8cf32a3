/* SPDX-License-Identifier: BSD-2-Clause */
/* Which hierarchies this host has; making, joining and removing a container's group. */
#include "container/cgroup.h"

#include "base/log.h"
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* Comma-bounded so that ",cpu," cannot match "cpuset". */
static bool has_controller(const char *list, const char *name)
{
    char key[64];
    snprintf(key, sizeof key, ",%s,", name);
    return strstr(list, key) != NULL;
}

/* "36 25 0:31 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory" */
static void add_mount(struct cgroup_host *host, char *line)
{
    char *dash = strstr(line, " - ");
    char root[256], mount[256], type[16], options[256];
    if (!dash || host->n >= CGROUP_HIERARCHIES ||
        sscanf(line, "%*u %*u %*s %255s %255s", root, mount) != 2 ||
        sscanf(dash + 3, "%15s %*s %255s", type, options) != 2)
        return;
    bool v2 = !strcmp(type, "cgroup2");
    if (!v2 && strcmp(type, "cgroup"))
        return;
    struct cgroup_hierarchy *h = &host->h[host->n];
    *h = (struct cgroup_hierarchy){.v2 = v2};
    snprintf(h->mount, sizeof h->mount, "%s", mount);
    if (v2) {
        char path[300];
        auto_c_free char *text = NULL;
        snprintf(path, sizeof path, "%s/cgroup.controllers", mount);
        h->controllers[0] = ',';
        if (!file_read(AT_FDCWD, path, 4096, &text, NULL)) {
            snprintf(h->controllers, sizeof h->controllers, ",%s", text);
            for (char *p = h->controllers; *p; p++)
                *p = *p == ' ' || *p == '\n' ? ',' : *p;
        }
    } else {
        const char *skip[] = {"rw", "ro", "xattr", "noprefix", "clone_children"};
        size_t used = (size_t)snprintf(h->controllers, sizeof h->controllers, ",");
        char *save = NULL;
        for (char *o = strtok_r(options, ",", &save); o; o = strtok_r(NULL, ",", &save)) {
            bool plain = !strncmp(o, "release_agent=", 14);
            for (size_t i = 0; i < ARRAY_LEN(skip); i++)
                plain |= !strcmp(o, skip[i]);
            if (!plain && used + strlen(o) + 2 < sizeof h->controllers)
                used +=
                    (size_t)snprintf(h->controllers + used, sizeof h->controllers - used, "%s,", o);
        }
    }
    for (unsigned i = 0; i < host->n; i++) /* the same hierarchy mounted twice */
        if (host->h[i].v2 == v2 && !strcmp(host->h[i].controllers, h->controllers))
            return;
    host->n++;
}

/* "4:memory:/path" */
static void add_own_path(struct cgroup_host *host, char *line)
{
    char *controllers = strchr(line, ':'), *path;
    if (!controllers || !(path = strchr(controllers + 1, ':')))
        return;
    *controllers++ = '\0';
    *path++ = '\0';
    for (unsigned i = 0; i < host->n; i++) {
        struct cgroup_hierarchy *h = &host->h[i];
        char *first = strndup(controllers, strcspn(controllers, ","));
        if (first && (h->v2 ? !strcmp(line, "0") : *first && has_controller(h->controllers, first)))
            snprintf(h->own, sizeof h->own, "%s", path);
        free(first);
    }
}

static int each_line(const char *path, struct cgroup_host *host,
                     void (*fn)(struct cgroup_host *, char *), struct err *e)
{
    auto_c_free char *text = NULL;
    int r = file_read(AT_FDCWD, path, 8 << 20, &text, e);
    if (r)
        return r;
    char *save = NULL;
    for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
        fn(host, l);
    return 0;
}

/* Read once: where the host mounts its groups does not change under a command, and the table of
 * mounts grows with every container. */
int cgroup_host_read(const struct cgroup_host **out, struct err *e)
{
    static struct cgroup_host host;
    static bool known;
    int r;
    if (!known) {
        host.n = 0;
        if ((r = each_line("/proc/self/mountinfo", &host, add_mount, e)) ||
            (r = each_line("/proc/self/cgroup", &host, add_own_path, e)))
            return r;
        host.pure_v2 = host.n == 1 && host.h[0].v2;
        known = true;
    }
    *out = &host;
    return 0;
}

const struct cgroup_hierarchy *cgroup_find(const struct cgroup_host *host, const char *controller)
{
    for (unsigned v2 = 0; v2 < 2; v2++)
        for (unsigned i = 0; i < host->n; i++)
            if (host->h[i].v2 == (v2 != 0) && has_controller(host->h[i].controllers, controller))
                return &host->h[i];
    return NULL;
}

const struct cgroup_hierarchy *cgroup_v2(const struct cgroup_host *host)
{
    for (unsigned i = 0; i < host->n; i++)
        if (host->h[i].v2)
            return &host->h[i];
    return NULL;
}

int cgroup_open(const struct cgroup_hierarchy *h, const char *path, struct err *e)
{
    char full[768];
    snprintf(full, sizeof full, "%s%s", h->mount, path);
    int fd = open(full, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return fd < 0 ? fail(e, "open control group `%s`", full) : fd;
}

int cgroup_path(const char *wanted, const char *id, char **out, struct err *e)
{
    if (wanted && strlen(wanted) > 400)
        return err_set(e, -ENAMETOOLONG, "config: `linux.cgroupsPath` is too long");
    if (wanted && *wanted && strchr(wanted, ':') && wanted[0] != '/')
        return err_set(e, -EINVAL,
                       "cgroupsPath `%s` has the form of the systemd manager: `slice:prefix:name`",
                       wanted);
    char *path = wanted && *wanted ? print_new("/%s", wanted + strspn(wanted, "/"))
                                   : print_new("/doppel-oci-%s", id);
    if (!path)
        return err_set(e, -ENOMEM, "out of memory");
    for (char *p = path; (p = strstr(p, "/.."));) {
        if (p[3] == '/' || !p[3]) {
            free(path);
            return err_set(e, -EINVAL, "config: `linux.cgroupsPath` contains `..`");
        }
        p += 3;
    }
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        path[--n] = '\0';
    if (n == 1) {
        free(path);
        return err_set(e, -EINVAL, "config: `linux.cgroupsPath` is the root group");
    }
    *out = path;
    return 0;
}

static bool is_blank(const char *text)
{
    return !text[strspn(text, " \n")];
}

/* A cpuset group without CPUs or memory nodes is one that nothing can join. A new one has none, and
 * one that somebody made and left so has to get them too, or what is below it could have none:
 * going down, each takes what its parent has by then. What is set stays. */
static int inherit_cpuset(int parent, int group, struct err *e)
{
    static const char *const files[] = {"cpuset.cpus", "cpuset.mems"};
    for (unsigned i = 0; i < ARRAY_LEN(files); i++) {
        auto_c_free char *own = NULL, *theirs = NULL;
        int r;
        if ((r = file_read(group, files[i], 65536, &own, e)))
            return r;
        if (!is_blank(own))
            continue;
        if ((r = file_read(parent, files[i], 65536, &theirs, e)) ||
            (r = file_write(group, files[i], theirs, e)))
            return r;
    }
    return 0;
}

/* On the way down in version 2 every controller is handed to the children, as far as it goes:
 * a controller that cannot be is missed only when a limit asks for it. */
static void enable_controllers(int dir)
{
    auto_c_free char *text = NULL;
    if (file_read(dir, "cgroup.controllers", 4096, &text, NULL))
        return;
    char *save = NULL;
    for (char *c = strtok_r(text, " \n", &save); c; c = strtok_r(NULL, " \n", &save)) {
        char plus[64];
        struct err why;
        snprintf(plus, sizeof plus, "+%s", c);
        if (file_write(dir, "cgroup.subtree_control", plus, &why))
            log_debug("oci", "%s", why.text);
    }
}

/* The word in the file of a group, which may not be there. */
static bool file_says(int dir, const char *name, const char *word)
{
    auto_c_free char *text = NULL;
    return !file_read(dir, name, 64, &text, NULL) && !strncmp(text, word, strlen(word));
}

/* A group that is there already must be as a fresh one: who enters a frozen group stops at once,
 * and nobody would ever thaw it. */
static int check_empty(int dir, const char *full, struct err *e)
{
    if (file_says(dir, "freezer.state", "FR") || file_says(dir, "cgroup.freeze", "1"))
        return err_set(e, -EBUSY, "container's cgroup unexpectedly frozen: `%s`", full);
    auto_c_free char *procs = NULL;
    int r = file_read(dir, "cgroup.procs", 1 << 20, &procs, e);
    if (!r && procs[0])
        r = err_set(e, -EBUSY, "container's cgroup is not empty: `%s` holds processes", full);
    return r;
}

static int make_in(const struct cgroup_hierarchy *h, const char *path, struct err *e)
{
    char full[768];
    size_t n = (size_t)snprintf(full, sizeof full, "%s%s", h->mount, path);
    bool cpuset = !h->v2 && has_controller(h->controllers, "cpuset");
    bool plain = !h->v2 && !cpuset; /* nothing to hand down: levels need not be opened */
    auto_close int dir = plain ? -1 : open(h->mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (!plain && dir < 0)
        return fail(e, "open `%s`", h->mount);
    bool fresh = false;
    for (size_t i = strlen(h->mount) + 1; i <= n; i++) {
        if (full[i] != '/' && full[i])
            continue;
        char kept = full[i];
        full[i] = '\0';
        if (h->v2)
            enable_controllers(dir);
        fresh = !mkdir(full, 0755);
        if (!fresh && errno != EEXIST)
            return fail(e, "create control group `%s`", full);
        if (!plain) {
            int next = open(full, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
            if (next < 0)
                return fail(e, "open control group `%s`", full);
            int r = cpuset ? inherit_cpuset(dir, next, e) : 0;
            close(dir);
            dir = next;
            if (r)
                return err_wrap(e, "control group `%s`", full);
        }
        full[i] = kept;
    }
    if (fresh)
        return 0;
    auto_close int group = cgroup_open(h, path, e);
    return group < 0 ? group : check_empty(group, full, e);
}

static bool is_lack(int r)
{
    return r == -EACCES || r == -EPERM || r == -EROFS || r == -ENOENT;
}

int cgroup_path_of(pid_t pid, char **out, struct err *e)
{
    const struct cgroup_host *host;
    char path[48], *save = NULL;
    auto_c_free char *text = NULL;
    int r;
    snprintf(path, sizeof path, "/proc/%d/cgroup", (int)pid);
    if ((r = cgroup_host_read(&host, e)) || (r = file_read(AT_FDCWD, path, 65536, &text, e)))
        return r;
    *out = NULL;
    for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
        char *second = strchr(l, ':'), *third = second ? strchr(second + 1, ':') : NULL;
        if (!third || (strncmp(l, "0::", 3) && strncmp(second, ":name=systemd:", 14)))
            continue;
        /* Only one of them is systemd's: the deeper one. */
        if (!*out || strlen(third + 1) > strlen(*out)) {
            free(*out);
            *out = strdup(third + 1);
            if (!*out)
                return err_set(e, -ENOMEM, "out of memory");
        }
    }
    return *out ? 0 : err_set(e, -ENOENT, "process %d is in no group of systemd's", (int)pid);
}

int cgroup_complete(const struct cgroup_host *host, const char *path, bool may_lack, struct err *e)
{
    for (unsigned i = 0; i < host->n; i++) {
        int r = host->h[i].v2 ? 0 : make_in(&host->h[i], path, e);
        if (r && r != -EBUSY && !(may_lack && is_lack(r)))
            return r;
    }
    return 0;
}

int cgroup_create(const struct cgroup_host *host, const char *path, bool v2, bool may_lack,
                  struct err *e)
{
    for (unsigned i = 0; i < host->n; i++) {
        int r = host->h[i].v2 == v2 ? make_in(&host->h[i], path, e) : 0;
        if (r && !(may_lack && is_lack(r)))
            return r;
    }
    return 0;
}

int cgroup_doors_open(const struct cgroup_host *host, const char *path, bool v2, bool may_lack,
                      struct cgroup_doors *d, struct err *e)
{
    for (unsigned i = 0; i < host->n; i++) {
        const struct cgroup_hierarchy *h = &host->h[i];
        char full[768];
        if (h->v2 != v2)
            continue;
        snprintf(full, sizeof full, "%s%s/%s", h->mount, path, v2 ? "cgroup.procs" : "tasks");
        int fd = open(full, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0 && may_lack && is_lack(-errno))
            continue;
        if (fd < 0)
            return fail(e, "open control group `%s`", full);
        if (!v2) {
            d->v1[d->n++] = fd;
            continue;
        }
        d->v2_procs = fd;
        d->v2 = cgroup_open(h, path, e);
        if (d->v2 < 0)
            return d->v2;
    }
    return 0;
}

void cgroup_doors_close(struct cgroup_doors *d)
{
    for (unsigned i = 0; i < d->n; i++)
        close(d->v1[i]);
    if (d->v2 >= 0)
        close(d->v2);
    if (d->v2_procs >= 0)
        close(d->v2_procs);
    *d = (struct cgroup_doors){.v2 = -1, .v2_procs = -1};
}

/* One's own thread alone is moved without the lock that stops every fork of the host: taking that
 * lock costs an RCU grace period, many milliseconds on a host where nobody just took it. */
int cgroup_enter(const struct cgroup_doors *d, bool v2, struct err *e)
{
    for (unsigned i = 0; i < d->n; i++)
        if (write(d->v1[i], "0", 1) != 1)
            return fail(e, "join a control group");
    if (v2 && d->v2_procs >= 0 && write(d->v2_procs, "0", 1) != 1)
        return fail(e, "join a control group");
    return 0;
}

/* The frozen state lives in the freezer of version 1 or in every group of version 2. */
static const struct cgroup_hierarchy *freezer_of(const struct cgroup_host *host)
{
    const struct cgroup_hierarchy *h = cgroup_find(host, "freezer");
    return h && !h->v2 ? h : cgroup_v2(host);
}

char *cgroup_freezer_path(const char *path)
{
    const struct cgroup_host *host;
    const struct cgroup_hierarchy *h = cgroup_host_read(&host, NULL) ? NULL : freezer_of(host);
    return h ? print_new("%s%s", h->mount, path) : NULL;
}

static int open_freezer(const char *path, bool *v2, struct err *e)
{
    const struct cgroup_host *host;
    int r = cgroup_host_read(&host, e);
    if (r)
        return r;
    const struct cgroup_hierarchy *h = freezer_of(host);
    if (!h)
        return err_set(e, -ENOTSUP, "no freezer control group is mounted");
    *v2 = h->v2;
    return cgroup_open(h, path, e);
}

bool cgroup_is_frozen(const char *path)
{
    bool v2 = false;
    auto_close int dir = open_freezer(path, &v2, NULL);
    auto_c_free char *text = NULL;
    if (dir < 0 || file_read(dir, v2 ? "cgroup.freeze" : "freezer.state", 64, &text, NULL))
        return false;
    return v2 ? text[0] == '1' : strncmp(text, "THAWED", 6) != 0;
}

static void pause_ms(unsigned ms)
{
    nanosleep(&(struct timespec){.tv_nsec = (long)ms * 1000000}, NULL);
}

static bool freeze_settled(int dir, bool v2, bool freeze)
{
    auto_c_free char *text = NULL;
    if (file_read(dir, v2 ? "cgroup.events" : "freezer.state", 256, &text, NULL))
        return true;
    if (v2)
        return strstr(text, freeze ? "frozen 1" : "frozen 0") != NULL;
    return !strncmp(text, freeze ? "FROZEN" : "THAWED", 6);
}

int cgroup_freeze(const char *path, bool freeze, struct err *e)
{
    bool v2 = false;
    auto_close int dir = open_freezer(path, &v2, e);
    if (dir < 0)
        return dir;
    const char *file = v2 ? "cgroup.freeze" : "freezer.state";
    const char *value = v2 ? (freeze ? "1" : "0") : (freeze ? "FROZEN" : "THAWED");
    for (unsigned i = 0; i < 2000; i++) {
        /* A version 1 freezer may miss a process that forks: asking again catches it. */
        if (!i || (!v2 && !(i % 20))) {
            int r = file_write(dir, file, value, e);
            if (r)
                return r;
        }
        if (freeze_settled(dir, v2, freeze))
            return 0;
        pause_ms(i < 10 ? 1 : 5);
    }
    if (freeze)
        (void)!file_write(dir, file, v2 ? "0" : "THAWED", NULL);
    return err_set(e, -EBUSY, "control group `%s` does not %s", path, freeze ? "freeze" : "thaw");
}

struct pid_list {
    pid_t *pid;
    size_t n, room;
};

static int add_pids(int dir, struct pid_list *l)
{
    auto_c_free char *text = NULL;
    int r = file_read(dir, "cgroup.procs", 64 << 20, &text, NULL);
    if (r)
        return r;
    char *save = NULL;
    for (char *s = strtok_r(text, "\n", &save); s; s = strtok_r(NULL, "\n", &save)) {
        if (l->n == l->room) {
            l->room = l->room ? l->room * 2 : 64;
            pid_t *more = realloc(l->pid, l->room * sizeof *more);
            if (!more)
                return -ENOMEM;
            l->pid = more;
        }
        l->pid[l->n++] = (pid_t)strtol(s, NULL, 10);
    }
    return 0;
}

/* Calls fn on every group of the tree, the deepest first; depth bounds a hostile nesting. */
static int walk_groups(int parent, const char *name, unsigned depth,
                       int (*fn)(int parent, const char *name, int dir, void *ctx), void *ctx)
{
    int dir = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (dir < 0)
        return errno == ENOENT ? 0 : -errno;
    DIR *d = fdopendir(dir);
    if (!d) {
        close(dir);
        return -ENOMEM;
    }
    int r = 0;
    for (struct dirent *f; !r && depth && (f = readdir(d));)
        if (f->d_type == DT_DIR && f->d_name[0] != '.')
            r = walk_groups(dir, f->d_name, depth - 1, fn, ctx);
    if (!r)
        r = fn(parent, name, dir, ctx);
    closedir(d);
    return r;
}

static int collect(int parent, const char *name, int dir, void *ctx)
{
    int r = add_pids(dir, ctx);
    return r == -ENOENT || r == -ENODEV || r == -EOPNOTSUPP ? 0 : r;
}

/* One hierarchy is enough: all hold the same processes. The pids controller's if there is one,
 * since processes may move themselves in a delegated version 2 tree. */
static int open_group(const char *path, int *parent, const char **name, struct err *e)
{
    const struct cgroup_host *host;
    int r = cgroup_host_read(&host, e);
    if (r)
        return r;
    const struct cgroup_hierarchy *h = cgroup_find(host, "pids");
    if (!h)
        h = cgroup_find(host, "memory");
    if (!h)
        h = cgroup_v2(host);
    if (!h && host->n)
        h = &host->h[0];
    if (!h)
        return err_set(e, -ENOTSUP, "no control group hierarchy is mounted");
    char above[400];
    const char *slash = strrchr(path, '/');
    snprintf(above, sizeof above, "%.*s", (int)(slash - path), path);
    *name = slash + 1;
    *parent = cgroup_open(h, above, e);
    return *parent < 0 ? *parent : 0;
}

int cgroup_pids(const char *path, pid_t **out, size_t *n, struct err *e)
{
    struct pid_list l = {0};
    const char *name = NULL;
    auto_close int parent = -1;
    int r = open_group(path, &parent, &name, e);
    if (!r && (r = walk_groups(parent, name, 64, collect, &l)))
        err_set(e, r, "read the processes of control group `%s`: %s", path, err_name(r));
    if (r) {
        free(l.pid);
        return r;
    }
    *out = l.pid;
    *n = l.n;
    return 0;
}

int cgroup_kill(const char *path, int signal, struct err *e)
{
    const struct cgroup_host *host;
    if (signal == SIGKILL && !cgroup_host_read(&host, e) && host->pure_v2) {
        auto_close int dir = cgroup_open(&host->h[0], path, NULL);
        if (dir >= 0 && !file_write(dir, "cgroup.kill", "1", NULL))
            return 0;
    }
    auto_c_free pid_t *pid = NULL;
    size_t n = 0;
    int r = cgroup_pids(path, &pid, &n, e);
    for (size_t i = 0; i < n; i++)
        if (kill(pid[i], signal) && errno != ESRCH)
            r = fail(e, "signal process %d", (int)pid[i]);
    return r;
}

/* Whatever is still in a group that is to go is killed: again and again, since it may fork. */
static int remove_one(int parent, const char *name, int dir, void *ctx)
{
    for (unsigned i = 0; i < 200; i++) {
        if (!unlinkat(parent, name, AT_REMOVEDIR) || errno == ENOENT)
            return 0;
        if (errno != EBUSY)
            return -errno;
        struct pid_list l = {0};
        if (!add_pids(dir, &l))
            for (size_t k = 0; k < l.n; k++)
                kill(l.pid[k], SIGKILL);
        free(l.pid);
        pause_ms(i < 10 ? 1 : 10); /* a killed process leaves the group when it is reaped */
    }
    return -EBUSY;
}

int cgroup_remove(const char *path, struct err *e)
{
    const struct cgroup_host *host;
    int r = cgroup_host_read(&host, e), worst = r;
    bool thawed = false;
    for (unsigned i = 0; !r && i < host->n; i++) {
        char full[768];
        snprintf(full, sizeof full, "%s%s", host->h[i].mount, path);
        if (!rmdir(full) || errno == ENOENT)
            continue; /* nearly always: no groups below, and everybody has left */
        if (!thawed && cgroup_is_frozen(path)) /* frozen processes do not die */
            (void)!cgroup_freeze(path, false, NULL);
        thawed = true;
        int one = walk_groups(AT_FDCWD, full, 64, remove_one, NULL);
        if (one && one != -EACCES && one != -EPERM && one != -EROFS)
            worst = err_set(e, one, "remove control group `%s`: %s", full, err_name(one));
    }
    return worst;
}
