/* SPDX-License-Identifier: BSD-2-Clause */
/* Threads, mutexes and condition variables of base/os.h over POSIX threads. */
#include "base/mem.h"
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

_Static_assert(sizeof(struct os_mutex) >= sizeof(pthread_mutex_t), "room for the host's mutex");
_Static_assert(sizeof(struct os_cond) >= sizeof(pthread_cond_t), "room for the host's condition");

/* A zeroed pthread_mutex_t and pthread_cond_t are the static initialisers on Linux, so memory that
 * was only zeroed is ready for use. */
static pthread_mutex_t *mutex_of(struct os_mutex *m)
{
    return (pthread_mutex_t *)(void *)m->opaque;
}

static pthread_cond_t *cond_of(struct os_cond *c)
{
    return (pthread_cond_t *)(void *)c->opaque;
}

void os_mutex_lock(struct os_mutex *m)
{
    pthread_mutex_lock(mutex_of(m));
}

void os_mutex_unlock(struct os_mutex *m)
{
    pthread_mutex_unlock(mutex_of(m));
}

void os_cond_wait(struct os_cond *c, struct os_mutex *m)
{
    pthread_cond_wait(cond_of(c), mutex_of(m));
}

bool os_cond_wait_until(struct os_cond *c, struct os_mutex *m, u64 deadline_ns)
{
    struct timespec ts = {.tv_sec = (time_t)(deadline_ns / 1000000000u),
                          .tv_nsec = (long)(deadline_ns % 1000000000u)};
    return pthread_cond_clockwait(cond_of(c), mutex_of(m), CLOCK_MONOTONIC, &ts) != ETIMEDOUT;
}

void os_cond_signal(struct os_cond *c)
{
    pthread_cond_signal(cond_of(c));
}

void os_cond_broadcast(struct os_cond *c)
{
    pthread_cond_broadcast(cond_of(c));
}

struct os_thread {
    pthread_t id;
    void *(*fn)(void *);
    void *ctx;
    char name[16];
};

/* os_thread_interrupt sends this; the handler does nothing, the interrupted call returns EINTR. */
static int interrupt_signal(void)
{
    return SIGRTMIN;
}

static void ignore_interrupt(int sig)
{
    (void)sig;
}

/* The scheduler's account of the calling thread; opened when it starts, because a confined process
 * opens nothing. */
static _Thread_local int schedstat = -1;

/* syscalls: pread64 */
u64 os_thread_delay_ns(void)
{
    char text[96]; /* time on a processor, time spent waiting for one, times it was run */
    ssize_t n = schedstat < 0 ? -1 : pread(schedstat, text, sizeof text - 1, 0);
    if (n <= 0)
        return 0;
    text[n] = '\0';
    const char *second = strchr(text, ' ');
    return second ? strtoull(second, NULL, 10) : 0;
}

static void *thread_main(void *arg)
{
    struct os_thread *t = arg;
    pthread_setname_np(pthread_self(), t->name);
    schedstat = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
    void *result = t->fn(t->ctx);
    if (schedstat >= 0)
        close(schedstat);
    return result;
}

int os_thread_create(struct os_thread **out, const char *name, void *(*fn)(void *), void *ctx,
                     struct err *e)
{
    struct os_thread *t = mem_alloc(sizeof *t);
    if (!t)
        return err_set(e, -ENOMEM, "starting thread %s: out of memory", name);
    t->fn = fn;
    t->ctx = ctx;
    str_copy(t->name, name, sizeof t->name);

    struct sigaction sa = {.sa_handler = ignore_interrupt}; /* no SA_RESTART: calls must return */
    sigaction(interrupt_signal(), &sa, NULL);

    /* Signals for the process (SIGINT, SIGCHLD, SIGWINCH ...) go to the thread that asked for
     * them, never to a worker. */
    sigset_t all, old;
    sigfillset(&all);
    sigdelset(&all, interrupt_signal());
    sigdelset(&all, SIGSEGV);
    sigdelset(&all, SIGBUS);
    sigdelset(&all, SIGFPE);
    sigdelset(&all, SIGILL);
    sigdelset(&all, SIGTRAP);
    sigdelset(&all, SIGPROF);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int err = pthread_create(&t->id, NULL, thread_main, t);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (err) {
        mem_free(t);
        return err_set(e, -err, "starting thread %s: %s", name, err_name(err));
    }
    *out = t;
    return 0;
}

void os_thread_join(struct os_thread *t)
{
    if (!t)
        return;
    pthread_join(t->id, NULL);
    mem_free(t);
}

void os_thread_interrupt(struct os_thread *t)
{
    pthread_kill(t->id, interrupt_signal());
}
