/* SPDX-License-Identifier: BSD-2-Clause */
/* Mounting the entries of config.json. */
#include "container/mounts.h"

#include "base/log.h"
#include "container/cgroup.h"
#include "container/mount_source.h"
#include "container/path.h"
#include "container/selinux.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

/* <sys/mount.h> does not go with <linux/mount.h> on Debian 12. */
extern int mount(const char *source, const char *target, const char *type, unsigned long flags,
                 const void *data);
enum {
    MS_RDONLY_ = 1,
    MS_REMOUNT_ = 32,
    MS_BIND_ = 4096,
    MS_REC_ = 16384,
    MS_PRIVATE_ = 1 << 18,
    MS_SLAVE_ = 1 << 19,
    PROC_ROOT_INODE = 1
};

int mount_clone(int fd, const char *path, bool recursive, bool nofollow, struct err *e)
{
    unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (*path ? 0 : AT_EMPTY_PATH) |
                     (recursive ? AT_RECURSIVE : 0) | (nofollow ? AT_SYMLINK_NOFOLLOW : 0);
    long r = syscall(SYS_open_tree, fd, path, flags);
    return r < 0 ? fail(e, "open `%s` to bind it", path) : (int)r;
}

int mount_change(int fd, bool recursive, u64 set, u64 clear, unsigned long propagation,
                 struct err *e)
{
    struct mount_attr a = {.attr_set = set, .attr_clr = clear, .propagation = propagation};
    if (!set && !clear && !propagation)
        return 0;
    if (syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &a,
                sizeof a))
        return fail(e, "change the attributes of a mount");
    return 0;
}

int mount_attach(int mount_fd, int target, struct err *e)
{
    if (syscall(SYS_move_mount, mount_fd, "", target, "",
                MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH))
        return fail(e, "attach a mount");
    return 0;
}

int mount_bind(int source, int target, struct err *e)
{
    auto_close int tree = mount_clone(source, "", false, false, e);
    return tree < 0 ? tree : mount_attach(tree, target, e);
}

int mount_idmap(int fd, bool recursive, int userns, struct err *e)
{
    struct mount_attr a = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (u64)userns};
    if (syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &a,
                sizeof a))
        return fail(e, "map the ids of a mount");
    return 0;
}

/* Propagation options of an entry, on the mount at fd. */
static int apply_propagation(int fd, const struct mount_options *o, struct err *e)
{
    for (unsigned i = 0; i < o->propagations; i++) {
        unsigned long p = o->propagation[i];
        int r = mount_change(fd, p & MS_REC_, 0, 0, p & ~(unsigned long)MS_REC_, e);
        if (r)
            return r;
    }
    return 0;
}

/* Some callers name the destination as the host sees it. */
static const char *inside(const struct mounter *m, const char *destination)
{
    size_t n = m->rootfs ? strlen(m->rootfs) : 0;
    return n > 1 && !strncmp(destination, m->rootfs, n) && destination[n] == '/' ? destination + n
                                                                                 : destination;
}

/* The place of a mount: made when missing, as a directory or, for a file source, as a file.
 * *found: it was there. */
static int open_target(const struct mounter *m, const struct mount_request *q,
                       const struct mount_options *o, int source, bool *found, struct err *e)
{
    struct stat st;
    const char *path = inside(m, q->destination);
    enum path_kind kind = PATH_DIRECTORY;
    if (source >= 0 && !fstat(source, &st) && !S_ISDIR(st.st_mode))
        kind = PATH_FILE;
    int fd = o->destination_nofollow ? path_open_nofollow(m->root, path, O_PATH, NULL)
                                     : path_open(m->root, path, O_PATH, NULL);
    *found = fd >= 0;
    return *found ? fd : path_make(m->root, path, kind, kind == PATH_FILE ? 0644 : 0755, e);
}

/* A link in place of these would have everything that is verified on them later happen somewhere
 * else (CVE-2019-19921, CVE-2023-27561). */
