/* SPDX-License-Identifier: BSD-2-Clause */
/* Samples of a thread: a timer on its processor time sends it SIGPROF. Kernels look at such timers
 * at their own tick, so several periods may come as one signal, which says how many.
 *
 * The handler runs on the interrupted stack, wherever that is: engines keep room for signals below
 * it. */
#include "base/mem.h"
#include "base/os.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

struct os_sampler {
    timer_t timer;
    void (*fn)(void *ctx, const struct os_sample *s);
    void *ctx;
};

static void on_tick(int sig, siginfo_t *info, void *context)
{
    if (info->si_code != SI_TIMER) /* from another process: it carries no sampler */
        return;
    int saved = errno;
    const struct os_sampler *s = info->si_value.sival_ptr;
    const greg_t *r = ((const ucontext_t *)context)->uc_mcontext.gregs;
    struct os_sample sample = {.pc = (u64)r[REG_RIP],
                               .sp = (u64)r[REG_RSP],
                               .r10 = (u64)r[REG_R10],
                               .periods = 1 + (unsigned)info->si_overrun};
    s->fn(s->ctx, &sample);
    errno = saved;
}

int os_sampler_start(struct os_sampler **out, u64 period_ns,
                     void (*fn)(void *ctx, const struct os_sample *s), void *ctx, struct err *e)
{
    struct os_sampler *s = mem_alloc(sizeof *s);
    if (!s)
        return err_set(e, -ENOMEM, "starting to sample a thread: out of memory");
    *s = (struct os_sampler){.fn = fn, .ctx = ctx};
    struct sigaction sa = {.sa_sigaction = on_tick, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaction(SIGPROF, &sa, NULL);
    struct sigevent ev = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGPROF};
    ev.sigev_value.sival_ptr = s;
    ev.sigev_notify_thread_id = gettid();
    if (timer_create(CLOCK_THREAD_CPUTIME_ID, &ev, &s->timer)) {
        int err = errno;
        mem_free(s);
        return err_set(e, -err, "starting to sample a thread: making its timer: %s", err_name(err));
    }
    struct timespec period = {.tv_sec = (time_t)(period_ns / 1000000000u),
                              .tv_nsec = (long)(period_ns % 1000000000u)};
    struct itimerspec every = {.it_interval = period, .it_value = period};
    *out = s;
    if (!timer_settime(s->timer, 0, &every, NULL))
        return 0;
    int err = errno;
    os_sampler_stop(s);
    *out = NULL;
    return err_set(e, -err, "starting to sample a thread: setting its timer: %s", err_name(err));
}

/* The thread has SIGPROF blocked from now on: one that is pending still names the sampler.
 * syscalls: timer_delete */
void os_sampler_stop(struct os_sampler *s)
{
    sigset_t prof;
    if (!s)
        return;
    sigemptyset(&prof);
    sigaddset(&prof, SIGPROF);
    pthread_sigmask(SIG_BLOCK, &prof, NULL);
    timer_delete(s->timer);
    mem_free(s);
}
