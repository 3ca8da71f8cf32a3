/* SPDX-License-Identifier: BSD-2-Clause */
/* Threads: made and joined, passing a turn by futex, and working in parallel. */
#include "bench.h"
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

static void *nothing(void *arg)
{
    return arg;
}

static uint64_t create(uint64_t n)
{
    while (n--) {
        pthread_t t;
        if (pthread_create(&t, NULL, nothing, NULL) || pthread_join(t, NULL))
            bench_fail("thread");
    }
    return 0;
}

static _Atomic uint32_t turn;

/* Waits until it is the turn of `mine`, sleeping in the kernel. */
static void wait_turn(uint32_t mine)
{
    while (atomic_load(&turn) != mine)
        syscall(SYS_futex, &turn, FUTEX_WAIT_PRIVATE, 1 - mine, NULL, NULL, 0);
}

static void give_turn(uint32_t to)
{
    atomic_store(&turn, to);
    syscall(SYS_futex, &turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void *partner(void *arg)
{
    for (;;) {
        wait_turn(1);
        give_turn(0);
    }
    return arg;
}

static uint64_t futex(uint64_t n)
{
    static bool begun;
    pthread_t t;
    if (!begun && pthread_create(&t, NULL, partner, NULL))
        bench_fail("thread");
    begun = true;
    while (n--) {
        give_turn(1);
        wait_turn(0);
    }
    return 0;
}

/* The same work by one thread and by two: memory of their own, and a shared counter now and then.
 */
static _Atomic uint64_t total;

static void *work(void *arg)
{
    uint64_t rounds = *(uint64_t *)arg;
    static _Thread_local uint32_t local[4096];
    uint64_t x = 88172645463325252u;
    for (uint64_t r = 0; r < rounds; r++) {
        uint64_t sum = 0;
        for (unsigned i = 0; i < 4096; i++)
            sum += local[bench_random(&x) % 4096] += (uint32_t)i;
        atomic_fetch_add(&total, sum & 1);
    }
    return NULL;
}

static uint64_t parallel(uint64_t n, unsigned threads)
{
    pthread_t t[2];
    uint64_t share = n * 2 / threads;
    for (unsigned i = 0; i < threads; i++)
        if (pthread_create(&t[i], NULL, work, &share))
            bench_fail("thread");
    for (unsigned i = 0; i < threads; i++)
        pthread_join(t[i], NULL);
    return 0;
}

static uint64_t parallel1(uint64_t n)
{
    return parallel(n, 1);
}

static uint64_t parallel2(uint64_t n)
{
    return parallel(n, 2);
}

const struct bench bench_threads[] = {{"thread", create, NULL},
                                      {"futex", futex, NULL},
                                      {"parallel-1", parallel1, NULL},
                                      {"parallel-2", parallel2, NULL},
                                      {0}};
