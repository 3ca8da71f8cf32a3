/* SPDX-License-Identifier: BSD-2-Clause */
/* 8254 after the Intel data sheet [8254]; port 61h after [ICH9 13.7.1].
 *
 * A counter is (start tick, count register); value and output follow from the clock in
 * counter_value() and counter_out(). Deviation: a new count is loaded at once and not at the next
 * clock pulse, so the null-count bit of the status is never seen set. */
#include "device/timer/pit8254.h"

#include "base/bits.h"
#include "base/mem.h"
#include "device/timer/ticks.h"

#include <errno.h>

enum { REFRESH_HALF_NS = 15085 }; /* the refresh request toggles bit 4 of port 61h at this rate */

static struct pit8254 *pit_of(struct device *d)
{
    return container_of(d, struct pit8254, dev);
}

static u32 from_bcd(u16 v)
{
    return (v >> 12) * 1000 + (v >> 8 & 15) * 100 + (v >> 4 & 15) * 10 + (v & 15);
}

static u16 to_bcd(u32 v)
{
    return (u16)((v / 1000 % 10) << 12 | (v / 100 % 10) << 8 | (v / 10 % 10) << 4 | v % 10);
}

static u32 counter_modulus(const struct pit_counter *c)
{
    return c->bcd ? 10000 : 65536;
}

/* What the count register stands for, 1 to the modulus. */
static u32 counter_period(const struct pit_counter *c, u16 reload)
{
    u32 n = c->bcd ? from_bcd(reload) : reload;
    return n ? n : counter_modulus(c);
}

static bool counter_is_periodic(const struct pit_counter *c)
{
    return c->mode == 2 || c->mode == 3;
}

/* Ticks counted since the count was loaded. */
static u64 counter_elapsed(const struct pit_counter *c, u64 now)
{
    if (!c->running)
        return c->held_ticks;
    return now > c->start_tick ? now - c->start_tick : 0;
}

/* Moves past the end of the period in which a new count for modes 2 and 3 was written. */
static void counter_sync(struct pit_counter *c, u64 now)
{
    u32 n = counter_period(c, c->reload);
    if (!c->has_next || !c->running || counter_elapsed(c, now) < n)
        return;
    c->start_tick += n;
    c->reload = c->next_reload;
    c->has_next = false;
}

static u16 counter_value(const struct pit_counter *c, u64 now)
{
    u32 n = counter_period(c, c->reload), m = counter_modulus(c);
    u64 t = counter_elapsed(c, now);
    u32 v;
    if (!c->loaded)
        return 0;
    if (c->mode == 2)
        v = n - (u32)(t % n);
    else if (c->mode == 3) /* counts by two, from the even number below [8254 mode 3] */
        v = (n & ~1u) - (u32)(2 * (t % n) % MAX(n & ~1u, 2u));
    else
        v = (u32)((n + m - t % m) % m);
    v %= m;
    return c->bcd ? to_bcd(v) : (u16)v;
}

static bool counter_out(const struct pit_counter *c, u64 now)
{
    if (!c->loaded)
        return c->mode != 0;
    u32 n = counter_period(c, c->reload);
    u64 t = counter_elapsed(c, now);
    switch (c->mode) {
    case 0: return t >= n;
    case 1: return !c->running || t >= n;
    case 2: return !c->gate || t % n != n - 1;
    case 3: return !c->gate || t % n < (n + 1) / 2;
    default: return !c->running || t != n; /* 4 and 5: low for one clock when the count is over */
    }
}

/* The tick of the next rising edge of OUT after `now`; 0: none will come. */
static u64 counter_next_rise(const struct pit_counter *c, u64 now)
{
    if (!c->loaded || !c->running)
        return 0;
    u32 n = counter_period(c, c->reload);
    u64 t = counter_elapsed(c, now);
    if (counter_is_periodic(c))
        return c->start_tick + (t / n + 1) * n;
    u64 rise = c->mode < 2 ? n : (u64)n + 1;
    return t < rise ? c->start_tick + rise : 0;
}

static u64 pit_now(const struct pit8254 *p)
{
    return ticks_at(clock_now_ns(p->clock), PIT_HZ);
}

