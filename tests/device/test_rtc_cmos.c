/* SPDX-License-Identifier: BSD-2-Clause */
/* MC146818: time in all formats, setting it, update and alarm and periodic interrupts, memory; and
 * the calendar it uses. [MC146818] */
#include "../unit/cmocka_all.h"
#include "device/timer/calendar.h"
#include "device/timer/rtc_cmos.h"
#include "fake.h"

static struct fake_clock clk;
static struct fake_lines lines;
static struct rtc_cmos *rtc;
static struct device *d;

enum { A = 10, B, C, D };

static u8 rd(u8 index)
{
    fake_write(d, 0, 0, 1, index);
    return (u8)fake_read(d, 0, 1, 1);
}

static void wr(u8 index, u8 v)
{
    fake_write(d, 0, 0, 1, index);
    fake_write(d, 0, 1, 1, v);
}

static int setup(void **state)
{
    (void)state;
    fake_clock_init(&clk);
    clk.wall_ns = (u64)951782399 * 1000000000; /* Monday 2000-02-28 23:59:59 */
    lines = (struct fake_lines){0};
    d = device_alloc(&rtc_cmos_type, "rtc");
    rtc = container_of(d, struct rtc_cmos, dev);
    rtc->irq = fake_line(&lines, 8);
    rtc->clock = &clk.clock;
    fake_device_start(d);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    device_destroy(d);
    return 0;
}

static void calendar(void **state)
{
    (void)state;
    static const struct {
        i64 seconds;
        struct calendar c;
    } rows[] = {
        {0, {1970, 1, 1, 0, 0, 0, 5}},
        {951782400, {2000, 2, 29, 0, 0, 0, 3}},
        {1709251199, {2024, 2, 29, 23, 59, 59, 5}},
        {4107542399, {2100, 2, 28, 23, 59, 59, 1}},
        {4107542400, {2100, 3, 1, 0, 0, 0, 2}},
        {1893456000, {2030, 1, 1, 0, 0, 0, 3}},
    };
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct calendar c = calendar_from_seconds(rows[i].seconds);
        assert_int_equal(c.year, rows[i].c.year);
        assert_int_equal(c.month, rows[i].c.month);
        assert_int_equal(c.day, rows[i].c.day);
        assert_int_equal(c.hour, rows[i].c.hour);
        assert_int_equal(c.minute, rows[i].c.minute);
        assert_int_equal(c.second, rows[i].c.second);
        assert_int_equal(c.weekday, rows[i].c.weekday);
        assert_int_equal(calendar_to_seconds(&rows[i].c), rows[i].seconds);
    }
    for (i64 day = 0; day < 200000; day++) { /* each day follows the one before */
        struct calendar c = calendar_from_seconds(day * 86400);
        assert_int_equal(calendar_to_seconds(&c), day * 86400);
    }
}

static void bcd_24(void **state)
{
    (void)state;
    assert_int_equal(rd(0), 0x59);
    assert_int_equal(rd(2), 0x59);
    assert_int_equal(rd(4), 0x23);
    assert_int_equal(rd(6), 2); /* Monday */
    assert_int_equal(rd(7), 0x28);
    assert_int_equal(rd(8), 0x02);
    assert_int_equal(rd(9), 0x00);
    assert_int_equal(rd(0x32), 0x20);
    fake_clock_advance(&clk, 1000000000);
    assert_int_equal(rd(0), 0x00);
    assert_int_equal(rd(7), 0x29); /* 2000 was a leap year */
    assert_int_equal(rd(D), 0x80);
}

static void binary_and_12_hours(void **state)
{
    (void)state;
    wr(B, 0x06);
    assert_int_equal(rd(4), 23);
    assert_int_equal(rd(0x32), 20);
    wr(B, 0x04);
    assert_int_equal(rd(4), 0x80 | 11);
    wr(B, 0x00);
    assert_int_equal(rd(4), 0x91);
    fake_clock_advance(&clk, 1000000000);
    assert_int_equal(rd(4), 0x12); /* midnight is 12 AM */
    fake_clock_advance(&clk, (u64)12 * 3600 * 1000000000);
    assert_int_equal(rd(4), 0x92);
}

static void set_time(void **state)
{
    (void)state;
    wr(B, 0x82);
    wr(0, 0x30);
    wr(2, 0x15);
    wr(4, 0x08);
    wr(7, 0x04);
    wr(8, 0x07);
    wr(9, 0x26);
    fake_clock_advance(&clk, 5000000000); /* stands still */
    assert_int_equal(rd(0), 0x30);
    wr(B, 0x02);
    fake_clock_advance(&clk, 2000000000);
    assert_int_equal(rd(0), 0x32);
    assert_int_equal(rd(4), 0x08);
    assert_int_equal(rd(6), 7); /* 4 July 2026 is a Saturday */
    wr(2, 0x59);                /* without SET too */
    assert_int_equal(rd(2), 0x59);
    assert_int_equal(rd(0), 0x32);
}

