/* SPDX-License-Identifier: BSD-2-Clause */
/* A seccomp agent for one listener: prints what came with it, answers every mkdir with ENOMEDIUM.
 */
#include <errno.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int receive(int connection)
{
    static char text[65536];
    struct iovec io = {text, sizeof text - 1};
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr m = {.msg_iov = &io,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = sizeof control.space};
    ssize_t n = recvmsg(connection, &m, 0);
    struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
    if (!c || c->cmsg_type != SCM_RIGHTS)
        return -1;
    text[n] = '\0';
    puts(text);
    fflush(stdout);
    int fd;
    memcpy(&fd, CMSG_DATA(c), sizeof fd);
    return fd;
}

int main(int argc, char **argv)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    if (argc < 2)
        return 2;
    snprintf(a.sun_path, sizeof a.sun_path, "%s", argv[1]);
    if (bind(s, (struct sockaddr *)&a, sizeof a) || listen(s, 4))
        return 1;
    int fd = receive(accept(s, NULL, NULL));
    if (fd < 0)
        return 1;
    for (;;) {
        struct seccomp_notif q = {0};
        if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &q)) {
            if (errno == EINTR)
                continue;
            return 0; /* the last process of the filter has gone */
        }
        struct seccomp_notif_resp answer = {.id = q.id, .error = -ENOMEDIUM};
        ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &answer);
    }
}
