/* SPDX-License-Identifier: BSD-2-Clause */
/* HPET after the IA-PC HPET specification 1.0a [HPET]. */
#include "device/timer/hpet.h"

#include "base/bits.h"
#include "device/timer/ticks.h"

#include <errno.h>

enum { REG_CAPABILITIES = 0x00, REG_CONFIG = 0x10, REG_STATUS = 0x20, REG_COUNTER = 0xf0 };
enum { REG_TIMER = 0x100, TIMER_STRIDE = 0x20, TN_CONFIG = 0, TN_COMPARATOR = 8, TN_FSB = 16 };
enum { CFG_ENABLE = 1, CFG_LEGACY = 2 };
enum {
    TN_LEVEL = 1 << 1,
    TN_ENABLE = 1 << 2,
    TN_PERIODIC = 1 << 3,
    TN_PERIODIC_CAP = 1 << 4,
    TN_64BIT_CAP = 1 << 5,
    TN_VALUE_SET = 1 << 6,
    TN_32BIT = 1 << 8,
    TN_ROUTE_SHIFT = 9,
    TN_FSB_ENABLE = 1 << 14,
    TN_FSB_CAP = 1 << 15,
    TN_WRITABLE = TN_LEVEL | TN_ENABLE | TN_PERIODIC | TN_VALUE_SET | TN_32BIT |
                  0x1f << TN_ROUTE_SHIFT | TN_FSB_ENABLE,
};
/* Revision 1, three timers, 64-bit counter, legacy routes, Intel; the period in femtoseconds. */
#define CAPABILITIES                                                                               \
    ((u64)HPET_PERIOD_NS * 1000000 << 32 | (u64)0x8086 << 16 | 1 << 15 | 1 << 13 |                 \
     (HPET_TIMERS - 1) << 8 | 1)

static struct hpet *hpet_of(struct device *d)
{
    return container_of(d, struct hpet, dev);
}

u32 hpet_hardware_id(void)
{
    return (u32)CAPABILITIES;
}

static bool hpet_running(const struct hpet *h)
{
    return h->config & CFG_ENABLE;
}

static u64 hpet_counter(const struct hpet *h)
{
    if (!hpet_running(h))
        return h->counter;
    return (clock_now_ns(h->clock) - h->base_ns) / HPET_PERIOD_NS;
}

static unsigned timer_number(const struct hpet_timer *t)
{
    return (unsigned)(t - t->hpet->timer);
}

static bool timer_is_legacy(const struct hpet_timer *t)
{
    return (t->hpet->config & CFG_LEGACY) && timer_number(t) < 2;
}

static const struct irq_line *timer_line(const struct hpet_timer *t)
{
    if (timer_is_legacy(t))
        return &t->hpet->legacy[timer_number(t)];
    unsigned route = t->config >> TN_ROUTE_SHIFT & 0x1f;
    return route < HPET_ROUTES ? &t->hpet->route[route] : NULL;
}

static u64 timer_mask(const struct hpet_timer *t)
{
    return t->config & TN_32BIT ? 0xffffffff : ~(u64)0;
}

/* Level interrupts follow the status bit; legacy routes and messages are edges [HPET 2.3.8]. */
static bool timer_is_level(const struct hpet_timer *t)
{
    return (t->config & TN_LEVEL) && !timer_is_legacy(t) && !(t->config & TN_FSB_ENABLE);
}

static void timer_lower(struct hpet_timer *t)
{
    if (timer_is_level(t))
        irq_lower(timer_line(t));
}

/* After something that decides about a level line has changed. */
static void timer_update_line(struct hpet_timer *t)
{
    if (timer_is_level(t))
        irq_set(timer_line(t), (t->config & TN_ENABLE) && (t->hpet->status >> timer_number(t) & 1));
}

static void timer_interrupt(struct hpet_timer *t)
{
    struct hpet *h = t->hpet;
    if (timer_is_level(t)) /* the status bit is set even while the interrupt is disabled */
        h->status |= BIT(timer_number(t));
    if (!(t->config & TN_ENABLE))
        return;
    if (t->config & TN_FSB_ENABLE)
        msi_send(&h->msi, t->fsb >> 32, (u32)t->fsb);
    else if (timer_is_level(t))
        timer_update_line(t);
    else
        irq_pulse(timer_line(t));
}

