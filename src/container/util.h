/* SPDX-License-Identifier: BSD-2-Clause */
/* What every file of the runtime uses: errors from errno, whole small files, scoped clean-up. */
#ifndef CONTAINER_UTIL_H
#define CONTAINER_UTIL_H

#include "base/err.h"
#include "base/types.h"

#include <errno.h>
#include <jansson.h>
#include <sys/types.h>
#include <unistd.h>

/* Records "message: text of errno" and returns -errno. */
int fail(struct err *e, const char *fmt, ...) printf_like(2, 3);

/* Reads a whole file of at most max bytes, adds a terminator; *out is freed with free(). */
int file_read(int dir, const char *path, size_t max, char **out, struct err *e) must_check;
/* Writes text with one write(2) into an existing file, as kernel interfaces want it. Never follows
 * a last symbolic link. */
int file_write(int dir, const char *path, const char *text, struct err *e) must_check;
/* Writes all bytes; 0 or -errno. */
int write_all(int fd, const void *data, size_t n) must_check;
/* As printf into new memory; NULL without memory. Freed with free(). */
char *print_new(const char *fmt, ...) printf_like(1, 2);

/* Moves fd to a number of at least `floor`, close-on-exec. The old one is closed. */
int fd_move_up(int fd, int floor, struct err *e) must_check;
/* Sets close-on-exec on every descriptor from `first` on: nothing of the caller's leaks in. */
int fds_close_on_exec(unsigned first, struct err *e) must_check;

/* The start time of a process in clock ticks: with the pid it names one process for ever.
 * -ESRCH when there is none; zombies count as none. */
int process_start_time(pid_t pid, u64 *ticks) must_check;

/* Root of the host itself: not of a user namespace, as rootless podman runs us. */
bool is_host_root(void);

static inline void auto_close_(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}
static inline void auto_c_free_(void *p)
{
    void *v = *(void **)p;
    if (v)
        __builtin_free(v);
}
static inline void auto_json_(json_t **j)
{
    json_decref(*j);
}
#define auto_close  __attribute__((cleanup(auto_close_)))
#define auto_c_free __attribute__((cleanup(auto_c_free_)))
#define auto_json   __attribute__((cleanup(auto_json_)))

static inline int steal_fd(int *fd)
{
    int v = *fd;
    *fd = -1;
    return v;
}

#endif
