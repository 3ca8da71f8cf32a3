/* SPDX-License-Identifier: BSD-2-Clause */
/* linux.sysctl: only what a namespace of the container's own holds. */
#include "container/inner.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>

enum { KEY_MAX = 256 };

/* "net.ipv4.ip_forward" or "net/ipv4/conf/eth0.1/forwarding": the first separator decides. */
static int to_path(const char *key, char *path, struct err *e)
{
    size_t n = strlen(key);
    if (!n || n >= KEY_MAX || key[0] == '/' || key[0] == '.' || strstr(key, "..") ||
        strstr(key, "//"))
        return err_set(e, -EINVAL, "invalid sysctl `%.64s`", key);
    bool slashes = key[strcspn(key, "./")] == '/';
    for (size_t i = 0; i <= n; i++)
        path[i] = slashes ? key[i] : key[i] == '.' ? '/' : key[i] == '/' ? '.' : key[i];
    return 0;
}

static int check_one(const struct config *c, const char *key, const char *path, struct err *e)
{
    static const char *const ipc[] = {"kernel/msgmax", "kernel/msgmnb",         "kernel/msgmni",
                                      "kernel/sem",    "kernel/shmall",         "kernel/shmmax",
                                      "kernel/shmmni", "kernel/shm_rmid_forced"};
    bool is_ipc = !strncmp(path, "fs/mqueue/", 10);
    for (size_t i = 0; i < ARRAY_LEN(ipc); i++)
        is_ipc |= !strcmp(path, ipc[i]);
    if (is_ipc)
        return c->ns[NS_IPC].wanted
                   ? 0
                   : err_set(e, -EINVAL, "sysctl `%s` needs an ipc namespace", key);
    if (!strncmp(path, "net/", 4))
        return c->ns[NS_NET].wanted
                   ? 0
                   : err_set(e, -EINVAL, "sysctl `%s` needs a network namespace", key);
    if (!strcmp(path, "kernel/domainname"))
        return c->ns[NS_UTS].wanted ? 0
                                    : err_set(e, -EINVAL, "sysctl `%s` needs a uts namespace", key);
    if (!strcmp(path, "kernel/hostname"))
        return err_set(e, -EINVAL, "sysctl `%s` conflicts with the field `hostname`", key);
    if (!strncmp(path, "user/", 5) && c->ns[NS_USER].wanted)
        return 0;
    return err_set(e, -EINVAL, "sysctl `%s` is not in a namespace of the container", key);
}

int sysctl_check(const struct config *c, struct err *e)
{
    const char *key;
    json_t *value;
    json_object_foreach(c->sysctl, key, value)
    {
        char path[KEY_MAX];
        int r = to_path(key, path, e);
        if (!r)
            r = check_one(c, key, path, e);
        if (r)
            return r;
    }
    return 0;
}

int sysctl_apply(const struct config *c, int proc, struct err *e)
{
    const char *key;
    json_t *value;
    json_object_foreach(c->sysctl, key, value)
    {
        char path[KEY_MAX], full[KEY_MAX + 8];
        struct statfs fs;
        int r = to_path(key, path, e);
        if (r)
            return r;
        snprintf(full, sizeof full, "sys/%s", path);
        auto_close int fd = openat(proc, full, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
            return fail(e, "open sysctl `%s`", key);
        if (fstatfs(fd, &fs) || fs.f_type != PROC_SUPER_MAGIC)
            return err_set(e, -EINVAL, "sysctl `%s` is not on procfs", key);
        if ((r = write_all(fd, json_string_value(value), json_string_length(value))))
            return err_set(e, r, "write sysctl `%s`: %s", key, err_name(r));
    }
    return 0;
}
