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

static ssize_t send_packet(int fd, const struct packet *p, const int *fds, unsigned count)
{
    struct iovec io = {(void *)p, sizeof *p};
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(CHANNEL_FDS * sizeof(int))];
    } control;
    struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1};
    if (count) {
        m.msg_control = &control;
        m.msg_controllen = CMSG_SPACE(count * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(c), fds, count * sizeof(int));
    }
    ssize_t n;
    do
        n = sendmsg(fd, &m, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n;
}

int channel_send(int fd, enum message type, int value, const char *text)
{
    struct packet p = {.type = (i32)type, .value = value};
    str_copy(p.text, text ? text : "", sizeof p.text);
    return send_packet(fd, &p, NULL, 0) < 0 ? -errno : 0;
}

int channel_send_fds(int fd, enum message type, int value, const char *text, const int *fds,
                     unsigned n)
{
    struct packet p = {.type = (i32)type, .value = value};
    str_copy(p.text, text ? text : "", sizeof p.text);
    if (n > CHANNEL_FDS)
        return -E2BIG;
    return send_packet(fd, &p, fds, n) < 0 ? -errno : 0;
}

int channel_receive_fds(int fd, struct packet *p, int *fds, unsigned *count)
{
    struct iovec io = {p, sizeof *p};
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(CHANNEL_FDS * sizeof(int))];
    } control;
    ssize_t n;
    unsigned tries = 0, room = count ? *count : 0;
    struct msghdr m;
    do {
        m = (struct msghdr){.msg_iov = &io, .msg_iovlen = 1};
        if (room) {
            m.msg_control = &control;
            m.msg_controllen = CMSG_SPACE(MIN(room, (unsigned)CHANNEL_FDS) * sizeof(int));
        }
        n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
        /* Said once when the other side ended without reading all; its last words come after. */
    } while (n < 0 && (errno == EINTR || (errno == ECONNRESET && !tries++)));
    if (n < 0 && errno != ECONNRESET)
        return -errno;
    if (count)
        *count = 0;
    struct cmsghdr *c = n > 0 && room ? CMSG_FIRSTHDR(&m) : NULL;
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
        *count = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        memcpy(fds, CMSG_DATA(c), *count * sizeof(int));
    }
    if (n != (ssize_t)sizeof *p)
        *p = (struct packet){.type = MSG_EOF};
    p->text[sizeof p->text - 1] = '\0';
    return 0;
}

int channel_receive(int fd, struct packet *p)
{
    return channel_receive_fds(fd, p, NULL, NULL);
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