static void pit_set_irq(struct pit8254 *p, bool level)
{
    if (!p->irq_disabled)
        irq_set(&p->irq, level);
}

static void pit_schedule(struct pit8254 *p, u64 now)
{
    p->next_rise = counter_next_rise(&p->counter[0], now);
    if (!p->next_rise)
        return; /* a timer still armed finds nothing to do */
    u64 soonest = clock_now_ns(p->clock) + TIMER_MIN_WAKE_NS;
    u64 when = ticks_to_ns(p->next_rise, PIT_HZ);
    if (counter_is_periodic(&p->counter[0]))
        when = MAX(when, soonest);
    vtimer_arm(&p->timer, when);
}

static void pit_expired(void *ctx)
{
    struct pit8254 *p = ctx;
    with_lock(&p->dev.lock);
    u64 now = pit_now(p);
    if (!p->next_rise || now < p->next_rise)
        return;
    counter_sync(&p->counter[0], now);
    pit_set_irq(p, false);
    pit_set_irq(p, true);
    pit_schedule(p, now);
}

/* After counter 0 was programmed: its output as it is now, and the next edge. */
static void pit_update(struct pit8254 *p, u64 now)
{
    pit_set_irq(p, counter_out(&p->counter[0], now));
    pit_schedule(p, now);
}

static void counter_load(struct pit_counter *c, u16 value, u64 now)
{
    counter_sync(c, now);
    if (c->loaded && counter_is_periodic(c) && c->running) {
        c->next_reload = value; /* [8254] the current period is not affected */
        c->has_next = true;
        return;
    }
    c->reload = value;
    c->loaded = true;
    c->held_ticks = 0;
    if (c->mode == 1 || c->mode == 5) /* the count waits for the trigger */
        return;
    c->start_tick = now;
    c->running = c->gate;
}

static void counter_write(struct pit_counter *c, u8 v, u64 now)
{
    if (c->access == 1)
        return counter_load(c, v, now);
    if (c->access == 2)
        return counter_load(c, (u16)(v << 8), now);
    if (!c->second_write) {
        c->write_low = v;
        c->second_write = true;
        if (c->mode == 0) { /* "writing the first byte disables counting" [8254 mode 0] */
            c->running = c->loaded = false;
            c->held_ticks = 0;
        }
        return;
    }
    c->second_write = false;
    counter_load(c, (u16)(v << 8 | c->write_low), now);
}

static u8 counter_read(struct pit_counter *c, u64 now)
{
    counter_sync(c, now);
    if (c->status_latched) {
        c->status_latched = false;
        return c->status;
    }
    u16 v = counter_value(c, now);
    if (c->latch_bytes) {
        v = c->latch;
        c->latch_bytes--;
    }
    if (c->access == 1)
        return (u8)v;
    if (c->access == 2)
        return v >> 8;
    bool high = c->second_read;
    c->second_read = !high;
    return high ? v >> 8 : (u8)v;
}

static void counter_latch(struct pit_counter *c, u64 now)
{
    if (c->latch_bytes) /* "ignored until the latched count is read" [8254] */
        return;
    counter_sync(c, now);
    c->latch = counter_value(c, now);
    c->latch_bytes = c->access == 3 ? 2 - c->second_read : 1;
}

static void counter_set_mode(struct pit_counter *c, u8 control)
{
    c->access = control >> 4 & 3;
    c->mode = control >> 1 & 7;
    if (c->mode > 5) /* the high bit does not count for modes 2 and 3 */
        c->mode -= 4;
    c->bcd = control & 1;
    c->loaded = c->running = c->has_next = false;
    c->second_read = c->second_write = false;
    c->latch_bytes = 0;
    c->status_latched = false;
    c->held_ticks = 0;
}

