/* SPDX-License-Identifier: BSD-2-Clause */
/* Device nodes by mknod, or in a user namespace by binding the host's. */
#include "container/rootfs_devices.h"

#include "container/mounts.h"
#include "container/path.h"
#include "container/userns.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

static const struct device_request default_devices[] = {
    {"/dev/null", 'c', 1, 3, 0666, 0, 0},    {"/dev/zero", 'c', 1, 5, 0666, 0, 0},
    {"/dev/full", 'c', 1, 7, 0666, 0, 0},    {"/dev/random", 'c', 1, 8, 0666, 0, 0},
    {"/dev/urandom", 'c', 1, 9, 0666, 0, 0}, {"/dev/tty", 'c', 5, 0, 0666, 0, 0},
};

static mode_t type_bits(char type)
{
    return type == 'b' ? S_IFBLK : type == 'p' ? S_IFIFO : S_IFCHR;
}

static bool is_device(int fd, const struct device_request *d)
{
    struct stat st;
    return !fstat(fd, &st) && (st.st_mode & S_IFMT) == type_bits(d->type) &&
           (d->type == 'p' || st.st_rdev == makedev((u32)d->major, (u32)d->minor));
}

/* Another device under the host's name of this one would be worse than none. */
static int bind_device(const struct device_request *d, int root, struct err *e)
{
    auto_close int source = open(d->path, O_PATH | O_CLOEXEC);
    if (source < 0)
        return fail(e, "open device `%s`", d->path);
    if (!is_device(source, d))
        return err_set(e, -ENODEV, "the host's `%s` is not device %c %lld:%lld", d->path, d->type,
                       (long long)d->major, (long long)d->minor);
    auto_close int target = path_make(root, d->path, PATH_FILE, 0666, e);
    if (target < 0)
        return target;
    return is_device(target, d) ? 0 : mount_bind(source, target, e);
}

/* One node in a file system of the host's user namespace, with the ids as they are there. */
static int prepare_one(const struct config *c, size_t index, int store, struct err *e)
{
    const struct device_request *d = &c->devices[index];
    char name[24];
    snprintf(name, sizeof name, "%zu", index);
    i64 uid = userns_host_id(&c->uids, d->uid), gid = userns_host_id(&c->gids, d->gid);
    if (uid < 0 || gid < 0)
        return err_set(e, -EINVAL, "device `%s`: its owner is not mapped", d->path);
    if (mknodat(store, name, type_bits(d->type) | (d->mode & 07777),
                makedev((u32)d->major, (u32)d->minor)) ||
        fchownat(store, name, (uid_t)uid, (gid_t)gid, AT_SYMLINK_NOFOLLOW))
        return fail(e, "create device `%s`", d->path);
    return mount_clone(store, name, false, true, e);
}

int devices_prepare(const struct config *c, int *fds, struct err *e)
{
    size_t n = c->device_count;
    if (!c->uids.n || !c->gids.n)
        return 0;
    auto_close int fs = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);
    if (fs < 0 || syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "mode", "0755", 0) ||
        syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
        return fail(e, "create a tmpfs for devices");
    auto_close int store = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0);
    if (store < 0)
        return fail(e, "mount a tmpfs for devices");
    umask(0);
    for (size_t i = 0; i < n; i++)
        if (c->devices[i].type != 'p' && (fds[i] = prepare_one(c, i, store, e)) < 0)
            return fds[i];
    return 0;
}

static int make_device(const struct device_request *d, int root, bool userns, int prepared,
                       struct err *e)
{
    const char *name;
    if (prepared >= 0) {
        auto_close int target = path_make(root, d->path, PATH_FILE, 0666, e);
        return target < 0 ? target : mount_attach(prepared, target, e);
    }
    if (userns && d->type != 'p')
        return bind_device(d, root, e);
    auto_close int dir = path_make_parent(root, d->path, &name, e);
    if (dir < 0)
        return dir;
    if (mknodat(dir, name, type_bits(d->type) | (d->mode & 07777),
                makedev((u32)d->major, (u32)d->minor))) {
        if (errno == EPERM)
            return bind_device(d, root, e);
        if (errno != EEXIST)
            return fail(e, "create device `%s`", d->path);
        auto_close int there = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (there < 0 || !is_device(there, d))
            return err_set(e, -EEXIST, "device `%s`: something else has that name", d->path);
        return 0;
    }
    if (fchownat(dir, name, d->uid, d->gid, AT_SYMLINK_NOFOLLOW))
        return fail(e, "change the owner of `%s`", d->path);
    return 0;
}

static int make_links(int root, struct err *e)
{
    static const struct {
        const char *name, *target;
    } links[] = {{"fd", "/proc/self/fd"},       {"stdin", "/proc/self/fd/0"},
                 {"stdout", "/proc/self/fd/1"}, {"stderr", "/proc/self/fd/2"},
                 {"core", "/proc/kcore"},       {"ptmx", "pts/ptmx"}};
    auto_close int dev = path_make(root, "/dev", PATH_DIRECTORY, 0755, e);
    if (dev < 0)
        return dev;
    for (size_t i = 0; i < ARRAY_LEN(links); i++) {
        if (!strcmp(links[i].name, "core") && access("/proc/kcore", F_OK))
            continue;
        if (!strcmp(links[i].name, "ptmx")) /* an image's own would be the host's multiplexer */
            unlinkat(dev, "ptmx", 0);
        if (symlinkat(links[i].target, dev, links[i].name) && errno != EEXIST && errno != EROFS)
            return fail(e, "create the link /dev/%s", links[i].name);
    }
    return 0;
}

int devices_setup(const struct config *c, int root, bool userns, const int *prepared, struct err *e)
{
    int r = 0;
    for (size_t i = 0; i < c->device_count && !r; i++)
        r = make_device(&c->devices[i], root, userns, prepared ? prepared[i] : -1, e);
    for (size_t i = 0; i < ARRAY_LEN(default_devices) && !r; i++) {
        bool given = false;
        for (size_t k = 0; k < c->device_count; k++)
            given |= !strcmp(c->devices[k].path, default_devices[i].path);
        if (!given)
            r = make_device(&default_devices[i], root, userns, -1, e);
    }
    return r ? r : make_links(root, e);
}
