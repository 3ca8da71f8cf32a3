/* SPDX-License-Identifier: BSD-2-Clause */
/* MC146818 after the Motorola data sheet [MC146818]; the second bank and the fixed rate of the
 * oscillator after [ICH9 13.6]; the century byte where the FADT says it is. */
#include "device/timer/rtc_cmos.h"

#include "base/bits.h"
#include "device/timer/calendar.h"
#include "device/timer/ticks.h"

#include <errno.h>

enum {
    SECOND,
    SECOND_ALARM,
    MINUTE,
    MINUTE_ALARM,
    HOUR,
    HOUR_ALARM,
    WEEKDAY,
    DAY,
    MONTH,
    YEAR,
    REG_A,
    REG_B,
    REG_C,
    REG_D,
};
enum { A_RATE = 0x0f, A_DIVIDER = 0x70, A_UIP = 0x80 };
enum {
    B_24H = 0x02,
    B_BINARY = 0x04,
    B_UIE = 0x10,
    B_AIE = 0x20,
    B_PIE = 0x40,
    B_SET = 0x80,
};
enum { C_UF = 0x10, C_AF = 0x20, C_PF = 0x40, C_IRQF = 0x80, C_FLAGS = 0x70 };
enum { D_VALID = 0x80, ALARM_ANY = 0xc0, HOUR_PM = 0x80 };
enum { UIP_NS = 244000 }; /* UIP rises this long before the update [MC146818 table 6] */

static struct rtc_cmos *rtc_of(struct device *d)
{
    return container_of(d, struct rtc_cmos, dev);
}

/* SET, or the divider chain held in reset, stops the time [MC146818 "divider control"]. */
static bool rtc_stopped(const struct rtc_cmos *r)
{
    return (r->ram[REG_B] & B_SET) || (r->ram[REG_A] & A_DIVIDER) >= 0x60;
}

static i64 rtc_second(const struct rtc_cmos *r)
{
    return (i64)(clock_wall_ns(r->clock) / NS_PER_SECOND) + r->offset_seconds;
}

static u8 rtc_encode(const struct rtc_cmos *r, unsigned v)
{
    return (u8)(r->ram[REG_B] & B_BINARY ? v : v / 10 << 4 | v % 10);
}

static u8 rtc_decode(const struct rtc_cmos *r, u8 v)
{
    return r->ram[REG_B] & B_BINARY ? v : (u8)((v >> 4) * 10 + (v & 15));
}

static u8 encode_hour(const struct rtc_cmos *r, unsigned h)
{
    if (r->ram[REG_B] & B_24H)
        return rtc_encode(r, h);
    return rtc_encode(r, h % 12 ? h % 12 : 12) | (h >= 12 ? HOUR_PM : 0);
}

static u8 decode_hour(const struct rtc_cmos *r, u8 v)
{
    if (r->ram[REG_B] & B_24H)
        return rtc_decode(r, v);
    return rtc_decode(r, v & ~HOUR_PM) % 12 + (v & HOUR_PM ? 12 : 0);
}

/* Puts the running time into the registers. */
static void rtc_store_time(struct rtc_cmos *r)
{
    struct calendar c = calendar_from_seconds(rtc_second(r));
    r->ram[SECOND] = rtc_encode(r, c.second);
    r->ram[MINUTE] = rtc_encode(r, c.minute);
    r->ram[HOUR] = encode_hour(r, c.hour);
    r->ram[WEEKDAY] = rtc_encode(r, c.weekday);
    r->ram[DAY] = rtc_encode(r, c.day);
    r->ram[MONTH] = rtc_encode(r, c.month);
    r->ram[YEAR] = rtc_encode(r, (unsigned)c.year % 100);
    r->ram[CMOS_CENTURY] = rtc_encode(r, (unsigned)c.year / 100 % 100);
}

/* Makes the registers the running time. */
static void rtc_load_time(struct rtc_cmos *r)
{
    struct calendar c = {
        .year = rtc_decode(r, r->ram[YEAR]) + 100 * rtc_decode(r, r->ram[CMOS_CENTURY]),
        .month = rtc_decode(r, r->ram[MONTH]),
        .day = rtc_decode(r, r->ram[DAY]),
        .hour = decode_hour(r, r->ram[HOUR]),
        .minute = rtc_decode(r, r->ram[MINUTE]),
        .second = rtc_decode(r, r->ram[SECOND]),
    };
    i64 wall = (i64)(clock_wall_ns(r->clock) / NS_PER_SECOND);
    r->offset_seconds = calendar_to_seconds(&c) - wall;
    r->checked_second = rtc_second(r);
}

/* Values from C0h up match anything [MC146818 "time, calendar and alarm locations"]. */
static bool alarm_matches(const struct rtc_cmos *r, i64 second)
{
    struct calendar c = calendar_from_seconds(second);
    const u8 *ram = r->ram;
    return (ram[SECOND_ALARM] >= ALARM_ANY || rtc_decode(r, ram[SECOND_ALARM]) == c.second) &&
           (ram[MINUTE_ALARM] >= ALARM_ANY || rtc_decode(r, ram[MINUTE_ALARM]) == c.minute) &&
           (ram[HOUR_ALARM] >= ALARM_ANY || decode_hour(r, ram[HOUR_ALARM]) == c.hour);
}

