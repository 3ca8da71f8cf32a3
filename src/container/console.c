/* SPDX-License-Identifier: BSD-2-Clause */
/* The container's terminal. */
#include "container/inner.h"

#include "container/mounts.h"
#include "container/path.h"

#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

int fd_send(int socket, int fd, const char *text, struct err *e)
{
    struct iovec io = {(void *)text, strlen(text)};
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct msghdr m = {.msg_iov = &io,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = sizeof control.space};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    return sendmsg(socket, &m, MSG_NOSIGNAL) < 0 ? fail(e, "send a descriptor") : 0;
}

int fd_receive(int socket, struct err *e)
{
    char text[256];
    struct iovec io = {text, sizeof text};
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct msghdr m = {.msg_iov = &io,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = sizeof control.space};
    if (recvmsg(socket, &m, MSG_CMSG_CLOEXEC) < 0)
        return fail(e, "receive a descriptor");
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    if (!c || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(sizeof(int)))
        return err_set(e, -EPROTO, "receive a descriptor: none came");
    int fd;
    memcpy(&fd, CMSG_DATA(c), sizeof fd);
    return fd;
}

/* An image's /dev may hold anything: the multiplexer must be the real one of a devpts. */
static int open_master(int root, struct err *e)
{
    struct stat st;
    struct statfs fs;
    int fd = path_open(root, "/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC, NULL);
    if (fd < 0)
        fd = path_open(root, "/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC, e);
    if (fd < 0)
        return err_wrap(e, "open a terminal");
    if (fstat(fd, &st) || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(5, 2) || fstatfs(fd, &fs) ||
        fs.f_type != DEVPTS_SUPER_MAGIC) {
        close(fd);
        return err_set(e, -EINVAL, "the container's /dev/ptmx is no terminal multiplexer");
    }
    return fd;
}

/* Over /dev/console itself: a link there would choose what the terminal hides (CVE-2025-52565). */
static int bind_console(int slave, int root, struct err *e)
{
    struct stat st;
    const char *name;
    auto_close int dir = path_make_parent(root, "/dev/console", &name, e);
    if (dir < 0)
        return dir;
    int made = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0620);
    if (made >= 0) /* or it is there */
        close(made);
    auto_close int target = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (target < 0 || fstat(target, &st))
        return fail(e, "create /dev/console");
    if (S_ISLNK(st.st_mode))
        return err_set(e, -ELOOP, "/dev/console is a symbolic link");
    int r = mount_bind(slave, target, e);
    return r ? err_wrap(e, "bind the terminal to /dev/console") : 0;
}

/* A pipe that the terminal is copied to gets what the program has written. */
static int keep_line_ends(int slave, struct err *e)
{
    struct termios t;
    if (ioctl(slave, TCGETS, &t))
        return fail(e, "read the terminal's modes");
    t.c_oflag &= ~(tcflag_t)ONLCR;
    return ioctl(slave, TCSETS, &t) ? fail(e, "set the terminal's modes") : 0;
}

int console_setup(struct inner *in, int root, struct err *e)
{
    const struct process *p = in->process;
    if (in->console < 0)
        return err_set(e, -EINVAL, "a terminal needs a console socket");
    auto_close int master = open_master(root, e);
    if (master < 0)
        return master;
    int unlock = 0;
    if (ioctl(master, TIOCSPTLCK, &unlock))
        return fail(e, "unlock the terminal");
    auto_close int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0)
        return fail(e, "open the terminal's slave");
    if (p->rows || p->columns) {
        struct winsize size = {.ws_row = (u16)p->rows, .ws_col = (u16)p->columns};
        if (ioctl(slave, TIOCSWINSZ, &size))
            return fail(e, "set the terminal's size");
    }
    if (in->plain_lines) {
        int r = keep_line_ends(slave, e);
        if (r)
            return r;
    }
    if (p->uid && fchown(slave, p->uid, (gid_t)-1) && errno != EPERM && errno != EINVAL)
        return fail(e, "give the terminal to its user");
    int r = in->joined || !in->config->ns[NS_MOUNT].wanted ? 0 : bind_console(slave, root, e);
    if (!r)
        r = fd_send(in->console, master, "terminal", e);
    if (r)
        return r;
    if (ioctl(slave, TIOCSCTTY, 0))
        return fail(e, "make the terminal the controlling one");
    for (int fd = 0; fd < 3; fd++)
        if (dup2(slave, fd) < 0)
            return fail(e, "connect the terminal");
    return 0;
}
