/* SPDX-License-Identifier: BSD-2-Clause */
/* The state directory of a container. */
#include "container/state.h"

#include "container/cgroup.h"
#include "container/config.h"
#include "container/json.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

const char *status_name(enum status s)
{
    static const char *const names[] = {"creating", "created", "running", "paused", "stopped"};
    return names[s];
}

static int make_directories(char *path, mode_t mode)
{
    for (char *p = path + 1; *p; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        int r = mkdir(path, mode);
        *p = '/';
        if (r && errno != EEXIST && errno != EROFS)
            return -errno;
    }
    return mkdir(path, mode) && errno != EEXIST ? -errno : 0;
}

int state_root_open(const char *root, int *fd, struct err *e)
{
    auto_c_free char *path = NULL;
    const char *runtime_dir = getenv("XDG_RUNTIME_DIR");
    if (root)
        path = strdup(root);
    else if (!is_host_root() && runtime_dir && *runtime_dir)
        path = print_new("%s/doppel-oci", runtime_dir);
    else if (geteuid())
        path = print_new("/tmp/doppel-oci-%u", (unsigned)geteuid());
    else
        path = strdup("/run/doppel-oci");
    if (!path)
        return err_set(e, -ENOMEM, "open the state directory: out of memory");
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) {
        int r = make_directories(path, 0711);
        if (r)
            return err_set(e, r, "create the state directory `%s`: %s", path, err_name(r));
        dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    if (dir < 0)
        return fail(e, "open the state directory `%s`", path);
    struct stat st;
    if (!root && geteuid() && (fstat(dir, &st) || st.st_uid != geteuid())) {
        close(dir); /* somebody may have made a directory of our name in /tmp */
        return err_set(e, -EPERM, "the state directory `%s` belongs to another user", path);
    }
    *fd = dir;
    return 0;
}

int state_id_check(const char *id, struct err *e)
{
    size_t n = strlen(id);
    for (size_t i = 0; i < n; i++)
        if (!((id[i] >= 'a' && id[i] <= 'z') || (id[i] >= 'A' && id[i] <= 'Z') ||
              (id[i] >= '0' && id[i] <= '9') || strchr("_+-.", id[i])))
            return err_set(e, -EINVAL,
                           "invalid container ID format: `%.64s`: invalid character `%c` in the ID",
                           id, id[i]);
    return n > 0 && n <= 255 && strcmp(id, ".") && strcmp(id, "..")
               ? 0
               : err_set(e, -EINVAL, "invalid container ID format: `%.64s`", id);
}

