/* SPDX-License-Identifier: BSD-2-Clause */
/* Virtual time, the only time devices see. It stands still while the machine is paused. Tests
 * inject a clock they move by hand; one definition serves pausing, replay and migration. */
#ifndef VM_CLOCK_H
#define VM_CLOCK_H

#include "base/err.h"
#include "base/list.h"
#include "base/types.h"

struct clock;

/* A one-shot timer. fn is called on the clock's thread without the clock's lock; it may re-arm.
 * Embedded in the device; init once, cancel before the memory goes away. */
struct vtimer {
    struct list node;
    struct clock *clock;
    u64 deadline_ns; /* virtual time; meaningful while armed */
    bool armed;
    void (*fn)(void *ctx);
    void *ctx;
};

struct clock_ops {
    u64 (*now_ns)(struct clock *);  /* virtual nanoseconds since the machine was made */
    u64 (*wall_ns)(struct clock *); /* guest wall clock, ns since 1970 (for the RTC) */
    void (*arm)(struct clock *, struct vtimer *, u64 deadline_ns);
    /* After it returns fn is not running and will not run (unless called from fn): it may wait for
     * fn, so never with a lock held that fn takes. Let an unwanted timer fire and look instead. */
    void (*cancel)(struct clock *, struct vtimer *);
};
struct clock {
    const struct clock_ops *ops;
};

static inline u64 clock_now_ns(struct clock *c)
{
    return c->ops->now_ns(c);
}
static inline u64 clock_wall_ns(struct clock *c)
{
    return c->ops->wall_ns(c);
}
static inline void vtimer_init(struct vtimer *t, struct clock *c, void (*fn)(void *), void *ctx)
{
    list_init(&t->node);
    t->clock = c;
    t->armed = false;
    t->fn = fn;
    t->ctx = ctx;
}
static inline void vtimer_arm(struct vtimer *t, u64 deadline_ns)
{
    t->clock->ops->arm(t->clock, t, deadline_ns);
}
static inline void vtimer_cancel(struct vtimer *t)
{
    if (t->clock)
        t->clock->ops->cancel(t->clock, t);
}

/* The machine's clock: follows os_clock_ns() while it runs, timers are called on the loop's thread.
 * Made standing still at virtual time 0. */
struct os_loop;
int clock_create(struct clock **out, struct os_loop *loop, struct err *e) must_check;
void clock_destroy(struct clock *c);
void clock_run(struct clock *c, bool run);
/* Continues from another machine's time; while it stands still. */
void clock_set(struct clock *c, u64 now_ns);

#endif
