/* SPDX-License-Identifier: BSD-2-Clause */
/* The root file system: mounts, devices, what is masked, and the change of root. All of it happens
 * before pivot_root, through a descriptor of the new root: until the container's program runs,
 * nobody in there can race us, and the host's /proc and /dev are still at hand. */
#include "container/inner.h"

#include "container/channel.h"
#include "container/hooks.h"
#include "container/mounts.h"
#include "container/path.h"
#include "container/rootfs_devices.h"

#include "base/log.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

extern int mount(const char *source, const char *target, const char *type, unsigned long flags,
                 const void *data);
extern int umount2(const char *target, int flags);
enum {
    MS_MOVE_ = 8192,
    MS_REC_ = 16384,
    MS_PRIVATE_ = 1 << 18,
    MS_SLAVE_ = 1 << 19,
    MS_SHARED_ = 1 << 20,
    MNT_DETACH_ = 2
};

/* pivot_root refuses a new root whose parent mount is shared. */
static int make_parent_private(const char *rootfs, struct err *e)
{
    char path[4096];
    struct statx here, up;
    snprintf(path, sizeof path, "%s", rootfs);
    if (statx(AT_FDCWD, path, 0, STATX_MNT_ID, &here))
        return fail(e, "stat `%s`", path);
    for (char *slash; (slash = strrchr(path, '/')) && slash != path;) {
        *slash = '\0';
        if (statx(AT_FDCWD, path, 0, STATX_MNT_ID, &up) || up.stx_mnt_id != here.stx_mnt_id) {
            *slash = '/';
            break;
        }
    }
    if (strrchr(path, '/') == path && statx(AT_FDCWD, "/", 0, STATX_MNT_ID, &up) == 0 &&
        up.stx_mnt_id == here.stx_mnt_id)
        strcpy(path, "/");
    return mount(NULL, path, NULL, MS_PRIVATE_, NULL) ? fail(e, "make `%s` private", path) : 0;
}

/* A clone of the rootfs tree, mounted over itself: pivot_root wants a mount point. */
static int open_root(struct inner *in, struct err *e)
{
    unsigned long wanted = in->config->rootfs_propagation;
    bool shared = wanted & MS_SHARED_;
    int r;
    if (!shared &&
        mount(NULL, "/", NULL, (wanted & MS_PRIVATE_ ? MS_PRIVATE_ : MS_SLAVE_) | MS_REC_, NULL))
        return fail(e, "stop mount propagation");
    int tree = mount_clone(AT_FDCWD, in->rootfs, true, false, e);
    if (tree < 0)
        return tree;
    auto_close int place = open(in->rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
    r = place < 0 ? fail(e, "open the root file system `%s`", in->rootfs) : 0;
    if (!r && shared)
        r = make_parent_private(in->rootfs, e);
    if (!r)
        r = mount_attach(tree, place, e);
    if (r) {
        close(tree);
        return r;
    }
    return tree;
}

/* One empty file system for all of them: *mask is its first mount. */
static int mask_directory(int target, const char *label, int *mask, struct err *e)
{
    if (*mask >= 0) {
        auto_close int again = mount_clone(*mask, "", false, false, e);
        return again < 0 ? again : mount_attach(again, target, e);
    }
    auto_close int fs = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);
    if (fs < 0)
        return fail(e, "open tmpfs");
    if (label && *label && syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "context", label, 0))
        return fail(e, "label a tmpfs `%s`", label);
    if (syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "size", "0", 0) ||
        syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "nr_blocks", "1", 0) ||
        syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
        return fail(e, "create a tmpfs");
    *mask =
        (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC,
                     MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
    return *mask < 0 ? fail(e, "mount a tmpfs") : mount_attach(*mask, target, e);
}