/* Counter ticks until the comparator matches, counted from the present value; a match now was
 * reported already. */
static u64 timer_distance(const struct hpet_timer *t)
{
    u64 mask = timer_mask(t);
    u64 ticks = (t->comparator - hpet_counter(t->hpet)) & mask;
    return ticks ? ticks : mask;
}

static void timer_arm(struct hpet_timer *t, bool expired)
{
    struct hpet *h = t->hpet;
    t->due_ns = 0;
    if (!hpet_running(h))
        return;
    u64 now = clock_now_ns(h->clock);
    u64 phase = (now - h->base_ns) % HPET_PERIOD_NS;
    u128 when = (u128)now - phase + (u128)timer_distance(t) * HPET_PERIOD_NS;
    if (when > UINT64_MAX)
        return;
    t->due_ns = (u64)when;
    vtimer_arm(&t->timer, expired ? MAX(t->due_ns, now + TIMER_MIN_WAKE_NS) : t->due_ns);
}

/* The comparator of a periodic timer at the match that follows the present counter. */
static u64 timer_next_match(const struct hpet_timer *t)
{
    if (!(t->config & TN_PERIODIC) || !t->period || !t->due_ns ||
        clock_now_ns(t->hpet->clock) < t->due_ns)
        return t->comparator;
    u64 mask = timer_mask(t);
    u64 late = (hpet_counter(t->hpet) - t->comparator) & mask;
    return (t->comparator + (late / t->period + 1) * t->period) & mask;
}

static void timer_expired(void *ctx)
{
    struct hpet_timer *t = ctx;
    struct hpet *h = t->hpet;
    with_lock(&h->dev.lock);
    if (!t->due_ns || clock_now_ns(h->clock) < t->due_ns) /* the comparator has moved away */
        return;
    timer_interrupt(t);
    t->comparator = timer_next_match(t);
    timer_arm(t, true);
}

static void hpet_arm_all(struct hpet *h)
{
    for (unsigned i = 0; i < HPET_TIMERS; i++)
        timer_arm(&h->timer[i], false);
}

static void hpet_write_config(struct hpet *h, u64 v)
{
    u64 changed = (h->config ^ v) & (CFG_ENABLE | CFG_LEGACY);
    if ((changed & CFG_ENABLE) && !(v & CFG_ENABLE))
        h->counter = hpet_counter(h);
    if (changed & CFG_LEGACY)
        for (unsigned i = 0; i < HPET_TIMERS; i++)
            timer_lower(&h->timer[i]);
    h->config = v & (CFG_ENABLE | CFG_LEGACY);
    if ((changed & CFG_ENABLE) && (v & CFG_ENABLE))
        h->base_ns = clock_now_ns(h->clock) - h->counter * HPET_PERIOD_NS;
    if (changed & CFG_ENABLE)
        hpet_arm_all(h);
    if ((changed & CFG_LEGACY) && h->legacy_changed)
        h->legacy_changed(h->legacy_ctx, v & CFG_LEGACY);
}

static void timer_write_config(struct hpet_timer *t, u64 v)
{
    timer_lower(t);
    t->config = (t->config & ~(u64)TN_WRITABLE) | (v & TN_WRITABLE);
    if (!(t->config & TN_PERIODIC_CAP))
        t->config &= ~(u64)TN_PERIODIC;
    if (t->config & TN_32BIT)
        t->comparator &= 0xffffffff;
    timer_update_line(t);
    timer_arm(t, false);
}

/* In periodic mode a write sets the period, and after VAL_SET the comparator too [HPET 2.3.9.2]. */
static void timer_write_comparator(struct hpet_timer *t, u64 v)
{
    v &= timer_mask(t);
    if (t->config & TN_PERIODIC)
        t->period = v;
    if (!(t->config & TN_PERIODIC) || (t->config & TN_VALUE_SET))
        t->comparator = v;
    t->config &= ~(u64)TN_VALUE_SET;
    timer_arm(t, false);
}

