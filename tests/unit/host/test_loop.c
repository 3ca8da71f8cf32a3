/* SPDX-License-Identifier: BSD-2-Clause */
/* host/: the event loop's watches, timers and posts, and code memory. */
#include "../cmocka_all.h"

#include "base/os.h"
#include <string.h>
#include <unistd.h>

struct world {
    struct os_loop *loop;
    struct os_watch *watch;
    struct os_timer *timer[2];
    int pipe[2];
    char order[16];
};

static void note(struct world *w, char c)
{
    size_t n = strlen(w->order);
    if (n + 1 < sizeof w->order)
        w->order[n] = c;
}

static void on_pipe(void *ctx, unsigned events)
{
    struct world *w = ctx;
    char c;
    if (read(w->pipe[0], &c, 1) == 1) {
        note(w, c);
        return;
    }
    assert_true(events & OS_HANGUP);
    note(w, 'h');
    os_watch_destroy(w->watch); /* from its own function */
    w->watch = NULL;
    os_loop_stop(w->loop);
}

static void on_late(void *ctx)
{
    struct world *w = ctx;
    note(w, 'L');
    assert_int_equal(write(w->pipe[1], "x", 1), 1);
    close(w->pipe[1]);
}

static void on_early(void *ctx)
{
    note(ctx, 'E');
}

static void events_arrive_in_order(void **state)
{
    struct world w = {0};
    struct err e = {0};
    assert_int_equal(os_loop_create(&w.loop, &e), 0);
    assert_int_equal(pipe(w.pipe), 0);
    assert_int_equal(os_watch_create(&w.watch, w.loop, w.pipe[0], OS_READ, on_pipe, &w, &e), 0);
    assert_int_equal(os_timer_create(&w.timer[0], w.loop, on_late, &w, &e), 0);
    assert_int_equal(os_timer_create(&w.timer[1], w.loop, on_early, &w, &e), 0);
    u64 now = os_clock_ns();
    os_timer_arm(w.timer[0], now + 2000000);
    os_timer_arm(w.timer[1], now + 1000000);
    assert_int_equal(os_loop_run(w.loop), 0);
    assert_string_equal(w.order, "ELxh");
    os_timer_destroy(w.timer[0]);
    os_timer_destroy(w.timer[1]);
    os_loop_destroy(w.loop);
    close(w.pipe[0]);
}

static void *run_loop(void *ctx)
{
    os_loop_run(ctx);
    return NULL;
}

static void count_up(void *ctx)
{
    __atomic_fetch_add((int *)ctx, 1, __ATOMIC_RELAXED);
}

/* A cancelled timer is not running and does not run again, whatever thread asks. */
static void cancel_waits_for_the_function(void **state)
{
    struct os_loop *loop;
    struct os_thread *thread;
    struct os_timer *timer;
    struct err e = {0};
    int count = 0;
    assert_int_equal(os_loop_create(&loop, &e), 0);
    assert_int_equal(os_timer_create(&timer, loop, count_up, &count, &e), 0);
    assert_int_equal(os_thread_create(&thread, "loop", run_loop, loop, &e), 0);
    for (int i = 0; i < 500; i++) {
        os_timer_arm(timer, os_clock_ns());
        os_timer_cancel(timer);
        int seen = __atomic_load_n(&count, __ATOMIC_RELAXED);
        assert_int_equal(seen, __atomic_load_n(&count, __ATOMIC_RELAXED));
    }
    int posted = 0;
    assert_int_equal(os_loop_post(loop, count_up, &posted), 0);
    while (!__atomic_load_n(&posted, __ATOMIC_RELAXED))
        usleep(100);
    os_loop_stop(loop);
    os_thread_join(thread);
    os_timer_destroy(timer);
    os_loop_destroy(loop);
}

static void code_runs_where_it_cannot_be_written(void **state)
{
    struct os_code c;
    struct err e = {0};
    assert_int_equal(os_code_create(&c, 4096, &e), 0);
    static const unsigned char forty_two[] = {0xb8, 42, 0, 0, 0, 0xc3}; /* mov eax, 42; ret */
    memcpy(c.rw, forty_two, sizeof forty_two);
    int (*fn)(void) = (int (*)(void))(uintptr_t)c.rx;
    assert_int_equal(fn(), 42);
    os_code_destroy(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_arrive_in_order),
        cmocka_unit_test(cancel_waits_for_the_function),
        cmocka_unit_test(code_runs_where_it_cannot_be_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
