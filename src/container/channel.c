/* SPDX-License-Identifier: BSD-2-Clause */
/* Messages between the runtime and the process it sets up. */
#include "container/channel.h"

#include "base/mem.h"
#include <string.h>
#include <sys/socket.h>

int channel_open(int ends[2], struct err *e)
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
        return fail(e, "socketpair");
    return 0;
}

int channel_send(int fd, enum message type, int value, const char *text)
{
    struct packet p = {.type = (i32)type, .value = value};
    str_copy(p.text, text ? text : "", sizeof p.text);
    ssize_t n;
    do
        n = send(fd, &p, sizeof p, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : 0;
}

int channel_receive(int fd, struct packet *p)
{
    ssize_t n;
    do
        n = recv(fd, p, sizeof *p, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno != ECONNRESET)
        return -errno;
    if (n != (ssize_t)sizeof *p)
        *p = (struct packet){.type = MSG_EOF};
    p->text[sizeof p->text - 1] = '\0';
    return 0;
}

int channel_ask(int fd, enum message type, int value, struct err *e)
{
    struct packet p;
    int r = channel_send(fd, type, value, NULL);
    if (!r)
        r = channel_receive(fd, &p);
    if (r)
        return err_set(e, r, "talk to the runtime: %s", err_name(r));
    return p.type == MSG_GO ? 0 : err_set(e, -ECONNRESET, "the runtime has gone");
}