static u64 timer_read(struct hpet_timer *t, unsigned reg)
{
    switch (reg) {
    case TN_CONFIG: return t->config;
    case TN_COMPARATOR: return timer_next_match(t);
    case TN_FSB: return t->fsb;
    default: return 0;
    }
}

/* The 64-bit register at off. */
static u64 hpet_read(struct hpet *h, unsigned off)
{
    switch (off) {
    case REG_CAPABILITIES: return CAPABILITIES;
    case REG_CONFIG: return h->config;
    case REG_STATUS: return h->status;
    case REG_COUNTER: return hpet_counter(h);
    default: break;
    }
    unsigned i = (off - REG_TIMER) / TIMER_STRIDE;
    if (off >= REG_TIMER && i < HPET_TIMERS)
        return timer_read(&h->timer[i], (off - REG_TIMER) % TIMER_STRIDE);
    return 0;
}

static void hpet_write_status(struct hpet *h, u64 v)
{
    for (unsigned i = 0; i < HPET_TIMERS; i++) {
        if (!(h->status & v & BIT(i)))
            continue;
        h->status &= ~BIT(i);
        timer_update_line(&h->timer[i]);
    }
}

/* Writes the bytes of mask in the 64-bit register at off. */
static void hpet_write(struct hpet *h, unsigned off, u64 v, u64 mask)
{
    u64 whole = (hpet_read(h, off) & ~mask) | (v & mask);
    unsigned i = (off - REG_TIMER) / TIMER_STRIDE;
    switch (off) {
    case REG_CONFIG: hpet_write_config(h, whole); return;
    case REG_STATUS: hpet_write_status(h, v & mask); return;
    case REG_COUNTER: /* "only while the counter is halted" [HPET 2.3.7] */
        if (!hpet_running(h))
            h->counter = whole;
        return;
    default: break;
    }
    if (off < REG_TIMER || i >= HPET_TIMERS)
        return;
    struct hpet_timer *t = &h->timer[i];
    switch ((off - REG_TIMER) % TIMER_STRIDE) {
    case TN_CONFIG: timer_write_config(t, whole); break;
    case TN_COMPARATOR:
        /* The period is not what a read shows: the halves of a split write join the last one. */
        if (t->config & TN_PERIODIC && mask != ~(u64)0)
            whole = (t->period & ~mask) | (v & mask);
        timer_write_comparator(t, whole);
        break;
    case TN_FSB: t->fsb = whole; break;
    default: break;
    }
}

static enum io_result hpet_io(struct device *d, unsigned region, struct io_access *a)
{
    struct hpet *h = hpet_of(d);
    unsigned base = a->off & 0x3f8, shift = 8 * (a->off & 7);
    u64 mask = mask_low(8 * a->size) << shift;
    (void)region;
    /* "32-bit or 64-bit accesses" [HPET 2.2]; narrower reads give a piece, writes vanish. */
    if (!a->write)
        a->val = (hpet_read(h, base) & mask) >> shift;
    else if (a->size >= 4 && (a->off & 3) == 0)
        hpet_write(h, base, a->val << shift, mask);
    return IO_OK;
}

static u32 hpet_offered_routes(const struct hpet *h)
{
    u32 routes = 0;
    for (unsigned i = 0; i < HPET_ROUTES; i++)
        if (h->route[i].set)
            routes |= 1u << i;
    return routes;
}

static void hpet_reset(struct device *d, enum reset_kind kind)
{
    struct hpet *h = hpet_of(d);
    (void)kind;
    hpet_write_config(h, 0);
    h->status = h->counter = h->base_ns = 0;
    for (unsigned i = 0; i < HPET_TIMERS; i++) {
        struct hpet_timer *t = &h->timer[i];
        timer_lower(t);
        t->config = TN_64BIT_CAP | TN_FSB_CAP | (i == 0 ? TN_PERIODIC_CAP : 0) |
                    (u64)hpet_offered_routes(h) << 32;
        t->comparator = ~(u64)0;
        t->period = t->fsb = t->due_ns = 0;
    }
}