static void counter_set_gate(struct pit_counter *c, bool gate, u64 now)
{
    bool rises = gate && !c->gate;
    if (gate == c->gate)
        return;
    counter_sync(c, now);
    if (c->loaded) {
        switch (c->mode) {
        case 0: /* the gate suspends counting */
        case 4:
            if (rises) {
                c->start_tick = now - MIN(now, c->held_ticks);
                c->running = true;
            } else {
                c->held_ticks = counter_elapsed(c, now);
                c->running = false;
            }
            break;
        case 1: /* a rising edge is the trigger */
        case 5:
            if (rises) {
                c->start_tick = now;
                c->running = true;
            }
            break;
        default: /* 2, 3: low stops, a rising edge starts over */
            c->running = rises;
            c->held_ticks = 0;
            c->start_tick = now;
            if (c->has_next)
                c->reload = c->next_reload;
            c->has_next = false;
            break;
        }
    }
    c->gate = gate;
}

static void pit_read_back(struct pit8254 *p, u8 v, u64 now)
{
    for (unsigned i = 0; i < 3; i++) {
        struct pit_counter *c = &p->counter[i];
        if (!(v >> (i + 1) & 1))
            continue;
        if (!(v & 0x20))
            counter_latch(c, now);
        if (!(v & 0x10) && !c->status_latched) {
            c->status_latched = true;
            c->status = (u8)(counter_out(c, now) << 7 | !c->loaded << 6 | c->access << 4 |
                             c->mode << 1 | c->bcd);
        }
    }
}

static void pit_control(struct pit8254 *p, u8 v, u64 now)
{
    unsigned i = v >> 6;
    if (i == 3)
        return pit_read_back(p, v, now);
    if (!(v & 0x30))
        return counter_latch(&p->counter[i], now);
    counter_set_mode(&p->counter[i], v);
    if (i == 0)
        pit_update(p, now);
}

static u8 port61_read(struct pit8254 *p, u64 now)
{
    bool refresh = clock_now_ns(p->clock) / REFRESH_HALF_NS & 1;
    struct pit_counter *c = &p->counter[2];
    counter_sync(c, now);
    return (u8)(p->port61 | refresh << 4 | counter_out(c, now) << 5);
}

static enum io_result pit_io(struct device *d, unsigned region, struct io_access *a)
{
    struct pit8254 *p = pit_of(d);
    u64 now = pit_now(p);
    u64 val = 0;
    for (unsigned i = 0; i < a->size; i++) {
        unsigned off = (unsigned)(a->off + i) & 3;
        u8 v = (u8)(a->val >> 8 * i);
        if (region == PIT_PORT61 && a->write) {
            p->port61 = v & 0xf;
            counter_set_gate(&p->counter[2], v & 1, now);
        } else if (region == PIT_PORT61) {
            val |= (u64)port61_read(p, now) << 8 * i;
        } else if (a->write && off == 3) {
            pit_control(p, v, now);
        } else if (a->write) {
            counter_write(&p->counter[off], v, now);
            if (off == 0)
                pit_update(p, now);
        } else if (off < 3) { /* the control word cannot be read */
            val |= (u64)counter_read(&p->counter[off], now) << 8 * i;
        }
    }
    if (!a->write)
        a->val = val;
    return IO_OK;
}

void pit8254_disable_irq(void *pit, bool disabled)
{
    struct pit8254 *p = pit;
    with_lock(&p->dev.lock);
    if (disabled)
        pit_set_irq(p, false);
    p->irq_disabled = disabled;
    if (!disabled)
        pit_set_irq(p, counter_out(&p->counter[0], pit_now(p)));
}

static void pit_reset(struct device *d, enum reset_kind kind)
{
    struct pit8254 *p = pit_of(d);
    (void)kind;
    /* The chip's state after power-up is undefined [8254]; a PC's firmware leaves counter 0 in
     * mode 3 with the longest period. It does not run here until it is programmed. */
    for (unsigned i = 0; i < 3; i++) {
        mem_fill(&p->counter[i], 0, sizeof p->counter[i]);
        p->counter[i].access = 3;
        p->counter[i].mode = 3;
        p->counter[i].gate = i != 2;
    }
    p->port61 = 0;
    p->next_rise = 0;
    p->irq_disabled = false;
    pit_set_irq(p, false);
}

