/* SPDX-License-Identifier: BSD-2-Clause */
/* The descriptors that go through to the container's program. */
#include "container/inner.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>

static void note_others(struct kept_fds *k)
{
    DIR *d = opendir("/proc/self/fd");
    for (struct dirent *f; d && (f = readdir(d));) {
        unsigned long fd = strtoul(f->d_name, NULL, 10);
        if (fd >= FIRST_KEPT_FD + k->n && fd < KEPT_FDS_MAX && (int)fd != dirfd(d))
            k->others[fd / 8] |= (u8)(1u << fd % 8);
    }
    if (d)
        closedir(d);
}

void kept_fds_close_others(const struct kept_fds *k)
{
    for (unsigned fd = FIRST_KEPT_FD; fd < KEPT_FDS_MAX; fd++)
        if (k->others[fd / 8] >> fd % 8 & 1)
            close((int)fd);
}

int kept_fds_reserve(struct kept_fds *k, unsigned n, struct err *e)
{
    if (n > KEPT_FDS_MAX)
        return err_set(e, -EINVAL, "%u descriptors are too many to preserve", n);
    *k = (struct kept_fds){.n = n};
    note_others(k);
    for (unsigned i = 0; i < n; i++) {
        int fd = (int)(FIRST_KEPT_FD + i);
        if (fcntl(fd, F_GETFD) >= 0) {
            k->open[i / 8] |= (u8)(1u << i % 8);
            continue;
        }
        int got = open("/", O_PATH | O_CLOEXEC);
        if (got < 0)
            return fail(e, "reserve descriptor %d", fd);
        if (got == fd)
            continue;
        int r = dup3(got, fd, O_CLOEXEC) < 0 ? fail(e, "reserve descriptor %d", fd) : 0;
        close(got);
        if (r)
            return r;
    }
    return 0;
}