static int hpet_init(struct device *d, struct err *e)
{
    struct hpet *h = hpet_of(d);
    if (!h->clock)
        return err_set(e, -EINVAL, "starting %s: no clock was given", d->id);
    for (unsigned i = 0; i < HPET_TIMERS; i++) {
        h->timer[i].hpet = h;
        vtimer_init(&h->timer[i].timer, h->clock, timer_expired, &h->timer[i]);
    }
    hpet_reset(d, RESET_COLD);
    return 0;
}

static void hpet_fini(struct device *d)
{
    for (unsigned i = 0; i < HPET_TIMERS; i++)
        vtimer_cancel(&hpet_of(d)->timer[i].timer);
}

static int hpet_post_load(struct device *d, struct err *e)
{
    struct hpet *h = hpet_of(d);
    (void)e;
    h->config &= CFG_ENABLE | CFG_LEGACY;
    h->status &= mask_low(HPET_TIMERS);
    for (unsigned i = 0; i < HPET_TIMERS; i++) {
        struct hpet_timer *t = &h->timer[i];
        t->config = (t->config & TN_WRITABLE) | TN_64BIT_CAP | TN_FSB_CAP |
                    (i == 0 ? TN_PERIODIC_CAP : 0) | (u64)hpet_offered_routes(h) << 32;
        if (i)
            t->config &= ~(u64)TN_PERIODIC;
        t->comparator &= timer_mask(t);
        timer_update_line(t);
        if (!hpet_running(h))
            t->due_ns = 0;
    }
    if (h->legacy_changed)
        h->legacy_changed(h->legacy_ctx, h->config & CFG_LEGACY);
    return 0; /* the timers' deadlines are saved: a match that was due is not forgotten */
}

static const struct reg_desc hpet_regs[] = {
    {"GCAP_ID", 0, REG_CAPABILITIES, 8, CAPABILITIES, 0, 0, "HPET 2.3.4"},
    {"GEN_CONF", 0, REG_CONFIG, 8, 0, CFG_ENABLE | CFG_LEGACY, 0, "HPET 2.3.5"},
    {"GINTR_STA", 0, REG_STATUS, 8, 0, 0, 7, "HPET 2.3.6"},
    {"MAIN_CNT", 0, REG_COUNTER, 8, 0, ~(u64)0, 0, "HPET 2.3.7"},
    {"T0_COMPARATOR", 0, REG_TIMER + TN_COMPARATOR, 8, ~(u64)0, ~(u64)0, 0, "HPET 2.3.9"},
    {"T1_COMPARATOR", 0, REG_TIMER + 0x28, 8, ~(u64)0, ~(u64)0, 0, "HPET 2.3.9"},
    {"T2_COMPARATOR", 0, REG_TIMER + 0x48, 8, ~(u64)0, ~(u64)0, 0, "HPET 2.3.9"},
    {0},
};

#define TIMER_STATE(i)                                                                             \
    STATE_FIELD(struct hpet, timer[i].config, STATE_U64),                                          \
        STATE_FIELD(struct hpet, timer[i].comparator, STATE_U64),                                  \
        STATE_FIELD(struct hpet, timer[i].period, STATE_U64),                                      \
        STATE_FIELD(struct hpet, timer[i].fsb, STATE_U64),                                         \
        STATE_FIELD(struct hpet, timer[i].due_ns, STATE_U64),                                      \
        STATE_FIELD(struct hpet, timer[i].timer, STATE_TIMER)

static const struct state_desc hpet_state[] = {
    STATE_FIELD(struct hpet, config, STATE_U64),
    STATE_FIELD(struct hpet, status, STATE_U64),
    STATE_FIELD(struct hpet, counter, STATE_U64),
    STATE_FIELD(struct hpet, base_ns, STATE_U64),
    TIMER_STATE(0),
    TIMER_STATE(1),
    TIMER_STATE(2),
    STATE_END,
};

const struct device_type hpet_type = {
    .name = "hpet",
    .description = "high precision event timer",
    .size = sizeof(struct hpet),
    .regs = hpet_regs,
    .state = hpet_state,
    .init = hpet_init,
    .io = hpet_io,
    .reset = hpet_reset,
    .post_load = hpet_post_load,
    .fini = hpet_fini,
};
