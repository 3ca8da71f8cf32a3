/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine's clock: virtual time advances with os_clock_ns() while the machine runs and stands
 * still otherwise. All its timers share one timer of the event loop.
 *
 * clock->lock guards everything here and is not held while a timer's function runs. */
#include "vm/clock.h"

#include "base/mem.h"
#include "base/os.h"

#include <errno.h>

struct real_clock {
    struct clock clock;
    struct os_mutex lock;
    struct os_cond idle; /* running changed */
    struct os_timer *timer;
    struct list timers;     /* armed, by deadline */
    struct vtimer *running; /* its function is being called, by the thread `runner` */
    const void *runner;
    bool runs;
    u64 host_base, base; /* now = base + (os_clock_ns() - host_base) while it runs */
};

/* Its address tells threads apart. */
static _Thread_local char this_thread;

static struct real_clock *real(struct clock *c)
{
    return container_of(c, struct real_clock, clock);
}

static u64 now_locked(const struct real_clock *c)
{
    return c->runs ? c->base + (os_clock_ns() - c->host_base) : c->base;
}

static u64 real_now(struct clock *clock)
{
    struct real_clock *c = real(clock);
    with_lock(&c->lock);
    return now_locked(c);
}

static u64 real_wall(struct clock *clock)
{
    return os_wall_clock_ns();
}

/* Sets the loop's timer to the earliest deadline; with the lock held. */
static void program(struct real_clock *c)
{
    if (!c->runs || list_empty(&c->timers))
        return;
    const struct vtimer *first = list_entry(c->timers.next, struct vtimer, node);
    u64 ahead = first->deadline_ns > c->base ? first->deadline_ns - c->base : 0;
    u64 deadline = c->host_base + ahead;
    os_timer_arm(c->timer, deadline < ahead ? UINT64_MAX : deadline);
}

static void real_arm(struct clock *clock, struct vtimer *t, u64 deadline_ns)
{
    struct real_clock *c = real(clock);
    with_lock(&c->lock);
    if (t->armed)
        list_remove(&t->node);
    t->armed = true;
    t->deadline_ns = deadline_ns;
    struct list *after = c->timers.prev; /* later deadlines are usually armed later */
    while (after != &c->timers && list_entry(after, struct vtimer, node)->deadline_ns > deadline_ns)
        after = after->prev;
    list_push_front(after, &t->node);
    if (c->timers.next == &t->node)
        program(c);
}

static void real_cancel(struct clock *clock, struct vtimer *t)
{
    struct real_clock *c = real(clock);
    with_lock(&c->lock);
    if (t->armed)
        list_remove(&t->node);
    t->armed = false;
    while (c->running == t && c->runner != &this_thread)
        os_cond_wait(&c->idle, &c->lock);
}

/* On the loop's thread. */
static void expire(void *ctx)
{
    struct real_clock *c = ctx;
    with_lock(&c->lock);
    while (c->runs && !list_empty(&c->timers)) {
        struct vtimer *t = list_entry(c->timers.next, struct vtimer, node);
        if (t->deadline_ns > now_locked(c))
            break;
        list_remove(&t->node);
        t->armed = false;
        c->running = t;
        c->runner = &this_thread;
        os_mutex_unlock(&c->lock);
        t->fn(t->ctx);
        os_mutex_lock(&c->lock);
        c->running = NULL;
        os_cond_broadcast(&c->idle);
    }
    program(c);
}

static const struct clock_ops real_ops = {
    .now_ns = real_now, .wall_ns = real_wall, .arm = real_arm, .cancel = real_cancel};

int clock_create(struct clock **out, struct os_loop *loop, struct err *e)
{
    struct real_clock *c = mem_alloc(sizeof *c);
    if (!c)
        return err_set(e, -ENOMEM, "making the clock: out of memory");
    c->clock.ops = &real_ops;
    list_init(&c->timers);
    int r = os_timer_create(&c->timer, loop, expire, c, e);
    if (r) {
        mem_free(c);
        return r;
    }
    *out = &c->clock;
    return 0;
}

void clock_destroy(struct clock *clock)
{
    if (!clock)
        return;
    os_timer_destroy(real(clock)->timer);
    mem_free(real(clock));
}

void clock_run(struct clock *clock, bool run)
{
    struct real_clock *c = real(clock);
    with_lock(&c->lock);
    if (run == c->runs)
        return;
    c->base = now_locked(c);
    c->host_base = os_clock_ns();
    c->runs = run;
    program(c);
}

void clock_set(struct clock *clock, u64 now_ns)
{
    struct real_clock *c = real(clock);
    with_lock(&c->lock);
    c->base = now_ns;
}
