/* SPDX-License-Identifier: BSD-2-Clause */
/* What libcriu is told of a container: what of it is the host's (bind mounts, masks, a joined
 * network namespace, standard streams) is named as external on the way out and given again on the
 * way in. */
#include "container/criu.h"

#include "container/inner.h"
#include "container/json.h"
#include "container/mount_options.h"
#include "container/mounts.h"
#include "container/path.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

extern int mount(const char *source, const char *target, const char *type, unsigned long flags,
                 const void *data);
enum { MS_REC_ = 16384, MS_SLAVE_ = 1 << 19, MS_PRIVATE_ = 1 << 18 };

static struct {
    void *library;
    int (*init_opts)(void);
    void (*set_pid)(int pid);
    void (*set_images_dir_fd)(int fd);
    void (*set_work_dir_fd)(int fd);
    int (*set_parent_images)(const char *path);
    int (*set_log_file)(const char *path);
    void (*set_log_level)(int level);
    int (*set_root)(const char *path);
    void (*set_leave_running)(bool on);
    void (*set_tcp_established)(bool on);
    void (*set_ext_unix_sk)(bool on);
    void (*set_shell_job)(bool on);
    void (*set_file_locks)(bool on);
    void (*set_track_mem)(bool on);
    void (*set_orphan_pts_master)(bool on);
    void (*set_manage_cgroups)(bool on);
    void (*set_manage_cgroups_mode)(int mode);
    int (*set_freeze_cgroup)(const char *path);
    int (*add_ext_mount)(const char *key, const char *value);
    int (*add_external)(const char *key);
    int (*add_inherit_fd)(int fd, const char *key);
    void (*set_notify_cb)(int (*fn)(char *action, void *argument));
    int (*get_orphan_pts_master_fd)(void);
    int (*dump)(void);
    int (*pre_dump)(void);
    int (*restore_child)(void);
    int (*set_network_lock)(int method);
} criu;
enum { LOCK_BY_NFTABLES = 2 };

static int load(struct err *e)
{
    static const char *const names[] = {
        "criu_init_opts",
        "criu_set_pid",
        "criu_set_images_dir_fd",
        "criu_set_work_dir_fd",
        "criu_set_parent_images",
        "criu_set_log_file",
        "criu_set_log_level",
        "criu_set_root",
        "criu_set_leave_running",
        "criu_set_tcp_established",
        "criu_set_ext_unix_sk",
        "criu_set_shell_job",
        "criu_set_file_locks",
        "criu_set_track_mem",
        "criu_set_orphan_pts_master",
        "criu_set_manage_cgroups",
        "criu_set_manage_cgroups_mode",
        "criu_set_freeze_cgroup",
        "criu_add_ext_mount",
        "criu_add_external",
        "criu_add_inherit_fd",
        "criu_set_notify_cb",
        "criu_get_orphan_pts_master_fd",
        "criu_dump",
        "criu_pre_dump",
        "criu_restore_child",
        "criu_set_network_lock",
    };
    if (criu.library)
        return 0;
    void *library = dlopen("libcriu.so.2", RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return err_set(e, -ENOTSUP, "checkpoint and restore need libcriu (package criu): %s",
                       dlerror());
    /* The members after the first stand in the order of the names. */
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        void *at = dlsym(library, names[i]);
        if (!at) {
            dlclose(library);
            return err_set(e, -ENOTSUP, "this libcriu has no %s", names[i]);
        }
        memcpy((u8 *)&criu + sizeof(void *) * (i + 1), &at, sizeof at);
    }
    _Static_assert(sizeof criu == sizeof(void *) * (ARRAY_LEN(names) + 1), "a name a member");
    criu.library = library;
    return 0;
}

/* CRIU says why in its log only. */
static int failed(int r, int work, const char *log, const char *what, struct err *e)
{
    auto_c_free char *text = NULL;
    const char *line = "";
    char *save = NULL;
    if (!file_read(work, log, 64 << 20, &text, NULL))
        for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
            /* The first that is no probe of the kernel: what follows is its consequence. */
            if (!*line && strstr(l, "Error") && !strstr(l, "exited, status"))
                line = l;
    return err_set(e, r == -ECONNREFUSED ? -ENOENT : -EIO, "criu could not %s (%s)%s%.300s", what,
                   r == -EBADE ? "see its log" : err_name(r), *line ? ": " : "", line);
}