/* Only over what the path is in this very root, only with the real null device. */
static int mask_paths(const struct config *c, int root, struct err *e)
{
    struct stat st;
    if (!c->masked || !c->masked[0])
        return 0;
    auto_close int mask = -1;
    auto_close int null = open("/dev/null", O_PATH | O_CLOEXEC | O_NOFOLLOW);
    if (null < 0 || fstat(null, &st) || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
        return err_set(e, -EINVAL, "mask paths: /dev/null is not the null device");
    for (const char **p = c->masked; *p; p++) {
        struct err why;
        auto_close int target = path_open(root, *p, O_PATH, &why);
        if (target == -ENOENT || target == -ENOTDIR)
            continue;
        int r = target < 0            ? err_set(e, target, "%s", why.text)
                : fstat(target, &st)  ? fail(e, "stat")
                : S_ISDIR(st.st_mode) ? mask_directory(target, c->mount_label, &mask, e)
                                      : mount_bind(null, target, e);
        if (r)
            return err_wrap(e, "mask `%s`", *p);
    }
    return 0;
}

static int protect_paths(const struct config *c, int root, struct err *e)
{
    for (const char **p = c->readonly; p && *p; p++) {
        struct err why;
        auto_close int target = path_open(root, *p, O_PATH, &why);
        if (target == -ENOENT || target == -ENOTDIR)
            continue;
        if (target < 0)
            return err_set(e, target, "make `%s` read-only: %s", *p, why.text);
        auto_close int tree = mount_clone(target, "", true, false, e);
        int r = tree < 0 ? tree : mount_change(tree, true, MOUNT_ATTR_RDONLY, 0, 0, e);
        if (r || mount_attach(tree, target, e))
            return err_wrap(e, "make `%s` read-only", *p);
    }
    return 0;
}

static int pivot(int root, struct err *e)
{
    auto_close int old = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (old < 0)
        return fail(e, "open /");
    if (fchdir(root) || syscall(SYS_pivot_root, ".", "."))
        return fail(e, "pivot_root");
    /* The old root now lies over the new one: unmounted without telling the host. */
    if (fchdir(old) || mount(NULL, ".", NULL, MS_SLAVE_ | MS_REC_, NULL) ||
        umount2(".", MNT_DETACH_))
        return fail(e, "leave the old root");
    return 0;
}

/* What stays below the moved root: a whole procfs or sysfs there would let the container mount
 * another one without what is masked in its own. */
static int hide_kernel_mounts(const char *rootfs, struct err *e)
{
    char line[4096], where[2048], type[64];
    FILE *f = fopen("/proc/self/mountinfo", "re");
    if (!f)
        return fail(e, "read the mounts");
    int r = 0;
    while (!r && fgets(line, sizeof line, f)) {
        const char *dash = strstr(line, " - ");
        if (!dash || sscanf(dash, " - %63s", type) != 1 ||
            sscanf(line, "%*s %*s %*s %*s %2047s", where) != 1 ||
            (strcmp(type, "proc") && strcmp(type, "sysfs")) ||
            (!strncmp(where, rootfs, strlen(rootfs)) && where[strlen(rootfs)] == '/'))
            continue;
        /* The host must not lose them with us. */
        if (mount(NULL, where, NULL, MS_SLAVE_ | MS_REC_, NULL) && errno != EINVAL &&
            errno != ENOENT)
            r = fail(e, "stop the propagation of `%s`", where);
        else if (umount2(where, MNT_DETACH_) && errno != EINVAL && errno != ENOENT &&
                 mount("tmpfs", where, "tmpfs", 0, "size=0"))
            r = fail(e, "hide `%s`", where);
    }
    fclose(f);
    return r;
}

/* For a root in an initramfs, where pivot_root cannot work. */
static int move_root(int root, const char *rootfs, struct err *e)
{
    int r = hide_kernel_mounts(rootfs, e);
    if (r)
        return r;
    if (fchdir(root) || mount(".", "/", NULL, MS_MOVE_, NULL) || chroot("."))
        return fail(e, "move the root");
    return 0;
}

/* Standard streams on the host's null device keep the host's /dev in use: the container's own is as
 * good. */
static int reopen_null(struct err *e)
{
    for (int fd = 0; fd < 3; fd++) {
        struct stat st;
        if (fstat(fd, &st) || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
            continue;
        auto_close int null = open("/dev/null", O_RDWR | O_CLOEXEC | O_NOFOLLOW);
        if (null < 0 || fstat(null, &st) || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
            continue; /* a container without one */
        if (dup2(null, fd) < 0)
            return fail(e, "reopen /dev/null");
    }
    return 0;
}

static int enter_root(struct inner *in, int root, struct err *e)
{
    const struct config *c = in->config;
    int r = in->no_pivot ? move_root(root, in->rootfs, e) : pivot(root, e);
    if (r)
        return r;
    if (chdir("/"))
        return fail(e, "chdir to /");
    if ((r = reopen_null(e)))
        return r;
    unsigned long p = c->rootfs_propagation;
    if (p && mount(NULL, "/", NULL, p, NULL))
        return fail(e, "set the root's propagation");
    auto_close int now = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (now < 0)
        return fail(e, "open /");
    return c->root_readonly ? mount_change(now, false, MOUNT_ATTR_RDONLY, 0, 0, e) : 0;
}

static bool binds_dev(const struct config *c)
{
    for (size_t i = 0; i < c->mount_count; i++) {
        struct mount_options o;
        const struct mount_request *m = &c->mounts[i];
        if ((!strcmp(m->destination, "/dev") || !strcmp(m->destination, "/dev/")) &&
            !mount_options_parse(m->options, &o, NULL) &&
            (o.bind || (m->type && !strcmp(m->type, "bind"))))
            return true;
    }
    return false;
}

/* Without a mount namespace of its own the container gets no mounts: they would be the host's, or
 * those of whoever owns the namespace, and outlive the container. */
static int chroot_only(struct inner *in, struct err *e)
{
    const struct config *c = in->config;
    if ((c->masked && c->masked[0]) || (c->readonly && c->readonly[0]))
        return err_set(e, -EINVAL, "config: masked and read-only paths need a mount namespace");
    if (c->mount_count)
        log_warn("oci", "no mount namespace of its own: the `mounts` are left out");
    if (chdir(in->rootfs) || chroot(".") || chdir("/"))
        return fail(e, "change the root to `%s`", in->rootfs);
    return 0;
}

/* The working directory is made when the image lacks it: in a read-only root nobody else could. A
 * root that cannot hold it is not yet an error: entering it will be. */
static int make_directory(int root, const char *path, struct err *e)
{
    int fd = path_make(root, path, PATH_DIRECTORY, 0755, e);
    if (fd >= 0)
        close(fd);
    return fd == -EROFS || fd == -EACCES || fd == -EPERM ? 0 : MIN(fd, 0);
}

int rootfs_setup(struct inner *in, int proc, struct err *e)
{
    const struct config *c = in->config;
    int r;
    bool has_hooks = c->hooks[HOOK_PRESTART].n || c->hooks[HOOK_CREATE_RUNTIME].n;
    if (!c->ns[NS_MOUNT].wanted || c->ns[NS_MOUNT].path) {
        if ((r = inner_join_groups(in, e)))
            return r;
        if (has_hooks && (r = channel_ask(in->channel, MSG_HOOKS, 0, e)))
            return r;
        if ((r = hooks_run(c, HOOK_CREATE_CONTAINER, in->state, NULL, e)) ||
            (r = sysctl_apply(c, proc, e)))
            return r;
        return chroot_only(in, e);
    }
    auto_close int root = open_root(in, e);
    if (root < 0)
        return root;
    auto_c_free int *late = calloc(c->mount_count + 1, sizeof *late);
    if (!late)
        return err_set(e, -ENOMEM, "out of memory");
    for (size_t i = 0; i < c->mount_count; i++)
        late[i] = -1;
    struct mounter m = {root, c, in->confined, in->prepared, in, in->rootfs, late};
    for (size_t i = 0; i < c->mount_count; i++)
        if ((r = mount_entry(&m, i, e)))
            return r;
    if (in->process && (r = make_directory(root, in->process->cwd, e)))
        return r;
    if ((!binds_dev(c) && (r = devices_setup(c, root, in->confined, in->devices, e))) ||
        (r = inner_join_groups(in, e)))
        return r;
    if (has_hooks && (r = channel_ask(in->channel, MSG_HOOKS, 0, e)))
        return r;
    if (fchdir(root)) /* where the hooks find the container's files */
        return fail(e, "enter the root file system");
    if ((r = hooks_run(c, HOOK_CREATE_CONTAINER, in->state, NULL, e)) ||
        (in->process && in->process->terminal && (r = console_setup(in, root, e))) ||
        (r = sysctl_apply(c, proc, e)) || (r = mounts_finish(&m, e)) ||
        (r = protect_paths(c, root, e)) || (r = mask_paths(c, root, e)))
        return r;
    if (in->waits && (r = channel_send(in->channel, MSG_PREPARED, 0, NULL)))
        return err_set(e, r, "the runtime has gone");
    return enter_root(in, root, e);
}