static void divider_stops(void **state)
{
    (void)state;
    wr(A, 0x76);
    fake_clock_advance(&clk, 3000000000);
    assert_int_equal(rd(0), 0x59);
    wr(A, 0x26);
    fake_clock_advance(&clk, 1000000000);
    assert_int_equal(rd(0), 0x00);
}

static void update_in_progress(void **state)
{
    (void)state;
    assert_int_equal(rd(A), 0x26);
    fake_clock_advance(&clk, 999755000);
    assert_int_equal(rd(A), 0x26);
    fake_clock_advance(&clk, 2000);
    assert_int_equal(rd(A), 0xa6);
    fake_clock_advance(&clk, 243000);
    assert_int_equal(rd(A), 0x26);
    wr(B, 0x82);
    fake_clock_advance(&clk, 999900000);
    assert_int_equal(rd(A), 0x26); /* no updates while SET */
}

static void update_interrupt(void **state)
{
    (void)state;
    fake_clock_advance(&clk, 300000000);
    wr(1, 0x30);
    (void)rd(C);
    wr(B, 0x12);
    fake_clock_advance(&clk, 699000000);
    assert_false(lines.level[8]);
    fake_clock_advance(&clk, 1000000);
    assert_true(lines.level[8]);
    assert_int_equal(rd(C) & 0xb0, 0x90);
    assert_false(lines.level[8]);
    assert_int_equal(rd(C), 0x00);
    fake_clock_advance(&clk, 1000000000);
    assert_int_equal(lines.rises[8], 2);
}

static void alarm_interrupt(void **state)
{
    (void)state;
    wr(1, 0x05);
    wr(3, 0x00);
    wr(5, 0xff); /* any hour */
    (void)rd(C);
    wr(B, 0x22);
    fake_clock_advance(&clk, 5999000000);
    assert_int_equal(lines.rises[8], 0);
    fake_clock_advance(&clk, 1000000);
    assert_int_equal(lines.rises[8], 1);
    assert_int_equal(rd(C) & 0xa0, 0xa0);
    fake_clock_advance(&clk, (u64)3600 * 1000000000);
    assert_int_equal(lines.rises[8], 2);
}

static void periodic_interrupt(void **state)
{
    (void)state;
    wr(A, 0x26); /* 1024 Hz */
    wr(B, 0x42);
    for (unsigned i = 0; i < 100; i++) {
        fake_clock_advance(&clk, 10000000);
        assert_int_equal(rd(C) & 0xc0, 0xc0);
    }
    assert_in_range(lines.rises[8], 99, 101);
    wr(A, 0x20);
    (void)rd(C);
    fake_clock_advance(&clk, 100000000);
    assert_int_equal(rd(C) & 0x40, 0);
}

/* Flags are set without their interrupts being enabled: polling works. */
static void flags_without_interrupts(void **state)
{
    (void)state;
    wr(1, 0x30);
    (void)rd(C);
    fake_clock_advance(&clk, 1500000000);
    assert_int_equal(rd(C), 0x50); /* an update and a period, no alarm */
    assert_int_equal(lines.rises[8], 0);
}

static void memory(void **state)
{
    (void)state;
    wr(0x0e, 0xaa);
    wr(0x7f, 0x55);
    assert_int_equal(rd(0x0e), 0xaa);
    assert_int_equal(rd(0x7f | 0x80), 0x55); /* bit 7 is the NMI mask */
    fake_write(d, 0, 2, 1, 0x7f);
    fake_write(d, 0, 3, 1, 0x77);
    assert_int_equal(fake_read(d, 0, 3, 1), 0x77);
    assert_int_equal(rd(0x7f), 0x55);
    rtc_cmos_set(rtc, 0x34, 0x12);
    assert_int_equal(rd(0x34), 0x12);
    rtc_cmos_set(rtc, 0, 0x12);
    assert_int_equal(rd(0), 0x59);
    device_reset(d, RESET_WARM); /* battery-backed */
    assert_int_equal(rd(0x0e), 0xaa);
    wr(C, 0xff);
    wr(D, 0);
    assert_int_equal(rd(D), 0x80);
}

static void hpet_takes_the_line(void **state)
{
    (void)state;
    wr(B, 0x12);
    fake_clock_advance(&clk, 1000000000);
    assert_true(lines.level[8]);
    rtc_cmos_disable_irq(rtc, true);
    assert_false(lines.level[8]);
    rtc_cmos_disable_irq(rtc, false);
    assert_true(lines.level[8]);
}

static void saves(void **state)
{
    (void)state;
    wr(4, 0x05);
    fake_check_round_trip(d);
    assert_int_equal(rd(4), 0x05);
    rtc->offset_seconds = INT64_MAX;
    static u8 image[4096];
    size_t n = device_save(d, image, sizeof image);
    rtc->offset_seconds = 0;
    assert_true(device_load(d, image, n, NULL) < 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(calendar),
        T(bcd_24),
        T(binary_and_12_hours),
        T(set_time),
        T(divider_stops),
        T(update_in_progress),
        T(update_interrupt),
        T(alarm_interrupt),
        T(periodic_interrupt),
        T(flags_without_interrupts),
        T(memory),
        T(hpet_takes_the_line),
        T(saves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