static int cgroup_mode(const char *name)
{
    static const char *const names[] = {"ignore", "none", "props", "soft", "full", "strict"};
    for (size_t i = 0; name && i < ARRAY_LEN(names); i++)
        if (!strcmp(names[i], name))
            return (int)i;
    return 3;
}

static bool is_bind(const struct mount_request *m)
{
    struct mount_options o;
    return (m->type && (!strcmp(m->type, "bind") || !strcmp(m->type, "rbind"))) ||
           (!mount_options_parse(m->options, &o, NULL) && o.bind);
}

static int open_directories(const struct checkpoint *o, int *images, int *work, struct err *e)
{
    *images = open(o->images, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*images < 0)
        return fail(e, "open the images' directory `%s`", o->images);
    *work = open(o->work ? o->work : o->images, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *work < 0 ? fail(e, "open the work directory `%s`", o->work) : 0;
}

static int set_common(const struct checkpoint *o, const struct config *c, const char *rootfs,
                      int images, int work, const char *log, struct err *e)
{
    int r = load(e);
    if (r)
        return r;
    if (criu.init_opts())
        return err_set(e, -ENOMEM, "libcriu does not start");
    criu.set_images_dir_fd(images);
    criu.set_work_dir_fd(work);
    criu.set_log_level(4);
    criu.set_tcp_established(o->tcp_established);
    criu.set_ext_unix_sk(o->ext_unix_sk);
    criu.set_shell_job(o->shell_job);
    criu.set_file_locks(o->file_locks);
    criu.set_orphan_pts_master(true);
    /* Connections must not go on while it works. CRIU's package does not bring iptables. */
    if (access("/usr/sbin/iptables-restore", X_OK) && access("/sbin/iptables-restore", X_OK))
        criu.set_network_lock(LOCK_BY_NFTABLES);
    criu.set_manage_cgroups(true);
    criu.set_manage_cgroups_mode(cgroup_mode(o->cgroups));
    if (criu.set_root(rootfs) || criu.set_log_file(log))
        return err_set(e, -ENOMEM, "libcriu: out of memory");
    return 0;
}

/* The standard streams, by the names the kernel has for them now. */
static int keep_descriptors(int images, pid_t pid, struct err *e)
{
    auto_json json_t *list = json_array();
    for (int fd = 0; fd < 3; fd++) {
        char path[48], name[4096] = "";
        snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, fd);
        ssize_t n = readlink(path, name, sizeof name - 1);
        name[MAX(n, (ssize_t)0)] = '\0';
        json_array_append_new(list, json_string(name));
    }
    auto_c_free char *text = json_dumps(list, JSON_COMPACT);
    auto_close int fd =
        openat(images, "descriptors.json", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int r = !text ? -ENOMEM : fd < 0 ? -errno : write_all(fd, text, strlen(text));
    return r ? err_set(e, r, "write `descriptors.json`: %s", err_name(r)) : 0;
}

static void give_descriptors(int images)
{
    auto_c_free char *text = NULL;
    json_error_t why;
    if (file_read(images, "descriptors.json", 65536, &text, NULL))
        return;
    auto_json json_t *list = json_loads(text, 0, &why);
    for (size_t i = 0; i < 3; i++) {
        const char *name = json_string_value(json_array_get(list, i));
        if (name && !strncmp(name, "pipe:", 5))
            criu.add_inherit_fd((int)i, name);
    }
}

/* A joined network namespace stays the host's. */
static int add_network(const struct config *c, bool restore, int *fd, struct err *e)
{
    struct stat st;
    char key[64];
    const char *path = c->ns[NS_NET].path;
    if (!path)
        return 0;
    *fd = open(path, O_RDONLY | O_CLOEXEC);
    if (*fd < 0 || fstat(*fd, &st))
        return fail(e, "open namespace `%s`", path);
    snprintf(key, sizeof key, "net[%lu]:extRootNetNS", (unsigned long)st.st_ino);
    int r = restore ? criu.add_inherit_fd(*fd, "extRootNetNS") : criu.add_external(key);
    return r ? err_set(e, -ENOMEM, "libcriu: out of memory") : 0;
}

int criu_checkpoint(const struct checkpoint *o, const struct config *c, const char *rootfs,
                    pid_t pid, const char *freezer, struct err *e)
{
    auto_close int images = -1, work = -1, network = -1, root = -1;
    char path[48];
    struct stat st;
    int r = load(e);
    if (r)
        return r;
    if (mkdir(o->images, 0700) && errno != EEXIST)
        return fail(e, "create the images' directory `%s`", o->images);
    if ((r = open_directories(o, &images, &work, e)) ||
        (r = set_common(o, c, rootfs, images, work, "dump.log", e)) ||
        (r = keep_descriptors(images, pid, e)) || (r = add_network(c, false, &network, e)))
        return r;
    criu.set_pid(pid);
    criu.set_leave_running(o->leave_running || o->pre_dump);
    criu.set_track_mem(o->pre_dump);
    if ((o->parent && criu.set_parent_images(o->parent)) ||
        (freezer && criu.set_freeze_cgroup(freezer)))
        return err_set(e, -ENOMEM, "libcriu: out of memory");
    for (size_t i = 0; i < c->mount_count; i++)
        if (is_bind(&c->mounts[i]))
            criu.add_ext_mount(c->mounts[i].destination, c->mounts[i].destination);
    snprintf(path, sizeof path, "/proc/%d/root", (int)pid);
    root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (const char **p = c->masked; root >= 0 && p && *p; p++) {
        auto_close int at = path_open(root, *p, O_PATH, NULL);
        if (at >= 0 && !fstat(at, &st) && S_ISCHR(st.st_mode)) /* the null device over a file */
            criu.add_ext_mount(*p, *p);
    }
    r = o->pre_dump ? criu.pre_dump() : criu.dump();
    return r < 0 ? failed(r, work, "dump.log", "write the checkpoint", e) : 0;
}

static int console_socket = -1;

static int on_notify(char *action, void *argument)
{
    struct err e;
    if (strcmp(action, "orphan-pts-master") || console_socket < 0)
        return 0;
    return fd_send(console_socket, criu.get_orphan_pts_master_fd(), "terminal", &e);
}

/* CRIU wants a root that is a mount of its own; nobody else sees this one. */
static int mount_root(const char *rootfs, struct err *e)
{
    if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_SLAVE_ | MS_REC_, NULL))
        return fail(e, "make a mount namespace for criu");
    auto_close int tree = mount_clone(AT_FDCWD, rootfs, true, false, e);
    auto_close int place = open(rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (tree < 0)
        return tree;
    if (place < 0)
        return fail(e, "open the root file system `%s`", rootfs);
    int r = mount_change(tree, true, 0, 0, MS_PRIVATE_, e);
    return r ? r : mount_attach(tree, place, e);
}

