/* SPDX-License-Identifier: BSD-2-Clause */
/* Host time and entropy. */
#include "base/os.h"

#include <errno.h>
#include <sys/random.h>
#include <time.h>

static u64 clock_read(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (u64)ts.tv_sec * 1000000000u + (u64)ts.tv_nsec;
}

u64 os_clock_ns(void)
{
    return clock_read(CLOCK_MONOTONIC);
}

u64 os_wall_clock_ns(void)
{
    return clock_read(CLOCK_REALTIME);
}

/* syscalls: getrandom */
int os_random(void *buf, size_t n)
{
    for (u8 *p = buf; n;) {
        ssize_t got = getrandom(p, n, 0);
        if (got < 0 && errno != EINTR)
            return -errno;
        if (got > 0) {
            p += got;
            n -= (size_t)got;
        }
    }
    return 0;
}
