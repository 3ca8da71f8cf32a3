/* SPDX-License-Identifier: BSD-2-Clause */
/* Starts the command: in a session of its own, on three pipes or on a pseudo-terminal. */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

/* The command's ends of its streams. */
struct ends {
    int in, out, error;
};

static void close_all(const int *fds, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

static int make_pipes(struct command *c, struct ends *theirs)
{
    int p[6] = {-1, -1, -1, -1, -1, -1};
    for (unsigned i = 0; i < 6; i += 2) {
        if (pipe2(p + i, O_CLOEXEC)) {
            int error = errno;
            close_all(p, 6);
            return error;
        }
    }
    *theirs = (struct ends){p[0], p[3], p[5]};
    c->in = p[1];
    c->out = p[2];
    c->error = p[4];
    const int ours[] = {c->in, c->out, c->error};
    for (unsigned i = 0; i < 3; i++)
        fcntl(ours[i], F_SETFL, O_NONBLOCK);
    return 0;
}

static int make_terminal(struct command *c, struct ends *theirs, const struct agent_window *w)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    char name[64];
    if (master < 0)
        return errno;
    int slave = -1;
    if (!grantpt(master) && !unlockpt(master) && !ptsname_r(master, name, sizeof name))
        slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0) {
        int error = errno;
        close(master);
        return error;
    }
    c->terminal = true;
    c->in = fcntl(master, F_DUPFD_CLOEXEC, 3);
    c->out = master;
    c->error = -1;
    command_resize(c, w);
    *theirs = (struct ends){slave, slave, slave};
    return 0;
}

/* In the child. Returns only the errno of what failed. */
static int become(char **argv, const struct ends *e, bool terminal)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    /* A shell that put us into the background ignores SIGINT and SIGQUIT, and so would we. */
    for (int i = 1; i <= SIGRTMAX; i++)
        signal(i, SIG_DFL);
    setsid();
    if (terminal)
        ioctl(e->in, TIOCSCTTY, 0);
    if (dup2(e->in, 0) < 0 || dup2(e->out, 1) < 0 || dup2(e->error, 2) < 0)
        return errno;
    if (!argv[0])
        return EINVAL;
    execvp(argv[0], argv);
    return errno;
}

/* Runs argv; its failure to start comes back over a pipe that a success closes. */
static int spawn(struct command *c, char **argv, const struct ends *e)
{
    int report[2], error = 0;
    if (pipe2(report, O_CLOEXEC))
        return errno;
    c->pid = fork();
    if (c->pid == 0) {
        error = become(argv, e, c->terminal);
        (void)!write(report[1], &error, sizeof error);
        _exit(127);
    }
    if (c->pid < 0)
        error = errno;
    close(report[1]);
    if (c->pid > 0 && read(report[0], &error, sizeof error) == sizeof error)
        waitpid(c->pid, NULL, 0);
    close(report[0]);
    return error;
}

/* The strings of a START as an argument vector; NAME=value go to our own environment. */
static char **unpack(const struct agent_message *m, const struct agent_start *s)
{
    char **argv = calloc(s->arguments + 1u, sizeof *argv);
    char *strings = malloc(m->length);
    if (!argv || !strings) {
        free(argv);
        free(strings);
        return NULL;
    }
    memcpy(strings, m->payload, m->length);
    char *at = strings + sizeof *s;
    for (uint32_t i = 0; i < s->arguments; i++, at += strlen(at) + 1)
        argv[i] = at;
    for (uint32_t i = 0; i < s->environment; i++, at += strlen(at) + 1)
        if (strchr(at, '='))
            putenv(at);
    return argv;
}

int command_start(struct command *c, const struct agent_message *m, const struct agent_start *s)
{
    struct ends theirs = {-1, -1, -1};
    *c = (struct command){.in = -1, .out = -1, .error = -1};
    char **argv = unpack(m, s); /* kept: the environment points into it */
    if (!argv)
        return ENOMEM;
    int error = s->flags & AGENT_START_TERMINAL ? make_terminal(c, &theirs, &s->window)
                                                : make_pipes(c, &theirs);
    if (error)
        return error;
    error = spawn(c, argv, &theirs);
    close(theirs.in);
    if (!c->terminal) {
        close(theirs.out);
        close(theirs.error);
    }
    if (error)
        close_all((const int[]){c->in, c->out, c->error}, 3);
    return error;
}

void command_signal(const struct command *c, uint32_t number)
{
    if (number >= 1 && number <= 64 && c->pid > 0)
        kill(-c->pid, (int)number);
}

void command_resize(const struct command *c, const struct agent_window *w)
{
    struct winsize size = {.ws_col = w->columns, .ws_row = w->rows};
    if (c->terminal)
        ioctl(c->out, TIOCSWINSZ, &size);
}
