/* SPDX-License-Identifier: BSD-2-Clause */
/* Resolving paths inside a root by descriptor. */
#include "container/path.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum { WALK_DEPTH = 128, WALK_LINKS = 40 };

bool path_force_walk;

/* The walk: a stack of open directories from the root down. ".." pops, never below the root; a
 * symbolic link's text is put before what is left of the path. */
struct walk {
    int stack[WALK_DEPTH];
    int depth; /* stack[0] is the root, not ours to close */
    char rest[PATH_MAX];
    int links;
};

static void walk_pop_to(struct walk *w, int depth)
{
    while (w->depth > depth)
        close(w->stack[w->depth--]);
}

static int walk_link(struct walk *w, int link, const char *after)
{
    char target[PATH_MAX];
    ssize_t n = readlinkat(link, "", target, sizeof target - 1);
    if (n < 0)
        return -errno;
    target[n] = '\0';
    size_t rest = strlen(after);
    if (++w->links > WALK_LINKS)
        return -ELOOP;
    if ((size_t)n + 1 + rest >= sizeof w->rest)
        return -ENAMETOOLONG;
    if (target[0] == '/')
        walk_pop_to(w, 0);
    memmove(w->rest + n + 1, after, rest + 1);
    memcpy(w->rest, target, (size_t)n);
    w->rest[n] = '/';
    return 0;
}