static int check_plain_directory(const struct mounter *m, const struct mount_request *q,
                                 struct err *e)
{
    struct stat st;
    if (!q->type || (strcmp(q->type, "proc") && strcmp(q->type, "sysfs")))
        return 0;
    auto_close int fd = path_open_nofollow(m->root, inside(m, q->destination), O_PATH, NULL);
    if (fd >= 0 && !fstat(fd, &st) && !S_ISDIR(st.st_mode))
        return err_set(e, -ENOTDIR, "filesystem `%s` must be mounted on ordinary directory",
                       q->type);
    return 0;
}

static int mount_bind_entry(const struct mounter *m, size_t index, const struct mount_options *o,
                            struct err *e)
{
    const struct mount_request *q = &m->config->mounts[index];
    int r;
    auto_close int tree = mount_source_open(m, index, o, e);
    if (tree < 0)
        return tree;
    bool found;
    auto_close int target = open_target(m, q, o, tree, &found, e);
    if (target < 0)
        return target;
    if ((r = mount_change(tree, false, o->attr_set, o->attr_clear, 0, e)) ||
        (r = mount_change(tree, true, o->rec_set, o->rec_clear, 0, e)) ||
        (r = mount_attach(tree, target, e)))
        return r;
    return apply_propagation(tree, o, e);
}