int container_dir_create(struct container_dir *d, int root, const char *id, struct err *e)
{
    if (mkdirat(root, id, 0711)) {
        if (errno == EEXIST)
            return err_set(e, -EEXIST, "container with id `%s` already exists", id);
        return fail(e, "create the state directory of `%s`", id);
    }
    /* Between mkdir and flock a `delete --force` may take it for a leftover: then we lost. */
    int fd = openat(root, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return fail(e, "open the state directory of `%s`", id);
    struct stat st;
    if (flock(fd, LOCK_EX) || fstat(fd, &st) || !st.st_nlink) {
        close(fd);
        return err_set(e, -EBUSY, "container `%s` was deleted while it was being created", id);
    }
    /* Ours was deleted and another made: whoever locks it first has it. */
    if (!faccessat(fd, "state.json", F_OK, 0)) {
        close(fd);
        return err_set(e, -EEXIST, "container with id `%s` already exists", id);
    }
    *d = (struct container_dir){root, fd, true};
    return 0;
}

int container_dir_open(struct container_dir *d, int root, const char *id, bool lock, struct err *e)
{
    int r = state_id_check(id, e);
    if (r)
        return r;
    int fd = openat(root, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT)
        return err_set(e, -ENOENT, "container `%s` does not exist", id);
    if (fd < 0)
        return fail(e, "open the state directory of `%s`", id);
    struct stat st;
    if (lock && (flock(fd, LOCK_EX) || fstat(fd, &st) || !st.st_nlink)) {
        close(fd);
        return err_set(e, -ENOENT, "container `%s` does not exist", id);
    }
    *d = (struct container_dir){root, fd, lock};
    return 0;
}

void container_dir_close(struct container_dir *d)
{
    /* A child may still have our descriptor, and with it the lock. */
    if (d->fd >= 0 && d->locked)
        flock(d->fd, LOCK_UN);
    if (d->fd >= 0)
        close(d->fd);
    d->fd = -1;
}

int container_dir_remove(struct container_dir *d, const char *id, struct err *e)
{
    int copy = openat(d->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    if (!dir) {
        if (copy >= 0)
            close(copy);
        return fail(e, "read the state directory of `%s`", id);
    }
    for (struct dirent *f; (f = readdir(dir));)
        if (strcmp(f->d_name, ".") && strcmp(f->d_name, ".."))
            unlinkat(d->fd, f->d_name, 0);
    closedir(dir);
    if (unlinkat(d->root, id, AT_REMOVEDIR) && errno != ENOENT)
        return fail(e, "remove the state directory of `%s`", id);
    return 0;
}

int state_save(const struct state *s, const struct container_dir *d, struct err *e)
{
    auto_json json_t *j = json_pack(
        "{ss ss? ss? ss? ss? si sI si sI sb sb sb ss? ss? ss? sO?}", "id", s->id, "bundle",
        s->bundle, "rootfs", s->rootfs, "created", s->created, "owner", s->owner, "pid",
        (int)s->pid, "pidStart", (json_int_t)s->pid_start, "creator", (int)s->creator,
        "creatorStart", (json_int_t)s->creator_start, "complete", s->complete, "ownPids",
        s->own_pids, "lateHooks", s->late_hooks, "scope", s->scope, "cgroup", s->cgroup, "resctrl",
        s->resctrl, "annotations", s->annotations);
    auto_c_free char *text = j ? json_dumps(j, JSON_INDENT(1)) : NULL;
    if (!text)
        return err_set(e, -ENOMEM, "write the state of `%s`: out of memory", s->id);
    auto_close int fd = openat(d->fd, "state.json.new",
                               O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return fail(e, "write the state of `%s`", s->id);
    int r = write_all(fd, text, strlen(text));
    if (r)
        return err_set(e, r, "write the state of `%s`: %s", s->id, err_name(r));
    if (renameat(d->fd, "state.json.new", d->fd, "state.json"))
        return fail(e, "write the state of `%s`", s->id);
    return 0;
}

static char *string_of(json_t *j, const char *key)
{
    const char *s = json_string_value(json_object_get(j, key));
    return s ? strdup(s) : NULL;
}

int state_load(struct state *s, const struct container_dir *d, const char *id, struct err *e)
{
    *s = (struct state){0};
    auto_c_free char *text = NULL;
    struct err why;
    struct stat st;
    int r = fstatat(d->fd, "state.json", &st, AT_SYMLINK_NOFOLLOW) ? -errno : 0;
    if (!r && !S_ISREG(st.st_mode)) {
        r = -EINVAL;
        err_set(&why, r, "it is no file");
    } else if (!r) {
        r = file_read(d->fd, "state.json", 1 << 20, &text, &why);
    }
    if (r == -ENOENT) {
        s->id = strdup(id);
        return s->id ? 0 : err_set(e, -ENOMEM, "out of memory");
    }
    json_t *j = NULL;
    if (r || (r = json_parse(text, strlen(text), "state.json", &j, &why)))
        return err_set(e, r, "read the state of `%s`: %s", id, why.text);
    *s = (struct state){
        .json = j,
        .id = strdup(id),
        .bundle = string_of(j, "bundle"),
        .rootfs = string_of(j, "rootfs"),
        .created = string_of(j, "created"),
        .owner = string_of(j, "owner"),
        .cgroup = string_of(j, "cgroup"),
        .scope = string_of(j, "scope"),
        .resctrl = string_of(j, "resctrl"),
        .pid = (pid_t)json_integer_value(json_object_get(j, "pid")),
        .pid_start = (u64)json_integer_value(json_object_get(j, "pidStart")),
        .creator = (pid_t)json_integer_value(json_object_get(j, "creator")),
        .creator_start = (u64)json_integer_value(json_object_get(j, "creatorStart")),
        .complete = json_is_true(json_object_get(j, "complete")),
        .own_pids = json_is_true(json_object_get(j, "ownPids")),
        .late_hooks = json_is_true(json_object_get(j, "lateHooks")),
        .annotations = json_incref(json_object_get(j, "annotations")),
    };
    return s->id ? 0 : err_set(e, -ENOMEM, "out of memory");
}

void state_free(struct state *s)
{
    free(s->id);
    free(s->bundle);
    free(s->rootfs);
    free(s->created);
    free(s->owner);
    free(s->cgroup);
    free(s->scope);
    free(s->resctrl);
    json_decref(s->annotations);
    json_decref(s->json);
    *s = (struct state){0};
}

static bool same_process(pid_t pid, u64 start)
{
    u64 now;
    return pid > 0 && !process_start_time(pid, &now) && now == start;
}

bool state_alive(const struct state *s)
{
    return same_process(s->pid, s->pid_start);
}

/* The waiting init holds the FIFO's flock through a descriptor that execve closes. */
static bool waits_for_start(const struct container_dir *d)
{
    auto_close int fd = openat(d->fd, "exec.fifo", O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
    return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) && errno == EWOULDBLOCK;
}

enum status state_status(const struct state *s, const struct container_dir *d)
{
    if (!s->complete && same_process(s->creator, s->creator_start))
        return STATUS_CREATING;
    if (!state_alive(s))
        return STATUS_STOPPED;
    if (s->cgroup && cgroup_is_frozen(s->cgroup))
        return STATUS_PAUSED;
    if (waits_for_start(d))
        return s->complete ? STATUS_CREATED : STATUS_CREATING;
    return STATUS_RUNNING;
}

json_t *state_to_json(const struct state *s, enum status status, bool extended)
{
    bool has_pid = status != STATUS_STOPPED && s->pid > 0;
    json_t *j = json_pack("{ss ss si ss ss}", "ociVersion", OCI_VERSION, "id", s->id, "pid",
                          has_pid ? (int)s->pid : 0, "status", status_name(status), "bundle",
                          s->bundle ? s->bundle : "");
    if (!j)
        return NULL;
    if (extended) {
        json_object_set_new(j, "rootfs", json_string(s->rootfs ? s->rootfs : ""));
        json_object_set_new(j, "created", json_string(s->created ? s->created : ""));
        json_object_set_new(j, "owner", json_string(s->owner ? s->owner : ""));
    }
    if (s->annotations && json_object_size(s->annotations))
        json_object_set(j, "annotations", s->annotations);
    return j;
}
