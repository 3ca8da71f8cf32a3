/* SPDX-License-Identifier: BSD-2-Clause */
/* Staying with a container in the foreground: signals in, exit status out, and its terminal. */
#include "container/supervise.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>

int foreground_prepare(struct err *e)
{
    sigset_t all;
    sigfillset(&all);
    static const int ours[] = {SIGSEGV, SIGBUS,  SIGILL,  SIGFPE, SIGTRAP,
                               SIGABRT, SIGPIPE, SIGTTOU, SIGTTIN};
    for (size_t i = 0; i < ARRAY_LEN(ours); i++)
        sigdelset(&all, ours[i]);
    if (sigprocmask(SIG_BLOCK, &all, NULL))
        return fail(e, "block signals");
    int fd = signalfd(-1, &all, SFD_CLOEXEC);
    return fd < 0 ? fail(e, "signalfd") : fd;
}

static void copy_size(int terminal)
{
    struct winsize size;
    if (!ioctl(0, TIOCGWINSZ, &size))
        ioctl(terminal, TIOCSWINSZ, &size);
}

/* Copies once; false at the end of input. */
static bool copy_some(int from, int to)
{
    char buf[4096];
    ssize_t n = read(from, buf, sizeof buf);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return true;
    return n > 0 && !write_all(to, buf, (size_t)n);
}

/* Reaps everything, since as subreaper we inherit; true when it was pid. */
static bool reap(pid_t pid, int *status)
{
    int s;
    for (pid_t p; (p = waitpid(-1, &s, WNOHANG)) > 0;)
        if (p == pid) {
            *status = WIFSIGNALED(s) ? 128 + WTERMSIG(s) : WEXITSTATUS(s);
            return true;
        }
    return false;
}

int foreground_wait(int signals, pid_t pid, int terminal, int *status, struct err *e)
{
    struct termios old;
    bool raw = terminal >= 0 && !tcgetattr(0, &old);
    if (raw) {
        struct termios t = old;
        cfmakeraw(&t);
        t.c_oflag |= OPOST; /* line ends are this terminal's business, see console.c */
        tcsetattr(0, TCSANOW, &t);
    }
    if (terminal >= 0)
        copy_size(terminal);
    struct pollfd p[3] = {
        {signals, POLLIN, 0}, {terminal, POLLIN, 0}, {terminal >= 0 ? 0 : -1, POLLIN, 0}};
    bool done = reap(pid, status); /* it may have ended before the signals were watched */
    int r = 0;
    while (!done && !r) {
        if (poll(p, 3, -1) < 0 && errno != EINTR)
            r = fail(e, "poll");
        if (!r && p[0].revents) {
            struct signalfd_siginfo s;
            if (read(signals, &s, sizeof s) != sizeof s)
                continue;
            if (s.ssi_signo == SIGCHLD)
                done = reap(pid, status);
            else if (s.ssi_signo == SIGWINCH && terminal >= 0)
                copy_size(terminal);
            else
                kill(pid, (int)s.ssi_signo);
        }
        if (p[1].revents && !copy_some(terminal, 1))
            p[1].fd = -1;
        if (p[2].revents && !copy_some(0, terminal)) {
            p[2].fd = -1;
            if (!raw) /* the end of a file is Ctrl-D for who reads a terminal */
                (void)!write_all(terminal, "\004", 1);
        }
    }
    /* What it wrote before its end. */
    while (terminal >= 0 && p[1].fd >= 0) {
        struct pollfd last = {terminal, POLLIN, 0};
        if (poll(&last, 1, 0) <= 0 || !(last.revents & POLLIN) || !copy_some(terminal, 1))
            break;
    }
    if (raw)
        tcsetattr(0, TCSANOW, &old);
    return r;
}
