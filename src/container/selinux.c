/* SPDX-License-Identifier: BSD-2-Clause */
/* What SELinux needs to know of a container. A label that nobody enforces would be a promise that
 * is not kept: without SELinux one is refused. */
#include "container/selinux.h"

#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

bool selinux_enabled(void)
{
    static const char *const places[] = {"/sys/fs/selinux", "/selinux"};
    struct statfs fs;
    for (size_t i = 0; i < ARRAY_LEN(places); i++)
        if (!statfs(places[i], &fs) && (u32)fs.f_type == SELINUX_MAGIC)
            return true;
    return false;
}

int selinux_check_label(const char *label, const char *member, struct err *e)
{
    if (!label || !*label)
        return 0;
    /* It is written between quotes into mount options, and into files of procfs. */
    if (strpbrk(label, "\"\\\n") || strlen(label) > 1024)
        return err_set(e, -EINVAL, "config: `%s` \"%.64s\" is no SELinux label", member, label);
    if (selinux_enabled())
        return 0;
    err_set(e, -ENOTSUP,
            "config: `%s`: selinux label is specified in config, but selinux is disabled or not "
            "supported",
            member);
    if (e)
        err_hint(e,
                 "leave the label out, or mount selinuxfs on /sys/fs/selinux where the kernel has "
                 "SELinux");
    return -ENOTSUP;
}

int selinux_mount_data(const char *label, const char *type, const char *data, char *out,
                       size_t size, struct err *e)
{
    static const char *const own_labels[] = {"proc", "sysfs", "mqueue", "cgroup", "cgroup2"};
    bool plain = !label || !*label || strstr(data, "context=");
    for (size_t i = 0; i < ARRAY_LEN(own_labels); i++)
        plain |= !strcmp(type, own_labels[i]);
    /* Quoted: the categories of a label are separated by commas, as options are. */
    int n = plain ? snprintf(out, size, "%s", data)
                  : snprintf(out, size, "%s%scontext=\"%s\"", data, *data ? "," : "", label);
    return n >= 0 && (size_t)n < size ? 0 : err_set(e, -E2BIG, "mount: the options are too long");
}

int selinux_label_file(int fd, const char *label, struct err *e)
{
    char path[48];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (setxattr(path, "security.selinux", label, strlen(label), 0))
        return fail(e, "label a file `%s`", label);
    return 0;
}