int criu_restore(const struct checkpoint *o, const struct config *c, const char *rootfs,
                 int console, pid_t *pid, struct err *e)
{
    auto_close int images = -1, work = -1, network = -1, root = -1;
    struct stat st;
    int r;
    /* Directories opened before are of the old mount namespace: nothing can be mounted in them. */
    if ((r = load(e)) || (r = mount_root(rootfs, e)) ||
        (r = open_directories(o, &images, &work, e)) ||
        (r = set_common(o, c, rootfs, images, work, "restore.log", e)) ||
        (r = add_network(c, true, &network, e)))
        return r;
    give_descriptors(images);
    root = open(rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return fail(e, "open the root file system `%s`", rootfs);
    for (size_t i = 0; i < c->mount_count; i++) {
        const struct mount_request *m = &c->mounts[i];
        if (!is_bind(m) || !m->source)
            continue;
        if (stat(m->source, &st))
            return fail(e, "mount `%s`", m->source);
        auto_close int at = path_make(root, m->destination,
                                      S_ISDIR(st.st_mode) ? PATH_DIRECTORY : PATH_FILE, 0755, e);
        if (at < 0)
            return at;
        criu.add_ext_mount(m->destination, m->source);
    }
    for (const char **p = c->masked; p && *p; p++)
        criu.add_ext_mount(*p, "/dev/null");
    console_socket = console;
    criu.set_notify_cb(on_notify);
    r = criu.restore_child();
    if (r <= 0)
        return failed(r, work, "restore.log", "restore the container", e);
    *pid = r;
    return 0;
}
