/* SPDX-License-Identifier: BSD-2-Clause */
/* Raw mode, escape keys and signals. The saved mode is process-wide state by nature: a process has
 * one controlling terminal, and a crash handler can only reach globals. */
#include "host/terminal.h"

#include "base/mem.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

static struct termios saved_mode;
static int saved_fd = -1; /* atomic; -1: nothing to restore */

bool terminal_is(int fd)
{
    return isatty(fd);
}

void terminal_restore(void)
{
    int fd = __atomic_exchange_n(&saved_fd, -1, __ATOMIC_ACQ_REL);
    if (fd >= 0)
        tcsetattr(fd, TCSANOW, &saved_mode);
}

/* Our own bug: put the terminal right, then die of the signal as if nobody had caught it. */
static void on_crash(int sig)
{
    terminal_restore();
    signal(sig, SIG_DFL);
    raise(sig);
}

int terminal_raw(int fd, struct err *e)
{
    struct termios raw;
    if (!isatty(fd))
        return 0;
    if (tcgetattr(fd, &saved_mode))
        return err_set(e, -errno, "reading the terminal's mode: %s", err_name(errno));
    static const int crashes[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
    struct sigaction sa = {.sa_handler = on_crash, .sa_flags = SA_NODEFER};
    for (size_t i = 0; i < ARRAY_LEN(crashes); i++)
        sigaction(crashes[i], &sa, NULL);
    static bool registered;
    if (!registered)
        registered = atexit(terminal_restore) == 0;

    raw = saved_mode;
    cfmakeraw(&raw);
    raw.c_oflag |= OPOST; /* our own messages still end their lines properly */
    __atomic_store_n(&saved_fd, fd, __ATOMIC_RELEASE);
    if (tcsetattr(fd, TCSANOW, &raw))
        return err_set(e, -errno, "setting the terminal to raw mode: %s", err_name(errno));
    return 0;
}

void terminal_size(int fd, u16 *columns, u16 *rows)
{
    struct winsize ws;
    bool known = ioctl(fd, TIOCGWINSZ, &ws) == 0 && ws.ws_col && ws.ws_row;
    *columns = known ? ws.ws_col : 80;
    *rows = known ? ws.ws_row : 24;
}

size_t terminal_filter(struct terminal_escape *t, u8 *data, size_t n, enum terminal_key *key)
{
    enum { CTRL_A = 1 };
    size_t kept = 0;
    *key = TERMINAL_KEY_NONE;
    for (size_t i = 0; i < n; i++) {
        u8 c = data[i];
        if (!t->armed) {
            if (c == CTRL_A)
                t->armed = true;
            else
                data[kept++] = c;
            continue;
        }
        t->armed = false;
        if (c == 'x' || c == 'X' || c == 'q')
            *key = TERMINAL_KEY_QUIT;
        else if (c == 'h' || c == '?')
            *key = TERMINAL_KEY_HELP;
        else if (c == CTRL_A || c == 'a')
            data[kept++] = CTRL_A;
        /* Another key after Ctrl-A is swallowed, as the user has begun an escape. */
    }
    return kept;
}

struct signal_watch {
    int fd;
    struct os_watch *watch;
    sigset_t set, old;
    void (*fn)(void *, int);
    void *ctx;
};

static void on_signal(void *ctx, unsigned events)
{
    struct signal_watch *w = ctx;
    struct signalfd_siginfo si;
    if (read(w->fd, &si, sizeof si) == sizeof si)
        w->fn(w->ctx, (int)si.ssi_signo);
}

int signal_watch_create(struct signal_watch **out, struct os_loop *l, const int *signals,
                        void (*fn)(void *ctx, int signal), void *ctx, struct err *e)
{
    struct signal_watch *w = mem_alloc(sizeof *w);
    if (!w)
        return err_set(e, -ENOMEM, "watching signals: out of memory");
    w->fn = fn;
    w->ctx = ctx;
    sigemptyset(&w->set);
    for (; *signals; signals++)
        sigaddset(&w->set, *signals);
    pthread_sigmask(SIG_BLOCK, &w->set, &w->old);
    w->fd = signalfd(-1, &w->set, SFD_CLOEXEC | SFD_NONBLOCK);
    int err = w->fd < 0 ? err_set(e, -errno, "watching signals: %s", err_name(errno))
                        : os_watch_create(&w->watch, l, w->fd, OS_READ, on_signal, w, e);
    if (err) {
        signal_watch_destroy(w);
        return err;
    }
    *out = w;
    return 0;
}

void signal_watch_destroy(struct signal_watch *w)
{
    if (!w)
        return;
    os_watch_destroy(w->watch);
    /* One that came while its reason was already being served (a terminal's hang-up shows twice)
     * must not kill the process the moment it is let through. */
    struct signalfd_siginfo si;
    while (w->fd >= 0 && read(w->fd, &si, sizeof si) == sizeof si)
        ;
    if (w->fd >= 0)
        close(w->fd);
    pthread_sigmask(SIG_SETMASK, &w->old, NULL);
    mem_free(w);
}
