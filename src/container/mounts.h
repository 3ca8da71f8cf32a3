/* SPDX-License-Identifier: BSD-2-Clause */
/* Mounts by descriptor: trees are cloned detached, get their attributes, and only then appear at a
 * target that was resolved inside the root. */
#ifndef CONTAINER_MOUNTS_H
#define CONTAINER_MOUNTS_H

#include "container/config.h"
#include "container/inner.h"
#include "container/mount_options.h"

/* A detached copy of what fd (or, with a path, path from fd) shows. */
int mount_clone(int fd, const char *path, bool recursive, bool nofollow, struct err *e) must_check;
/* attr_set, attr_clear (MOUNT_ATTR_) and propagation (MS_ flag or 0) on a mount. */
int mount_change(int fd, bool recursive, u64 set, u64 clear, unsigned long propagation,
                 struct err *e) must_check;
/* Attaches a detached mount over target. */
int mount_attach(int mount, int target, struct err *e) must_check;
/* Clones source read-write or read-only and attaches it: a plain bind mount. */
int mount_bind(int source, int target, struct err *e) must_check;
/* Makes ids of a detached mount appear through a user namespace. */
int mount_idmap(int fd, bool recursive, int userns, struct err *e) must_check;

/* What mounting one entry of config.json needs to know. */
struct mounter {
    int root; /* the root file system, O_PATH */
    const struct config *config;
    bool confined;       /* inside a user namespace */
    const int *prepared; /* per mount: a tree cloned outside, or -1 */
    struct inner *inner; /* whose groups a mount of them waits for */
    const char *rootfs;  /* what the host calls the root, or NULL */
    int *late;           /* per mount: it becomes read-only in the end, or -1 */
};
int mount_entry(const struct mounter *m, size_t index, struct err *e) must_check;
/* What can be done only when nothing more is made in the mounts. */
int mounts_finish(const struct mounter *m, struct err *e) must_check;

#endif
