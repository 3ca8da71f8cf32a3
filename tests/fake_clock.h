/* SPDX-License-Identifier: BSD-2-Clause */
/* A clock that tests move by hand: fake_clock_advance() calls the timers that become due, in order,
 * with the time at each one's deadline. One thread. */
#ifndef TESTS_FAKE_CLOCK_H
#define TESTS_FAKE_CLOCK_H

#include "vm/clock.h"

struct fake_clock {
    struct clock clock;
    u64 now_ns, wall_ns;
    struct list timers; /* armed, unordered */
};

static inline struct fake_clock *fake_clock_of(struct clock *c)
{
    return container_of(c, struct fake_clock, clock);
}
static inline u64 fake_clock_now(struct clock *c)
{
    return fake_clock_of(c)->now_ns;
}
static inline u64 fake_clock_wall(struct clock *c)
{
    return fake_clock_of(c)->wall_ns + fake_clock_of(c)->now_ns;
}
static inline void fake_clock_cancel(struct clock *c, struct vtimer *t)
{
    (void)c;
    if (t->armed)
        list_remove(&t->node);
    t->armed = false;
}
static inline void fake_clock_arm(struct clock *c, struct vtimer *t, u64 deadline_ns)
{
    fake_clock_cancel(c, t);
    t->armed = true;
    t->deadline_ns = deadline_ns;
    list_push_back(&fake_clock_of(c)->timers, &t->node);
}

static inline void fake_clock_init(struct fake_clock *f)
{
    static const struct clock_ops ops = {.now_ns = fake_clock_now,
                                         .wall_ns = fake_clock_wall,
                                         .arm = fake_clock_arm,
                                         .cancel = fake_clock_cancel};
    f->clock.ops = &ops;
    f->now_ns = 0;
    f->wall_ns = 1000000000ull * 1700000000;
    list_init(&f->timers);
}

static inline void fake_clock_advance(struct fake_clock *f, u64 ns)
{
    u64 end = f->now_ns + ns;
    for (;;) {
        struct vtimer *due = NULL;
        list_for_each (n, &f->timers) {
            struct vtimer *t = list_entry(n, struct vtimer, node);
            if (t->deadline_ns <= end && (!due || t->deadline_ns < due->deadline_ns))
                due = t;
        }
        if (!due)
            break;
        if (due->deadline_ns > f->now_ns)
            f->now_ns = due->deadline_ns;
        fake_clock_cancel(&f->clock, due);
        due->fn(due->ctx);
    }
    f->now_ns = end;
}

#endif
