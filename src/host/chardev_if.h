/* SPDX-License-Identifier: BSD-2-Clause */
/* A byte stream as a serial port or console uses it. The device is the front-end, the back-end is
 * a terminal, file, socket or test buffer. */
#ifndef HOST_CHARDEV_IF_H
#define HOST_CHARDEV_IF_H

#include "base/types.h"

struct chardev;

/* What the front-end gets told; called on the event loop's thread, without locks of the back-end.
 */
struct chardev_events {
    /* How many bytes the front-end takes now; 0: none, chardev_accept is called later. */
    size_t (*can_receive)(void *ctx);
    void (*receive)(void *ctx, const u8 *data, size_t n);
    /* The peer closed its sending side (end of file on stdin). */
    void (*end_of_file)(void *ctx);
    /* After a short write: there is room again. */
    void (*writable)(void *ctx);
};

struct chardev_ops {
    /* Stores up to n bytes for the peer without blocking; returns how many were taken. */
    size_t (*write)(struct chardev *, const u8 *data, size_t n);
    /* The front-end has room again. Any thread. */
    void (*accept)(struct chardev *);
    /* The front-end's output has ended. */
    void (*close_output)(struct chardev *);
    void (*destroy)(struct chardev *);
};
struct chardev {
    const struct chardev_ops *ops;
    const struct chardev_events *events; /* set by chardev_connect */
    void *events_ctx;
};

static inline void chardev_connect(struct chardev *c, const struct chardev_events *ev, void *ctx)
{
    c->events_ctx = ctx;
    c->events = ev;
    if (c->ops->accept)
        c->ops->accept(c);
}
static inline size_t chardev_write(struct chardev *c, const u8 *data, size_t n)
{
    return c && c->ops->write ? c->ops->write(c, data, n) : n;
}
static inline void chardev_accept(struct chardev *c)
{
    if (c && c->ops->accept)
        c->ops->accept(c);
}
static inline void chardev_close_output(struct chardev *c)
{
    if (c && c->ops->close_output)
        c->ops->close_output(c);
}
static inline void chardev_destroy(struct chardev *c)
{
    if (c && c->ops->destroy)
        c->ops->destroy(c);
}

#endif