static u64 periodic_ns(const struct rtc_cmos *r)
{
    unsigned rate = r->ram[REG_A] & A_RATE;
    if (!rate)
        return 0;
    if (rate <= 2) /* 3.9 and 7.8 ms with the 32768 Hz time base */
        rate += 7;
    return ticks_to_ns((u64)1 << (rate - 1), 32768);
}

/* Sets the flags of everything that happened since the last look. */
static void rtc_catch_up(struct rtc_cmos *r)
{
    u64 now = clock_now_ns(r->clock);
    u64 period = periodic_ns(r);
    if (!period) {
        r->periodic_next_ns = 0;
    } else if (!r->periodic_next_ns) {
        r->periodic_next_ns = now + period;
    } else if (now >= r->periodic_next_ns) {
        r->ram[REG_C] |= C_PF;
        r->periodic_next_ns += ((now - r->periodic_next_ns) / period + 1) * period;
    }
    if (rtc_stopped(r))
        return;
    i64 second = rtc_second(r);
    if (second > r->checked_second)
        r->ram[REG_C] |= C_UF;
    /* The alarm repeats daily: a longer gap shows nothing new. */
    i64 from = MAX(r->checked_second, second - 86400);
    for (i64 s = from + 1; s <= second && !(r->ram[REG_C] & C_AF); s++)
        if (alarm_matches(r, s))
            r->ram[REG_C] |= C_AF;
    r->checked_second = second;
}

/* The line follows IRQF; the timer wakes only for what is enabled. */
static void rtc_update(struct rtc_cmos *r)
{
    u8 b = r->ram[REG_B];
    bool irq = r->ram[REG_C] & b & C_FLAGS;
    r->ram[REG_C] = (u8)((r->ram[REG_C] & C_FLAGS) | (irq ? C_IRQF : 0));
    irq_set(&r->irq, irq && !r->irq_disabled);

    u64 now = clock_now_ns(r->clock), wake = UINT64_MAX;
    if ((b & (B_UIE | B_AIE)) && !rtc_stopped(r))
        wake = now + NS_PER_SECOND - clock_wall_ns(r->clock) % NS_PER_SECOND;
    if ((b & B_PIE) && r->periodic_next_ns)
        wake = MIN(wake, MAX(r->periodic_next_ns, now + TIMER_MIN_WAKE_NS));
    if (wake != UINT64_MAX)
        vtimer_arm(&r->timer, wake);
}

static void rtc_expired(void *ctx)
{
    struct rtc_cmos *r = ctx;
    with_lock(&r->dev.lock);
    rtc_catch_up(r);
    rtc_update(r);
}

static void rtc_write_time(struct rtc_cmos *r, unsigned i, u8 v)
{
    if (rtc_stopped(r)) {
        r->ram[i] = v;
        return;
    }
    rtc_store_time(r);
    r->ram[i] = v;
    if (i != WEEKDAY) /* the day of the week follows from the date */
        rtc_load_time(r);
}

/* Registers A and B: stopping keeps the time in the registers, starting takes it from there. */
static void rtc_write_control(struct rtc_cmos *r, unsigned i, u8 v)
{
    bool was_stopped = rtc_stopped(r);
    if (!was_stopped)
        rtc_store_time(r);
    if (i == REG_B && (v & B_SET))
        v &= ~B_UIE; /* "SET ... clears UIE" [MC146818 register B] */
    r->ram[i] = i == REG_A ? v & ~A_UIP : v;
    if (was_stopped && !rtc_stopped(r))
        rtc_load_time(r);
    if (i == REG_A)
        r->periodic_next_ns = 0;
    rtc_catch_up(r);
}

static void rtc_write(struct rtc_cmos *r, unsigned i, u8 v)
{
    rtc_catch_up(r);
    switch (i) {
    case SECOND:
    case MINUTE:
    case HOUR:
    case WEEKDAY:
    case DAY:
    case MONTH:
    case YEAR:
    case CMOS_CENTURY: rtc_write_time(r, i, v); break;
    case REG_A:
    case REG_B: rtc_write_control(r, i, v); break;
    case REG_C:
    case REG_D: break; /* read-only */
    default: r->ram[i] = v; break;
    }
    rtc_update(r);
}

static u8 rtc_read(struct rtc_cmos *r, unsigned i)
{
    rtc_catch_up(r);
    u8 v = r->ram[i];
    switch (i) {
    case SECOND:
    case MINUTE:
    case HOUR:
    case WEEKDAY:
    case DAY:
    case MONTH:
    case YEAR:
    case CMOS_CENTURY:
        if (!rtc_stopped(r))
            rtc_store_time(r);
        return r->ram[i];
    case REG_A:
        if (!rtc_stopped(r) && clock_wall_ns(r->clock) % NS_PER_SECOND >= NS_PER_SECOND - UIP_NS)
            v |= A_UIP;
        return v;
    case REG_C: /* reading clears the flags and the line */
        rtc_update(r);
        v = r->ram[REG_C];
        r->ram[REG_C] = 0;
        rtc_update(r);
        return v;
    case REG_D: return D_VALID;
    default: return v;
    }
}

