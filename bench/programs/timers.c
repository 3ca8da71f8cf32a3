/* SPDX-License-Identifier: BSD-2-Clause */
/* Time: reading the clock, short sleeps, and signals from an interval timer. */
#include "bench.h"
#include <signal.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <time.h>

static uint64_t clock_(uint64_t n)
{
    struct timespec t;
    for (uint64_t i = 0; i < n * 10; i++)
        clock_gettime(CLOCK_MONOTONIC, &t);
    return 0;
}

/* 100 microseconds asked for: what is more is the cost of the timer and the way back. */
static uint64_t sleep_(uint64_t n)
{
    struct timespec t = {0, 100000};
    prctl(PR_SET_TIMERSLACK, 1);
    while (n--)
        nanosleep(&t, NULL);
    return 0;
}

static volatile sig_atomic_t alarms;

static void on_alarm(int signal)
{
    (void)signal;
    alarms = 1;
}

/* A timer that has run out by the time it is waited for, and the signal of it. */
static uint64_t timer_signal(uint64_t n)
{
    struct sigaction action = {.sa_handler = on_alarm};
    sigset_t block, before;
    sigemptyset(&block);
    sigaddset(&block, SIGALRM);
    sigaction(SIGALRM, &action, NULL);
    sigprocmask(SIG_BLOCK, &block, &before);
    sigdelset(&before, SIGALRM);
    while (n--) {
        struct itimerval once = {{0, 0}, {0, 50}};
        alarms = 0;
        setitimer(ITIMER_REAL, &once, NULL);
        while (!alarms)
            sigsuspend(&before);
    }
    return 0;
}

const struct bench bench_timers[] = {
    {"clock", clock_, NULL}, {"sleep", sleep_, NULL}, {"timer-signal", timer_signal, NULL}, {0}};
