/* SPDX-License-Identifier: BSD-2-Clause */
/* The scheduler's account of a thread: waiting for a processor counts, sleeping does not. Its
 * samples: running counts, sleeping does not. */
#include "../cmocka_all.h"
#include "base/os.h"

#include <sched.h>
#include <unistd.h>

static bool stop;

static void *compete(void *ctx)
{
    (void)ctx;
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
        ;
    return NULL;
}

/* Ends when it has been kept from running for a millisecond in all. */
static void *wait_for_delay(void *ctx)
{
    u64 before = os_thread_delay_ns();
    while (os_thread_delay_ns() - before < 1000000)
        ;
    return NULL;
}

static void waiting_for_a_processor_is_delay(void **state)
{
    (void)state;
    cpu_set_t old, one;
    if (access("/proc/thread-self/schedstat", R_OK))
        skip();
    assert_int_equal(sched_getaffinity(0, sizeof old, &old), 0);
    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE && !CPU_COUNT(&one); i++)
        if (CPU_ISSET(i, &old))
            CPU_SET(i, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0); /* the other thread inherits it */
    struct os_thread *t;
    assert_int_equal(os_thread_create(&t, "compete", compete, NULL, NULL), 0);
    struct os_thread *w;
    assert_int_equal(os_thread_create(&w, "wait", wait_for_delay, NULL, NULL), 0);
    os_thread_join(w);
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    os_thread_join(t);
    sched_setaffinity(0, sizeof old, &old);
}

static volatile unsigned periods;

static void count_sample(void *ctx, const struct os_sample *s)
{
    if (ctx == &periods && s->pc && s->sp)
        periods += s->periods;
}

/* Ends when it has run for 50 ms by its samples; how many came while it slept for as long. */
static void *run_and_sleep(void *ctx)
{
    static unsigned asleep;
    struct os_sampler *s;
    if (os_sampler_start(&s, 1000000, count_sample, (void *)&periods, NULL))
        return NULL;
    while (periods < 50)
        ;
    unsigned before = periods;
    usleep(50000);
    asleep = periods - before;
    os_sampler_stop(s);
    *(unsigned **)ctx = &asleep;
    return NULL;
}

static void running_is_sampled(void **state)
{
    (void)state;
    unsigned *asleep = NULL;
    struct os_thread *t;
    assert_int_equal(os_thread_create(&t, "sampled", run_and_sleep, &asleep, NULL), 0);
    os_thread_join(t);
    assert_non_null(asleep);
    assert_true(*asleep < 25); /* the last tick's, and what it takes to sleep */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waiting_for_a_processor_is_delay),
        cmocka_unit_test(running_is_sampled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
