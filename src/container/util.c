/* SPDX-License-Identifier: BSD-2-Clause */
/* Errors from errno, whole small files, descriptors. */
#include "container/util.h"

#include "base/str.h"
#include <fcntl.h>
#include <linux/close_range.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

int fail(struct err *e, const char *fmt, ...)
{
    int code = errno;
    char text[sizeof e->text];
    va_list ap;
    va_start(ap, fmt);
    str_vformat(text, sizeof text, fmt, ap);
    va_end(ap);
    return err_set(e, -code, "%s: %s", text, err_name(code));
}

int file_read(int dir, const char *path, size_t max, char **out, struct err *e)
{
    auto_close int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail(e, "open `%s`", path);
    size_t n = 0, room = 4096;
    auto_c_free char *data = malloc(room);
    while (data) {
        ssize_t got = read(fd, data + n, room - n - 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail(e, "read `%s`", path);
        n += (size_t)got;
        if (!got) {
            data[n] = '\0';
            *out = data;
            data = NULL;
            return 0;
        }
        if (n > max)
            return err_set(e, -EFBIG, "read `%s`: larger than %zu bytes", path, max);
        if (room - n < 2048) {
            char *more = realloc(data, room *= 2);
            if (!more)
                break;
            data = more;
        }
    }
    return err_set(e, -ENOMEM, "read `%s`: out of memory", path);
}

int write_all(int fd, const void *data, size_t n)
{
    const char *p = data;
    while (n) {
        ssize_t w = write(fd, p, n);
        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0)
            return -errno;
        p += w;
        n -= (size_t)w;
    }
    return 0;
}

int file_write(int dir, const char *path, const char *text, struct err *e)
{
    auto_close int fd = openat(dir, path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return fail(e, "open `%s`", path);
    ssize_t w;
    do
        w = write(fd, text, strlen(text));
    while (w < 0 && errno == EINTR);
    if (w < 0)
        return fail(e, "write `%.64s` to `%s`", text, path);
    return 0;
}

char *print_new(const char *fmt, ...)
{
    char *s = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&s, fmt, ap);
    va_end(ap);
    return n < 0 ? NULL : s;
}

int fd_move_up(int fd, int floor, struct err *e)
{
    if (fd >= floor)
        return fd;
    int up = fcntl(fd, F_DUPFD_CLOEXEC, floor);
    if (up < 0)
        return fail(e, "duplicate a descriptor");
    close(fd);
    return up;
}

int fds_close_on_exec(unsigned first, struct err *e)
{
    if (!syscall(SYS_close_range, first, ~0u, CLOSE_RANGE_CLOEXEC))
        return 0;
    return fail(e, "mark descriptors close-on-exec");
}

bool is_host_root(void)
{
    static int known = -1;
    if (known < 0) {
        auto_c_free char *map = NULL;
        unsigned inside, outside, size;
        known = !geteuid() && !file_read(AT_FDCWD, "/proc/self/uid_map", 4096, &map, NULL) &&
                sscanf(map, "%u %u %u", &inside, &outside, &size) == 3 && !inside && !outside &&
                size == UINT32_MAX;
    }
    return known;
}

int process_start_time(pid_t pid, u64 *ticks)
{
    char path[48], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (pid <= 0 || fd < 0)
        return -ESRCH;
    ssize_t n = read(fd, text, sizeof text - 1);
    if (n <= 0)
        return -ESRCH;
    text[n] = '\0';
    /* The name in parentheses may contain anything; the last ')' ends it. */
    char *p = strrchr(text, ')');
    if (!p || p[1] != ' ')
        return -ESRCH;
    p += 2;
    if (*p == 'Z' || *p == 'X')
        return -ESRCH;
    for (int field = 3; field < 22; field++) {
        p = strchr(p, ' ');
        if (!p)
            return -ESRCH;
        p++;
    }
    *ticks = strtoull(p, NULL, 10);
    return 0;
}
