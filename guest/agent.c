/* SPDX-License-Identifier: BSD-2-Clause */
/* doppel-agent: runs one command in the guest for the monitor. One loop over poll(): the control
 * port, three relays, and the command's end. */
#include "agent.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct agent {
    struct ports port;
    int child_signal; /* signalfd of SIGCHLD */
    struct command command;
    bool started, exited, bye;
    uint32_t status;
    uint8_t *input; /* control bytes not yet understood */
    size_t input_size;
    struct relay in, out, error;
};

enum { INPUT_MAX = sizeof(struct agent_header) + AGENT_PAYLOAD_MAX };

/* The control port is written rarely and shortly: waiting for room is fine. */
static void send_message(struct agent *a, uint32_t type, uint32_t value)
{
    uint8_t m[sizeof(struct agent_header) + sizeof value];
    const struct agent_header h = {type, sizeof value};
    memcpy(m, &h, sizeof h);
    memcpy(m + sizeof h, &value, sizeof value);
    for (size_t done = 0, all = sizeof m; done < all;) {
        ssize_t k = write(a->port.control, m + done, all - done);
        if (k > 0) {
            done += (size_t)k;
        } else if (errno == EAGAIN) {
            struct pollfd p = {.fd = a->port.control, .events = POLLOUT};
            poll(&p, 1, -1);
        } else if (errno != EINTR) {
            return;
        }
    }
}

static void close_port(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void close_streams(struct agent *a)
{
    close_port(&a->port.in);
    close_port(&a->port.out);
    close_port(&a->port.error);
}

static void start(struct agent *a, const struct agent_message *m)
{
    struct agent_start s;
    if (a->started)
        return;
    int error = agent_start_valid(m, &s) ? command_start(&a->command, m, &s) : EBADMSG;
    if (error) {
        close_streams(a);
        send_message(a, AGENT_FAILED, (uint32_t)error);
        return;
    }
    a->started = true;
    a->in = (struct relay){.from = a->port.in, .to = a->command.in};
    a->out = (struct relay){.from = a->command.out, .to = a->port.out};
    a->error = (struct relay){
        .from = a->command.error, .to = a->port.error, .ended = a->command.error < 0};
}

static void obey(struct agent *a, const struct agent_message *m)
{
    struct agent_window w;
    switch (m->type) {
    case AGENT_START: start(a, m); break;
    case AGENT_SIGNAL:
        if (a->started && !a->exited)
            command_signal(&a->command, agent_message_u32(m));
        break;
    case AGENT_WINDOW:
        if (a->started && m->length >= sizeof w) {
            memcpy(&w, m->payload, sizeof w);
            command_resize(&a->command, &w);
        }
        break;
    case AGENT_BYE: a->bye = true; break;
    default: break; /* a later monitor may know more */
    }
}

/* Reads what the control port has; its end is a BYE. */
static void read_control(struct agent *a)
{
    ssize_t n = read(a->port.control, a->input + a->input_size, INPUT_MAX - a->input_size);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        a->bye = true;
        return;
    }
    a->input_size += (size_t)n;
    struct agent_message m;
    long k;
    while ((k = agent_message_parse(a->input, a->input_size, AGENT_PAYLOAD_MAX, &m)) > 0) {
        obey(a, &m);
        a->input_size -= (size_t)k;
        memmove(a->input, a->input + k, a->input_size);
    }
    if (k < 0)
        a->bye = true;
}

static void reap(struct agent *a)
{
    struct signalfd_siginfo info;
    int status;
    pid_t pid;
    while (read(a->child_signal, &info, sizeof info) > 0)
        ;
    /* As process 1 we inherit orphans: every child is reaped, one of them is the command. */
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (!a->started || pid != a->command.pid)
            continue;
        a->exited = true;
        a->status =
            WIFSIGNALED(status) ? 128u + (uint32_t)WTERMSIG(status) : (uint32_t)WEXITSTATUS(status);
    }
}

static struct pollfd watch(int fd, bool wanted, short events)
{
    return (struct pollfd){.fd = wanted ? fd : -1, .events = events};
}

/* One round. Returns false when the command has ended and all it wrote is on its way. */
static bool step(struct agent *a)
{
    struct relay *relays[] = {&a->in, &a->out, &a->error};
    struct pollfd p[8] = {
        watch(a->port.control, true, POLLIN),
        watch(a->child_signal, true, POLLIN),
    };
    for (unsigned i = 0; i < 3; i++) {
        struct relay *r = relays[i];
        p[2 + 2 * i] = watch(r->from, a->started && relay_wants_read(r), POLLIN);
        p[3 + 2 * i] = watch(r->to, a->started && relay_wants_write(r), POLLOUT);
    }
    /* After the end only what is already in the pipes counts: a process left in the background
     * may hold them open for ever. */
    bool done = a->exited && relay_idle(&a->out) && relay_idle(&a->error);
    if (poll(p, 8, done ? 0 : -1) < 0)
        return errno == EINTR;
    if (p[0].revents)
        read_control(a);
    if (p[1].revents)
        reap(a);
    bool moved = false;
    for (unsigned i = 0; i < 3; i++) {
        if (!p[2 + 2 * i].revents && !p[3 + 2 * i].revents)
            continue;
        moved |= i > 0;
        relay_move(relays[i], i == 0 && !a->command.terminal);
    }
    if (a->in.ended && a->command.terminal && a->in.to >= 0 && relay_idle(&a->in)) {
        /* A terminal's end of file is a character. */
        (void)!write(a->in.to, "\4", 1);
        close_port(&a->in.to);
    }
    return !(done && !moved) && !a->bye;
}

static void run(struct agent *a)
{
    send_message(a, AGENT_HELLO, AGENT_VERSION);
    while (step(a))
        ;
    sync();
    close_streams(a);
    if (a->exited)
        send_message(a, AGENT_EXIT, a->status);
    while (!a->bye) {
        struct pollfd p = {.fd = a->port.control, .events = POLLIN};
        poll(&p, 1, -1);
        read_control(a);
    }
    if (a->started && !a->exited)
        command_signal(&a->command, SIGKILL);
}

/* Without an init of its own the guest needs these to find ports and make terminals. */
static void become_init(void)
{
    mkdir("/proc", 0755);
    mkdir("/sys", 0755);
    mkdir("/dev", 0755);
    mount("proc", "/proc", "proc", 0, NULL);
    mount("sysfs", "/sys", "sysfs", 0, NULL);
    mount("dev", "/dev", "devtmpfs", 0, NULL);
    mkdir("/dev/pts", 0755);
    mount("devpts", "/dev/pts", "devpts", 0, NULL);
    setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 0);
    setenv("HOME", "/root", 0);
}

static int watch_children(void)
{
    sigset_t set;
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

int main(int argc, char **argv)
{
    static struct agent a;
    bool init = getpid() == 1;
    if (init)
        become_init();
    int error = argc == 3 && !strcmp(argv[1], "--fds") ? ports_parse(&a.port, argv[2])
                                                       : ports_open(&a.port);
    a.child_signal = watch_children();
    a.input = malloc(INPUT_MAX);
    if (error || a.child_signal < 0 || !a.input)
        fprintf(stderr, "doppel-agent: no ports to talk over: %s\n", strerror(-error));
    else
        run(&a);
    if (init) {
        sync();
        reboot(RB_POWER_OFF);
    }
    return error ? 1 : 0;
}
