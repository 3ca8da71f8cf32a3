/* SPDX-License-Identifier: BSD-2-Clause */
/* Character back-end over a pair of descriptors.
 *
 * Input is read only while the front-end has room, so nothing is ever dropped: can_receive() == 0
 * takes the read watch away until chardev_accept(). Keys of a terminal are read at any time,
 * because an escape must work with a guest that reads nothing: they wait in a buffer, as in a tty's
 * line discipline, and are lost when that is full. Output asks poll() before each write of at most
 * PIPE_BUF bytes, which then does not block; a full pipe makes write() come back short and arms a
 * write watch, whose event becomes the front-end's writable(). */
#include "host/chardev_fd.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

enum { KEYS_MAX = 4096 };

struct chardev_fd {
    struct chardev dev; /* first */
    struct os_loop *loop;
    struct chardev_fd_config config;
    struct os_watch *reader, *writer;
    int duplicate;            /* of config.out for the writer's watch, or -1 */
    bool input_ended, broken; /* atomic */
    /* With a filter: keys that the front-end has no room for yet. */
    struct os_timer *delivery; /* hands them over on the loop's thread */
    u8 keys[KEYS_MAX];
    size_t key_count; /* changed on the loop's thread, looked at atomically */
};

static struct chardev_fd *of(struct chardev *d)
{
    return container_of(d, struct chardev_fd, dev);
}

static void input_end(struct chardev_fd *c)
{
    c->input_ended = true;
    os_watch_set_events(c->reader, 0);
    if (c->dev.events && c->dev.events->end_of_file)
        c->dev.events->end_of_file(c->dev.events_ctx);
    if (c->config.ended)
        c->config.ended(c->config.ctx);
}

static size_t input_room(struct chardev_fd *c)
{
    const struct chardev_events *ev = c->dev.events;
    return ev && ev->can_receive && !c->input_ended ? ev->can_receive(c->dev.events_ctx) : 0;
}

static void set_key_count(struct chardev_fd *c, size_t n)
{
    __atomic_store_n(&c->key_count, n, __ATOMIC_SEQ_CST);
}

/* Whoever makes room after the look at it here finds the count set, and calls for a delivery. */
static void deliver_keys(void *ctx)
{
    struct chardev_fd *c = ctx;
    size_t room;
    while (c->key_count && (room = input_room(c)) > 0) {
        u8 now[256];
        size_t n = MIN(room, c->key_count);
        n = MIN(n, sizeof now);
        mem_copy(now, c->keys, n);
        memmove(c->keys, c->keys + n, c->key_count - n);
        set_key_count(c, c->key_count - n);
        c->dev.events->receive(c->dev.events_ctx, now, n);
    }
}

/* syscalls: read */
static void on_keys(void *ctx, unsigned events)
{
    struct chardev_fd *c = ctx;
    u8 buf[256];
    ssize_t n = read(c->config.in, buf, sizeof buf);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n <= 0) {
        input_end(c);
        return;
    }
    size_t left = c->config.filter(c->config.ctx, buf, (size_t)n);
    left = MIN(left, KEYS_MAX - c->key_count);
    mem_copy(c->keys + c->key_count, buf, left);
    set_key_count(c, c->key_count + left);
    deliver_keys(c);
}

/* syscalls: read */
static void on_readable(void *ctx, unsigned events)
{
    struct chardev_fd *c = ctx;
    u8 buf[4096];
    const struct chardev_events *ev = c->dev.events;
    size_t room = input_room(c);
    if (!room) {
        /* Look again after the watch is off: an accept() in between would be lost with it. */
        os_watch_set_events(c->reader, 0);
        if (!(room = input_room(c)))
            return;
        os_watch_set_events(c->reader, OS_READ);
    }
    ssize_t n = read(c->config.in, buf, MIN(room, sizeof buf));
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n <= 0) {
        input_end(c);
        return;
    }
    ev->receive(c->dev.events_ctx, buf, (size_t)n);
}

static void on_writable(void *ctx, unsigned events)
{
    struct chardev_fd *c = ctx;
    os_watch_set_events(c->writer, 0);
    if (c->dev.events && c->dev.events->writable)
        c->dev.events->writable(c->dev.events_ctx);
}

static void output_broken(struct chardev_fd *c, int error)
{
    if (!__atomic_exchange_n(&c->broken, true, __ATOMIC_RELAXED) && c->config.broken)
        c->config.broken(c->config.ctx, error);
}