static enum io_result rtc_io(struct device *d, unsigned region, struct io_access *a)
{
    struct rtc_cmos *r = rtc_of(d);
    (void)region;
    u64 val = 0;
    for (unsigned i = 0; i < a->size; i++) {
        unsigned port = (unsigned)(a->off + i) & 3;
        u8 v = (u8)(a->val >> 8 * i);
        u8 *index = port < 2 ? &r->index : &r->index_high;
        unsigned at = *index + (port < 2 ? 0 : CMOS_BANK);
        if (!(port & 1) && a->write)
            *index = v & 0x7f; /* bit 7 of port 70h masks NMIs, of which this machine has none */
        else if (!(port & 1))
            val |= (u64)*index << 8 * i;
        else if (a->write)
            rtc_write(r, at, v);
        else
            val |= (u64)rtc_read(r, at) << 8 * i;
    }
    if (!a->write)
        a->val = val;
    return IO_OK;
}

void rtc_cmos_set(struct rtc_cmos *r, u8 index, u8 value)
{
    with_lock(&r->dev.lock);
    if (index > REG_D)
        r->ram[index] = value;
}

void rtc_cmos_disable_irq(void *rtc, bool disabled)
{
    struct rtc_cmos *r = rtc;
    with_lock(&r->dev.lock);
    r->irq_disabled = disabled;
    rtc_update(r);
}

static void rtc_reset(struct device *d, enum reset_kind kind)
{
    struct rtc_cmos *r = rtc_of(d);
    (void)kind;
    /* "RESET does not affect the clock, calendar, or RAM": interrupt enables and flags go
     * [MC146818 "reset"]. A clock left stopped goes on, as after firmware's own set-up. */
    if (rtc_stopped(r))
        rtc_load_time(r);
    r->ram[REG_A] = 0x26;
    r->ram[REG_B] &= ~(B_PIE | B_AIE | B_UIE | B_SET | 0x08);
    r->ram[REG_C] = 0;
    r->index = r->index_high = 0;
    r->periodic_next_ns = 0;
    r->irq_disabled = false;
    r->checked_second = rtc_second(r);
    rtc_catch_up(r);
    rtc_update(r);
}

static int rtc_init(struct device *d, struct err *e)
{
    struct rtc_cmos *r = rtc_of(d);
    if (!r->clock)
        return err_set(e, -EINVAL, "starting %s: no clock was given", d->id);
    vtimer_init(&r->timer, r->clock, rtc_expired, r);
    r->ram[REG_A] = 0x26;
    r->ram[REG_B] = B_24H;
    rtc_reset(d, RESET_COLD);
    return 0;
}

static void rtc_fini(struct device *d)
{
    vtimer_cancel(&rtc_of(d)->timer);
}

static int rtc_post_load(struct device *d, struct err *e)
{
    struct rtc_cmos *r = rtc_of(d);
    const i64 limit = (i64)1 << 40; /* some 35,000 years either way */
    if (r->offset_seconds > limit || r->offset_seconds < -limit) {
        r->offset_seconds = 0; /* the reset that follows keeps the time */
        return err_set(e, -EINVAL, "loading %s: the time is out of range", d->id);
    }
    r->index &= 0x7f;
    r->index_high &= 0x7f;
    r->checked_second = rtc_second(r);
    r->periodic_next_ns = 0;
    rtc_catch_up(r);
    rtc_update(r);
    return 0;
}

static const struct reg_desc rtc_regs[] = {
    {"index", 0, 0, 1, 0, 0x7f, 0, "ICH9 13.6.1"},
    {"data", 0, 1, 1, 0, 0, 0, "ICH9 13.6.1"},
    {"extended index", 0, 2, 1, 0, 0x7f, 0, "ICH9 13.6.1"},
    {"extended data", 0, 3, 1, 0, 0xff, 0, "ICH9 13.6.1"},
    {0},
};

static const struct state_desc rtc_state[] = {
    STATE_FIELD(struct rtc_cmos, index, STATE_U8),
    STATE_FIELD(struct rtc_cmos, index_high, STATE_U8),
    STATE_ARRAY(struct rtc_cmos, ram, STATE_BYTES),
    STATE_FIELD(struct rtc_cmos, offset_seconds, STATE_U64),
    STATE_FIELD(struct rtc_cmos, irq_disabled, STATE_BOOL),
    STATE_END,
};

const struct device_type rtc_cmos_type = {
    .name = "rtc_cmos",
    .description = "MC146818 real-time clock and CMOS memory",
    .size = sizeof(struct rtc_cmos),
    .regs = rtc_regs,
    .state = rtc_state,
    .init = rtc_init,
    .io = rtc_io,
    .reset = rtc_reset,
    .post_load = rtc_post_load,
    .fini = rtc_fini,
};