/* Copies what the image has at the place of a tmpfs into it. */
static int copy_tree(int from, int to, unsigned depth, struct err *e)
{
    int copy = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = copy < 0 ? NULL : fdopendir(copy);
    if (!d)
        return fail(e, "copy up: open a directory");
    int r = depth ? 0 : err_set(e, -ELOOP, "copy up: too deep");
    for (struct dirent *f; !r && (f = readdir(d));) {
        struct stat st;
        const char *n = f->d_name;
        if (!strcmp(n, ".") || !strcmp(n, ".."))
            continue;
        if (fstatat(from, n, &st, AT_SYMLINK_NOFOLLOW)) {
            r = fail(e, "copy up `%s`", n);
        } else if (S_ISDIR(st.st_mode)) {
            auto_close int a = openat(from, n, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            if (a < 0 || mkdirat(to, n, st.st_mode & 07777)) {
                r = fail(e, "copy up `%s`", n);
            } else {
                auto_close int b = openat(to, n, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                r = b < 0 ? fail(e, "copy up `%s`", n) : copy_tree(a, b, depth - 1, e);
            }
        } else if (S_ISLNK(st.st_mode)) {
            char link[4096];
            ssize_t len = readlinkat(from, n, link, sizeof link - 1);
            link[len < 0 ? 0 : len] = '\0';
            if (len < 0 || symlinkat(link, to, n))
                r = fail(e, "copy up `%s`", n);
        } else if (S_ISREG(st.st_mode)) {
            auto_close int a = openat(from, n, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
            auto_close int b =
                openat(to, n, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, st.st_mode & 07777);
            ssize_t got = a < 0 || b < 0 ? -1 : 1;
            while (got > 0)
                got = copy_file_range(a, NULL, b, NULL, 1 << 20, 0);
            if (got < 0 && a >= 0 && b >= 0) { /* between file systems of old kernels */
                char buf[16384];
                while ((got = read(a, buf, sizeof buf)) > 0 && !write_all(b, buf, (size_t)got))
                    ;
            }
            if (got < 0)
                r = fail(e, "copy up `%s`", n);
        } else if (mknodat(to, n, st.st_mode, st.st_rdev)) {
            r = fail(e, "copy up `%s`", n);
        }
        if (!r && (fchownat(to, n, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) ||
                   (!S_ISLNK(st.st_mode) && fchmodat(to, n, st.st_mode & 07777, 0))))
            r = fail(e, "copy up `%s`", n);
    }
    closedir(d);
    return r;
}

/* mount(2) on the descriptor's name in procfs: the target cannot be exchanged any more. The
 * working procfs is the host's, which the container cannot have changed. */
static int mount_at(int target, const char *source, const char *type, unsigned long flags,
                    const char *data, struct err *e)
{
    char where[48];
    snprintf(where, sizeof where, "/proc/self/fd/%d", target);
    if (mount(source, where, type, flags, data && *data ? data : NULL))
        return fail(e, "mount file system `%s`", type ? type : "");
    return 0;
}

/* The same with mountLabel; message queues are labelled as files are. */
static int mount_labelled(const struct mounter *m, const struct mount_request *q, int target,
                          const char *type, unsigned long flags, const char *data, struct err *e)
{
    const char *label = m->config->mount_label;
    char all[4096 + 1280];
    int r = selinux_mount_data(label, type, data, all, sizeof all, e);
    if (r || (r = mount_at(target, q->source ? q->source : type, type, flags, all, e)) || !label ||
        !*label || strcmp(type, "mqueue"))
        return r;
    auto_close int top = path_open(m->root, inside(m, q->destination), O_PATH | O_DIRECTORY, e);
    if (top < 0)
        return top;
    struct err why;
    r = selinux_label_file(top, label, &why);
    if (r == -EPERM && m->confined) { /* the policy's label for queues stays */
        log_debug("oci", "mount `%s`: %s", q->destination, why.text);
        return 0;
    }
    return r ? err_set(e, r, "%s", why.text) : 0;
}

static int mount_file_system(const struct mounter *m, const struct mount_request *q,
                             const struct mount_options *o, struct err *e)
{
    int r = o->tmpcopyup ? inner_join_groups(m->inner, e) : 0; /* the copy is charged to them */
    if (r)
        return r;
    bool found;
    auto_close int target = open_target(m, q, o, -1, &found, e);
    if (target < 0)
        return target;
    unsigned long flags = o->flags & ~(unsigned long)(MS_BIND_ | MS_REC_);
    const char *type = q->type && *q->type ? q->type : "none";
    /* Mount points, devices and copies may still have to be made in it. */
    bool late_ro = flags & MS_RDONLY_ && !strcmp(type, "tmpfs");
    if (late_ro)
        flags &= ~(unsigned long)MS_RDONLY_;
    const char *data = o->data;
    char with_mode[sizeof o->data + 16];
    struct stat st;
    /* A tmpfs takes the permissions of the directory it covers, unless told. */
    if (found && !strcmp(type, "tmpfs") && !strstr(data, "mode=") && !fstat(target, &st)) {
        snprintf(with_mode, sizeof with_mode, "%s%smode=%o", data, *data ? "," : "",
                 (unsigned)(st.st_mode & 07777));
        data = with_mode;
    }
    r = mount_labelled(m, q, target, type, flags, data, e);
    if (r == -EINVAL && data == with_mode)
        r = mount_labelled(m, q, target, type, flags, o->data, e);
    /* sysfs needs the network namespace to be ours; a bind of the host's is what is left. */
    if (r == -EPERM && m->confined && (!strcmp(type, "sysfs") || !strcmp(type, "mqueue"))) {
        const char *host = !strcmp(type, "sysfs") ? "/sys" : "/dev/mqueue";
        auto_close int tree = mount_clone(AT_FDCWD, host, true, false, e);
        if (tree < 0)
            return tree;
        /* With what is mounted below, or the host's control groups would stay writable in it
         * (CVE-2023-25809). */
        if ((r = mount_change(tree, true, o->attr_set, 0, MS_SLAVE_, e)))
            return r;
        return mount_attach(tree, target, e);
    }
    if (r || (!o->propagations && !o->tmpcopyup && !o->rec_set && !o->rec_clear && !late_ro))
        return r;
    auto_close int top = path_open(m->root, inside(m, q->destination), O_PATH | O_DIRECTORY, e);
    if (top < 0)
        return top;
    if (o->tmpcopyup) {
        auto_close int below = openat(target, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (below < 0)
            return fail(e, "open what is below the tmpfs");
        if ((r = copy_tree(below, top, 64, e)))
            return r;
    }
    if (late_ro)
        m->late[q - m->config->mounts] = fcntl(top, F_DUPFD_CLOEXEC, 3);
    if ((r = mount_change(top, true, o->rec_set, o->rec_clear, 0, e)))
        return r;
    return apply_propagation(top, o, e);
}

/* The container is shown its own group only; where an ordinary user could make none, ours. */
static int bind_group(const struct mounter *m, const struct cgroup_hierarchy *h, int target,
                      const struct mount_options *o, struct err *e)
{
    char full[768];
    int r = -ENOENT;
    if (m->inner->cgroup) {
        snprintf(full, sizeof full, "%s%s", h->mount, m->inner->cgroup);
        r = mount_clone(AT_FDCWD, full, true, true, e);
    }
    if (r == -ENOENT && (!m->inner->cgroup || m->confined)) {
        snprintf(full, sizeof full, "%s%s", h->mount, strcmp(h->own, "/") ? h->own : "");
        r = mount_clone(AT_FDCWD, full, true, true, e);
    }
    auto_close int tree = r;
    if (tree >= 0)
        r = mount_change(tree, false, o->attr_set, 0, 0, e);
    return r < 0 ? r : mount_attach(tree, target, e);
}

/* One version 1 hierarchy below the cgroup mount's tmpfs. */
static int mount_hierarchy(const struct mounter *m, int base, const struct cgroup_hierarchy *h,
                           const struct mount_options *o, struct err *e)
{
    const char *name = strrchr(h->mount, '/') + 1;
    if (mkdirat(base, name, 0755) && errno != EEXIST)
        return fail(e, "create `%s`", name);
    auto_close int target = openat(base, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (target < 0)
        return fail(e, "open `%s`", name);
    unsigned long flags = o->flags & ~(unsigned long)(MS_BIND_ | MS_REC_);
    if (m->config->ns[NS_CGROUP].wanted && !m->confined) {
        char data[160];
        snprintf(data, sizeof data, "%.*s", (int)strlen(h->controllers + 1) - 1,
                 h->controllers + 1);
        return mount_at(target, "cgroup", h->v2 ? "cgroup2" : "cgroup", flags, h->v2 ? "" : data,
                        e);
    }
    return bind_group(m, h, target, o, e);
}

static int mount_cgroups(const struct mounter *m, const struct mount_request *q,
                         const struct mount_options *o, struct err *e)
{
    const struct cgroup_host *host;
    int r = inner_join_groups(m->inner, e);
    if (r || (r = cgroup_host_read(&host, e)))
        return r;
    bool found;
    auto_close int target = open_target(m, q, o, -1, &found, e);
    if (target < 0)
        return target;
    unsigned long flags = o->flags & ~(unsigned long)(MS_BIND_ | MS_REC_);
    if (host->pure_v2) {
        if (m->config->ns[NS_CGROUP].wanted) {
            r = mount_at(target, "cgroup", "cgroup2", flags, "", e);
            if (r != -EPERM && r != -EBUSY)
                return r;
        }
        return bind_group(m, &host->h[0], target, o, e);
    }
    char data[1280];
    if ((r = selinux_mount_data(m->config->mount_label, "tmpfs", "mode=755", data, sizeof data,
                                e)) ||
        (r = mount_at(target, "tmpfs", "tmpfs", flags & ~(unsigned long)MS_RDONLY_, data, e)))
        return r;
    auto_close int base = path_open(m->root, inside(m, q->destination), O_PATH | O_DIRECTORY, e);
    if (base < 0)
        return base;
    for (unsigned i = 0; i < host->n; i++) {
        const struct cgroup_hierarchy *h = &host->h[i];
        if ((r = mount_hierarchy(m, base, h, o, e)))
            return r;
        /* cpu and cpuacct name the common hierarchy "cpu,cpuacct" too. */
        const char *name = strrchr(h->mount, '/') + 1;
        char copy[256], *save = NULL;
        snprintf(copy, sizeof copy, "%s", name);
        for (char *c = strchr(name, ',') ? strtok_r(copy, ",", &save) : NULL; c;
             c = strtok_r(NULL, ",", &save))
            if (symlinkat(name, base, c) && errno != EEXIST)
                return fail(e, "link `%s`", c);
    }
    return flags & MS_RDONLY_ ? mount_change(base, false, MOUNT_ATTR_RDONLY, 0, 0, e) : 0;
}

/* Over /proc nothing else may be mounted than procfs, nor below it what could fake its files
 * (CVE-2019-16884, CVE-2019-19921); lxcfs' files are customary. */
static int check_procfs(const struct mount_request *q, bool bind, struct err *e)
{
    static const char *const allowed[] = {"/proc/cpuinfo",
                                          "/proc/diskstats",
                                          "/proc/meminfo",
                                          "/proc/stat",
                                          "/proc/swaps",
                                          "/proc/uptime",
                                          "/proc/loadavg",
                                          "/proc/slabinfo",
                                          "/proc/sys/kernel/ns_last_pid",
                                          "/proc/sys/crypto/fips_enabled"};
    const char *d = q->destination;
    char clean[256] = "";
    size_t n = 0;
    for (; *d && n < sizeof clean - 1; d++)
        if (*d != '/' || !n || clean[n - 1] != '/')
            clean[n++] = *d;
    while (n > 1 && clean[n - 1] == '/')
        n--;
    clean[n] = '\0';
    bool proc = q->type && !strcmp(q->type, "proc");
    if (proc || strncmp(clean, "/proc", 5) || (clean[5] && clean[5] != '/'))
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(allowed); i++)
        if (!strcmp(clean, allowed[i]))
            return 0;
    struct statfs fs;
    struct stat st;
    if (!clean[5] && bind && q->source && !statfs(q->source, &fs) &&
        fs.f_type == PROC_SUPER_MAGIC && !stat(q->source, &st) && st.st_ino == PROC_ROOT_INODE)
        return 0; /* the host's, for who shares its processes */
    return err_set(e, -EPERM, "`%s` cannot be mounted because it is inside /proc", q->destination);
}

int mount_entry(const struct mounter *m, size_t index, struct err *e)
{
    const struct mount_request *q = &m->config->mounts[index];
    struct mount_options o;
    int r = mount_options_parse(q->options, &o, e);
    const char *type = q->type ? q->type : "";
    if (!strcmp(type, "bind") || !strcmp(type, "rbind"))
        o.bind = true;
    if (!strcmp(type, "rbind"))
        o.recursive = true;
    if (!r)
        r = check_procfs(q, o.bind, e);
    if (!r)
        r = check_plain_directory(m, q, e);
    if (r)
        return err_wrap(e, "mount `%s`", q->destination);
    if (o.flags & MS_REMOUNT_) {
        auto_close int top = path_open(m->root, inside(m, q->destination), O_PATH, e);
        r = top < 0 ? top : mount_change(top, false, o.attr_set, o.attr_clear, 0, e);
    } else if (o.bind) {
        r = mount_bind_entry(m, index, &o, e);
    } else if (!strcmp(type, "cgroup") || !strcmp(type, "cgroup2")) {
        r = mount_cgroups(m, q, &o, e);
    } else if (!*type && o.propagations) { /* only the propagation of what is there */
        auto_close int top = path_open(m->root, inside(m, q->destination), O_PATH, e);
        r = top < 0 ? top : apply_propagation(top, &o, e);
    } else {
        r = mount_file_system(m, q, &o, e);
    }
    return r ? err_wrap(e, "mount `%s` to `%s`", q->source ? q->source : type, q->destination) : 0;
}

int mounts_finish(const struct mounter *m, struct err *e)
{
    int r = 0;
    for (size_t i = 0; i < m->config->mount_count; i++) {
        if (m->late[i] < 0)
            continue;
        if (!r && (r = mount_change(m->late[i], false, MOUNT_ATTR_RDONLY, 0, 0, e)))
            err_wrap(e, "make `%s` read-only", m->config->mounts[i].destination);
        close(m->late[i]);
        m->late[i] = -1;
    }
    return r;
}