/* syscalls: poll ppoll write */
static size_t fd_write(struct chardev *d, const u8 *data, size_t n)
{
    struct chardev_fd *c = of(d);
    size_t done = 0;
    while (done < n && c->config.out >= 0 && !__atomic_load_n(&c->broken, __ATOMIC_RELAXED)) {
        struct pollfd p = {.fd = c->config.out, .events = POLLOUT};
        if (poll(&p, 1, 0) == 0) {
            if (c->writer)
                os_watch_set_events(c->writer, OS_WRITE);
            return done;
        }
        ssize_t w = write(c->config.out, data + done, MIN(n - done, (size_t)PIPE_BUF));
        if (w < 0 && errno != EINTR && errno != EAGAIN)
            output_broken(c, errno);
        if (w > 0)
            done += (size_t)w;
    }
    return n; /* a broken output swallows: the guest must not hang on it */
}

static void fd_accept(struct chardev *d)
{
    struct chardev_fd *c = of(d);
    if (c->delivery) {
        if (__atomic_load_n(&c->key_count, __ATOMIC_SEQ_CST))
            os_timer_arm(c->delivery, 0);
    } else if (c->reader && !c->input_ended)
        os_watch_set_events(c->reader, OS_READ);
}

static void fd_close_output(struct chardev *d)
{
    struct chardev_fd *c = of(d);
    if (c->config.out > 2 && c->config.owned)
        output_broken(c, 0);
}

static void fd_destroy(struct chardev *d)
{
    struct chardev_fd *c = of(d);
    os_watch_destroy(c->reader);
    os_watch_destroy(c->writer);
    os_timer_destroy(c->delivery);
    if (c->duplicate >= 0)
        close(c->duplicate);
    if (c->config.owned) {
        if (c->config.in >= 0)
            close(c->config.in);
        if (c->config.out >= 0 && c->config.out != c->config.in)
            close(c->config.out);
    }
    mem_free(c);
}

static const struct chardev_ops fd_ops = {
    .write = fd_write,
    .accept = fd_accept,
    .close_output = fd_close_output,
    .destroy = fd_destroy,
};

int chardev_fd_create(struct chardev **out, struct os_loop *loop,
                      const struct chardev_fd_config *cfg, struct err *e)
{
    struct chardev_fd *c = mem_alloc(sizeof *c);
    if (!c)
        return err_set(e, -ENOMEM, "opening a character back-end: out of memory");
    c->dev.ops = &fd_ops;
    c->loop = loop;
    c->config = *cfg;
    c->duplicate = -1;
    int err = 0;
    if (cfg->in >= 0 && cfg->filter)
        err = os_timer_create(&c->delivery, loop, deliver_keys, c, e);
    if (!err && cfg->in >= 0)
        err = os_watch_create(&c->reader, loop, cfg->in, cfg->filter ? OS_READ : 0,
                              cfg->filter ? on_keys : on_readable, c, e);
    /* epoll keeps one registration a descriptor number: a terminal that is both directions under
     * one number gets a duplicate for the writer. */
    if (!err && cfg->out >= 0) {
        if (cfg->out == cfg->in)
            c->duplicate = fcntl(cfg->out, F_DUPFD_CLOEXEC, 3);
        err = os_watch_create(&c->writer, loop, c->duplicate >= 0 ? c->duplicate : cfg->out, 0,
                              on_writable, c, e);
    }
    if (err) {
        c->config.owned = false;
        fd_destroy(&c->dev);
        return err;
    }
    *out = &c->dev;
    return 0;
}

static int open_pty(int *fd, struct err *e)
{
    int f = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    char name[64];
    if (f < 0 || grantpt(f) || unlockpt(f) || ptsname_r(f, name, sizeof name)) {
        int err = errno;
        if (f >= 0)
            close(f);
        return err_set(e, -err, "opening a pseudo-terminal: %s", err_name(err));
    }
    struct termios t;
    if (tcgetattr(f, &t) == 0) {
        cfmakeraw(&t);
        tcsetattr(f, TCSANOW, &t);
    }
    log_warn("serial", "a serial port is at %s", name);
    *fd = f;
    return 0;
}

int chardev_open(struct chardev **out, struct os_loop *loop, const char *spec, struct err *e)
{
    struct chardev_fd_config c = {.in = -1, .out = -1, .owned = true};
    if (!strncmp(spec, "file:", 5)) {
        c.out = open(spec + 5, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        if (c.out < 0)
            return err_set(e, -errno, "opening %s for a serial port: %s", spec + 5,
                           err_name(errno));
    } else if (!strcmp(spec, "pty")) {
        int err = open_pty(&c.in, e);
        if (err)
            return err;
        c.out = c.in;
    } else if (strcmp(spec, "null") != 0) {
        err_set(e, -EINVAL, "--serial %s: no such back-end", spec);
        err_hint(e, "one of stdio, none, null, pty, file:PATH");
        return -EINVAL;
    }
    int err = chardev_fd_create(out, loop, &c, e);
    if (err) {
        if (c.in >= 0)
            close(c.in);
        if (c.out >= 0 && c.out != c.in)
            close(c.out);
    }
    return err;
}
