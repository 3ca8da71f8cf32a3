/* SPDX-License-Identifier: BSD-2-Clause */
/* The tail of a console in a ring. The serial device calls write() under its own lock and the ring
 * is read after the machine has stopped, so it needs none. */
#include "cli/console_tail.h"

#include "base/mem.h"
#include <errno.h>
#include <stdio.h>

enum { TAIL_SIZE = 8192 };

struct console_tail {
    struct chardev dev; /* first */
    u64 written;
    u8 ring[TAIL_SIZE];
};

static size_t tail_write(struct chardev *d, const u8 *data, size_t n)
{
    struct console_tail *t = container_of(d, struct console_tail, dev);
    for (size_t i = 0; i < n; i++)
        t->ring[t->written++ % TAIL_SIZE] = data[i];
    return n;
}

static void tail_destroy(struct chardev *d)
{
    mem_free(container_of(d, struct console_tail, dev));
}

static const struct chardev_ops tail_ops = {.write = tail_write, .destroy = tail_destroy};

int console_tail_create(struct chardev **out, struct err *e)
{
    struct console_tail *t = mem_alloc(sizeof *t);
    if (!t)
        return err_set(e, -ENOMEM, "opening a console: out of memory");
    t->dev.ops = &tail_ops;
    *out = &t->dev;
    return 0;
}

void console_tail_show(struct chardev *c, unsigned lines)
{
    struct console_tail *t = container_of(c, struct console_tail, dev);
    u64 start = t->written, oldest = t->written > TAIL_SIZE ? t->written - TAIL_SIZE : 0;
    if (start == oldest)
        return;
    for (start--; start > oldest; start--)
        if (t->ring[(start - 1) % TAIL_SIZE] == '\n' && !--lines)
            break;
    fputs("doppel: the guest's console ended with:\n", stderr);
    for (; start < t->written; start++) {
        u8 b = t->ring[start % TAIL_SIZE];
        if (b == '\n' || b == '\t' || (b >= ' ' && b != 0x7f)) /* the guest's escapes stay inside */
            fputc(b, stderr);
    }
    fputc('\n', stderr);
}
