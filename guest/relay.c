/* SPDX-License-Identifier: BSD-2-Clause */
/* Moves bytes between a port and a pipe. A side that is gone takes the other with it: what nobody
 * reads any more is dropped, what nobody writes any more ends the stream. */
#include "agent.h"

#include <errno.h>
#include <unistd.h>

bool relay_wants_read(const struct relay *r)
{
    return !r->ended && r->start == r->end;
}

bool relay_wants_write(const struct relay *r)
{
    return r->start < r->end;
}

static bool again(void)
{
    return errno == EAGAIN || errno == EINTR;
}

/* True when bytes came. */
static bool fill(struct relay *r)
{
    if (!relay_wants_read(r))
        return false;
    ssize_t n = read(r->from, r->bytes, sizeof r->bytes);
    if (n < 0 && again())
        return false;
    if (n <= 0) { /* EIO from a terminal: its last user has gone */
        r->ended = true;
        return false;
    }
    r->start = 0;
    r->end = (size_t)n;
    return true;
}

/* True when all bytes went. */
static bool flush(struct relay *r)
{
    while (r->start < r->end) {
        ssize_t n = r->to < 0 ? (ssize_t)(r->end - r->start)
                              : write(r->to, r->bytes + r->start, r->end - r->start);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return false;
        if (n < 0) {
            r->ended = true;
            r->start = r->end;
            return true;
        }
        r->start += (size_t)n;
    }
    return true;
}

void relay_move(struct relay *r, bool own_to)
{
    while (flush(r) && fill(r))
        ;
    if (own_to && r->ended && r->start == r->end && r->to >= 0) {
        close(r->to);
        r->to = -1;
    }
}

bool relay_idle(const struct relay *r)
{
    return r->start == r->end;
}