/* Takes one component off rest; *done when that was the last one. */
static int walk_step(struct walk *w, bool follow_last, bool *done)
{
    char name[NAME_MAX + 1];
    char *p = w->rest + strspn(w->rest, "/");
    size_t n = strcspn(p, "/");
    char *after = p + n;
    *done = !n;
    if (!n)
        return 0;
    if (n > NAME_MAX)
        return -ENAMETOOLONG;
    memcpy(name, p, n);
    name[n] = '\0';
    bool last = !after[strspn(after, "/")];
    if (!strcmp(name, ".") || !strcmp(name, "..")) {
        if (name[1] && w->depth)
            walk_pop_to(w, w->depth - 1);
        memmove(w->rest, after, strlen(after) + 1);
        return 0;
    }
    int fd = openat(w->stack[w->depth], name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    struct stat st;
    int r = fstat(fd, &st) ? -errno : 0;
    if (!r && S_ISLNK(st.st_mode) && !(last && !follow_last && !*after)) {
        r = walk_link(w, fd, after);
        close(fd);
        return r;
    }
    if (!r && w->depth + 1 >= WALK_DEPTH)
        r = -ENAMETOOLONG;
    if (r) {
        close(fd);
        return r;
    }
    w->stack[++w->depth] = fd;
    memmove(w->rest, after, strlen(after) + 1);
    return 0;
}

static int walk_open(int root, const char *path, int flags, bool follow)
{
    struct walk w = {.stack = {root}};
    if (strlen(path) >= sizeof w.rest)
        return -ENAMETOOLONG;
    strcpy(w.rest, path);
    bool done = false;
    int r = 0;
    while (!r && !done)
        r = walk_step(&w, follow, &done);
    if (!r) {
        if ((flags & O_PATH) && w.depth) {
            r = w.stack[w.depth--];
        } else if (flags & O_PATH) {
            r = openat(root, ".", O_PATH | O_CLOEXEC);
        } else {
            /* Reopening through procfs is the only way to use an O_PATH descriptor for reading. */
            char self[64];
            snprintf(self, sizeof self, "/proc/self/fd/%d", w.stack[w.depth]);
            r = open(self, (flags & ~O_NOFOLLOW) | O_CLOEXEC);
        }
        r = r < 0 ? -errno : r;
    }
    struct stat st;
    if (r >= 0 && (flags & O_DIRECTORY) && !fstat(r, &st) && !S_ISDIR(st.st_mode)) {
        close(r);
        r = -ENOTDIR;
    }
    walk_pop_to(&w, 0);
    return r;
}

static int open_in_root(int root, const char *path, int flags)
{
    bool follow = !(flags & O_NOFOLLOW);
    if (!path_force_walk) {
        struct open_how how = {
            .flags = (u64)(flags | O_CLOEXEC),
            .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
        };
        for (int i = 0; i < 64; i++) {
            long r = syscall(SYS_openat2, root, *path ? path : ".", &how, sizeof how);
            if (r >= 0)
                return (int)r;
            if (errno == EAGAIN) /* a rename raced with ".." */
                continue;
            if (errno != ENOSYS && errno != EPERM)
                return -errno;
            break;
        }
    }
    return walk_open(root, path, flags, follow);
}

int path_open(int root, const char *path, int flags, struct err *e)
{
    int r = open_in_root(root, path, flags);
    return r < 0 ? err_set(e, r, "open `%s` in the root file system: %s", path, err_name(r)) : r;
}

int path_open_nofollow(int root, const char *path, int flags, struct err *e)
{
    return path_open(root, path, flags | O_NOFOLLOW, e);
}

/* Makes one component below dir and opens it without following anything. */
static int make_component(int dir, const char *name, enum path_kind kind, mode_t mode)
{
    if (kind == PATH_DIRECTORY) {
        if (mkdirat(dir, name, mode) && errno != EEXIST)
            return -errno;
        return 0;
    }
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (fd < 0)
        return errno == EEXIST ? 0 : -errno;
    close(fd);
    return 0;
}

/* The link at name in dir leads to nothing yet: path becomes its text, put where the link stood,
 * and rest. */
static int replace_link(int dir, const char *name, const char *parent, const char *rest, char *path)
{
    char target[PATH_MAX], whole[PATH_MAX];
    ssize_t n = readlinkat(dir, name, target, sizeof target - 1);
    if (n < 0)
        return -ENOENT;
    target[n] = '\0';
    int used = snprintf(whole, sizeof whole, "%s/%s%s%s", target[0] == '/' ? "" : parent, target,
                        *rest ? "/" : "", rest);
    if (used < 0 || (size_t)used >= sizeof whole)
        return -ENAMETOOLONG;
    memcpy(path, whole, (size_t)used + 1);
    return 0;
}

/* One pass over path: makes what is missing; -EAGAIN when a dangling link has changed path. */
static int make_components(int root, char *path, enum path_kind kind, mode_t mode, struct err *e)
{
    char done[PATH_MAX] = "";
    size_t used = 0;
    for (const char *p = path + strspn(path, "/"); *p;) {
        size_t len = strcspn(p, "/");
        const char *next = p + len + strspn(p + len, "/");
        char name[NAME_MAX + 1];
        if (len > NAME_MAX)
            return err_set(e, -ENAMETOOLONG, "path `%.64s...` is too long", path);
        memcpy(name, p, len);
        name[len] = '\0';
        auto_close int dir = open_in_root(root, used ? done : ".", O_PATH | O_DIRECTORY);
        if (dir < 0)
            return err_set(e, dir, "open `%s` in the root file system: %s", done, err_name(dir));
        size_t parent = used;
        memcpy(done + used, "/", 1);
        memcpy(done + used + 1, name, len + 1);
        used += len + 1;
        int have = open_in_root(root, done, O_PATH);
        if (have >= 0) {
            close(have);
        } else {
            bool last = !*next;
            done[parent] = '\0';
            if (!replace_link(dir, name, done, next, path))
                return -EAGAIN;
            done[parent] = '/';
            int r =
                !strcmp(name, "..") || !strcmp(name, ".")
                    ? -EINVAL
                    : make_component(dir, name, last ? kind : PATH_DIRECTORY, last ? mode : 0755);
            if (r)
                return err_set(e, r, "create `%s` in the root file system: %s", done, err_name(r));
        }
        p = next;
    }
    return 0;
}

/* The deepest existing ancestor is resolved with its links; what is missing below it is made
 * component by component. A dangling link leads to a place in the root as any other. */
int path_make(int root, const char *path, enum path_kind kind, mode_t mode, struct err *e)
{
    char left[PATH_MAX];
    int r = open_in_root(root, path, O_PATH);
    if (r >= 0)
        return r;
    if (r != -ENOENT)
        return err_set(e, r, "open `%s` in the root file system: %s", path, err_name(r));
    if (strlen(path) >= sizeof left)
        return err_set(e, -ENAMETOOLONG, "path `%.64s...` is too long", path);
    strcpy(left, path);
    for (int links = 0; (r = make_components(root, left, kind, mode, e)) == -EAGAIN;)
        if (++links > WALK_LINKS)
            return err_set(e, -ELOOP, "path `%.64s` has too many links", path);
    return r ? r : path_open(root, left, O_PATH, e);
}

int path_make_parent(int root, const char *path, const char **name, struct err *e)
{
    char parent[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) : 0;
    *name = slash ? slash + 1 : path;
    if (!**name || !strcmp(*name, "..") || !strcmp(*name, "."))
        return err_set(e, -EINVAL, "path `%s` names no file", path);
    if (n >= sizeof parent)
        return err_set(e, -ENAMETOOLONG, "path `%.64s...` is too long", path);
    memcpy(parent, path, n);
    parent[n] = '\0';
    return path_make(root, n ? parent : ".", PATH_DIRECTORY, 0755, e);
}