static int pit_init(struct device *d, struct err *e)
{
    struct pit8254 *p = pit_of(d);
    if (!p->clock)
        return err_set(e, -EINVAL, "starting %s: no clock was given", d->id);
    vtimer_init(&p->timer, p->clock, pit_expired, p);
    pit_reset(d, RESET_COLD);
    return 0;
}

static void pit_fini(struct device *d)
{
    vtimer_cancel(&pit_of(d)->timer);
}

static int pit_post_load(struct device *d, struct err *e)
{
    struct pit8254 *p = pit_of(d);
    u64 now = pit_now(p);
    for (unsigned i = 0; i < 3; i++) {
        struct pit_counter *c = &p->counter[i];
        if (c->mode > 5 || !c->access || c->access > 3 || c->latch_bytes > 2 || c->start_tick > now)
            return err_set(e, -EINVAL, "loading %s: counter %u has an impossible state", d->id, i);
    }
    p->port61 &= 0xf;
    pit_schedule(p, now);
    return 0;
}

static const struct reg_desc pit_regs[] = {
    {"counter 0", PIT_COUNTERS, 0, 1, 0, 0, 0, "8254 read operations"},
    {"counter 1", PIT_COUNTERS, 1, 1, 0, 0, 0, "8254 read operations"},
    {"counter 2", PIT_COUNTERS, 2, 1, 0, 0, 0, "8254 read operations"},
    {"control word", PIT_COUNTERS, 3, 1, 0, 0, 0, "8254 control word format"},
    {"NMI_SC", PIT_PORT61, 0, 1, 0x20, 0x0f, 0, "ICH9 13.7.1"},
    {0},
};

#define COUNTER_STATE(i)                                                                           \
    STATE_FIELD(struct pit8254, counter[i].mode, STATE_U8),                                        \
        STATE_FIELD(struct pit8254, counter[i].access, STATE_U8),                                  \
        STATE_FIELD(struct pit8254, counter[i].bcd, STATE_BOOL),                                   \
        STATE_FIELD(struct pit8254, counter[i].gate, STATE_BOOL),                                  \
        STATE_FIELD(struct pit8254, counter[i].loaded, STATE_BOOL),                                \
        STATE_FIELD(struct pit8254, counter[i].running, STATE_BOOL),                               \
        STATE_FIELD(struct pit8254, counter[i].second_read, STATE_BOOL),                           \
        STATE_FIELD(struct pit8254, counter[i].second_write, STATE_BOOL),                          \
        STATE_FIELD(struct pit8254, counter[i].write_low, STATE_U8),                               \
        STATE_FIELD(struct pit8254, counter[i].reload, STATE_U16),                                 \
        STATE_FIELD(struct pit8254, counter[i].next_reload, STATE_U16),                            \
        STATE_FIELD(struct pit8254, counter[i].has_next, STATE_BOOL),                              \
        STATE_FIELD(struct pit8254, counter[i].start_tick, STATE_U64),                             \
        STATE_FIELD(struct pit8254, counter[i].held_ticks, STATE_U64),                             \
        STATE_FIELD(struct pit8254, counter[i].latch, STATE_U16),                                  \
        STATE_FIELD(struct pit8254, counter[i].latch_bytes, STATE_U8),                             \
        STATE_FIELD(struct pit8254, counter[i].status_latched, STATE_BOOL),                        \
        STATE_FIELD(struct pit8254, counter[i].status, STATE_U8)

static const struct state_desc pit_state[] = {
    COUNTER_STATE(0),
    COUNTER_STATE(1),
    COUNTER_STATE(2),
    STATE_FIELD(struct pit8254, port61, STATE_U8),
    STATE_FIELD(struct pit8254, irq_disabled, STATE_BOOL),
    STATE_FIELD(struct pit8254, next_rise, STATE_U64),
    STATE_FIELD(struct pit8254, timer, STATE_TIMER),
    STATE_END,
};

const struct device_type pit8254_type = {
    .name = "pit8254",
    .description = "8254 interval timer and port 61h",
    .size = sizeof(struct pit8254),
    .regs = pit_regs,
    .state = pit_state,
    .init = pit_init,
    .io = pit_io,
    .reset = pit_reset,
    .post_load = pit_post_load,
    .fini = pit_fini,
};
