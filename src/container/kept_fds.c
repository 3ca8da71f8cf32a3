/* SPDX-License-Identifier: BSD-2-Clause */
/* The descriptors that go through to the container's program. */
#include "container/inner.h"

#include <fcntl.h>

int kept_fds_reserve(struct kept_fds *k, unsigned n, struct err *e)
{
    if (n > KEPT_FDS_MAX)
        return err_set(e, -EINVAL, "%u descriptors are too many to preserve", n);
    *k = (struct kept_fds){.n = n};
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
