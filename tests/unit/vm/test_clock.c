/* SPDX-License-Identifier: BSD-2-Clause */
/* vm/clock.c: order of timers, standing still, cancelling. */
#include "../cmocka_all.h"

#include "base/os.h"
#include "vm/clock.h"

struct record {
    struct os_loop *loop;
    struct vtimer timer;
    unsigned *count, stop_at, rearm;
    struct record **order;
    u64 fired_at;
};

static void fire(void *ctx)
{
    struct record *r = ctx;
    r->fired_at = clock_now_ns(r->timer.clock);
    r->order[(*r->count)++] = r;
    if (r->rearm) {
        r->rearm--;
        vtimer_arm(&r->timer, r->fired_at + 1000);
    }
    if (*r->count == r->stop_at)
        os_loop_stop(r->loop);
}

static void timers_fire_in_order_and_never_early(void **state)
{
    (void)state;
    struct os_loop *l;
    struct clock *c;
    assert_int_equal(os_loop_create(&l, NULL), 0);
    assert_int_equal(clock_create(&c, l, NULL), 0);
    unsigned count = 0;
    struct record *order[8] = {0}, r[3];
    for (int i = 0; i < 3; i++) {
        r[i] = (struct record){.loop = l, .count = &count, .stop_at = 4, .order = order};
        vtimer_init(&r[i].timer, c, fire, &r[i]);
    }
    r[2].rearm = 1;
    vtimer_arm(&r[0].timer, 3000000);
    vtimer_arm(&r[1].timer, 2000000);
    vtimer_arm(&r[2].timer, 9000000);
    vtimer_arm(&r[2].timer, 1000000); /* arming again moves it */
    struct vtimer never;
    vtimer_init(&never, c, fire, NULL);
    vtimer_arm(&never, 1500000);
    vtimer_cancel(&never);
    clock_run(c, true);
    assert_int_equal(os_loop_run(l), 0);
    assert_ptr_equal(order[0], &r[2]);
    unsigned place[3] = {0};
    for (unsigned i = 0; i < 4; i++)
        place[order[i] - r] = i;
    assert_true(place[1] < place[0]);
    assert_true(r[0].fired_at >= 3000000 && r[1].fired_at >= 2000000);
    assert_false(r[0].timer.armed);
    clock_destroy(c);
    os_loop_destroy(l);
}

static void time_stands_still_until_let_go(void **state)
{
    (void)state;
    struct os_loop *l;
    struct clock *c;
    assert_int_equal(os_loop_create(&l, NULL), 0);
    assert_int_equal(clock_create(&c, l, NULL), 0);
    assert_int_equal(clock_now_ns(c), 0);
    clock_set(c, 777);
    assert_int_equal(clock_now_ns(c), 777);
    clock_run(c, true);
    while (clock_now_ns(c) < 100000)
        ;
    clock_run(c, false);
    u64 t = clock_now_ns(c), host = os_clock_ns();
    while (os_clock_ns() < host + 1000000)
        ;
    assert_true(clock_now_ns(c) == t);
    clock_run(c, true);
    assert_true(clock_now_ns(c) >= t);
    clock_destroy(c);
    os_loop_destroy(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_fire_in_order_and_never_early),
        cmocka_unit_test(time_stands_still_until_let_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
