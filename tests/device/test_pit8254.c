/* SPDX-License-Identifier: BSD-2-Clause */
/* 8254: modes, latching, read-back, BCD, gate of counter 2 through port 61h, IRQ 0. [8254] */
#include "../unit/cmocka_all.h"
#include "device/timer/pit8254.h"
#include "device/timer/ticks.h"
#include "fake.h"

static struct fake_clock clk;
static struct fake_lines lines;
static struct pit8254 *pit;
static struct device *d;

static int setup(void **state)
{
    (void)state;
    fake_clock_init(&clk);
    lines = (struct fake_lines){0};
    d = device_alloc(&pit8254_type, "pit");
    pit = container_of(d, struct pit8254, dev);
    pit->irq = fake_line(&lines, 0);
    pit->clock = &clk.clock;
    fake_device_start(d);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    device_destroy(d);
    return 0;
}

static void out(unsigned port, u8 v)
{
    fake_write(d, PIT_COUNTERS, port, 1, v);
}

static u8 in(unsigned port)
{
    return (u8)fake_read(d, PIT_COUNTERS, port, 1);
}

static u16 in_pair(unsigned port)
{
    u8 low = in(port);
    return (u16)(in(port) << 8 | low);
}

static void load(unsigned counter, u8 control, u16 count)
{
    out(3, (u8)(counter << 6 | control));
    out(counter, (u8)count);
    out(counter, count >> 8);
}

/* Moves to `ticks` after the start of the test's count, which begins at time 0. */
static void to_tick(u64 ticks)
{
    fake_clock_advance(&clk, ticks_to_ns(ticks, PIT_HZ) - clk.now_ns);
}

static bool out2(void)
{
    return fake_read(d, PIT_PORT61, 0, 1) & 0x20;
}

static void resets(void **state)
{
    (void)state;
    fake_check_resets(d);
    assert_int_equal(lines.rises[0], 0);
}

static void mode0_interrupts_once(void **state)
{
    (void)state;
    load(0, 0x30, 1000);
    assert_false(lines.level[0]);
    to_tick(400);
    assert_int_equal(in_pair(0), 600);
    to_tick(999);
    assert_false(lines.level[0]);
    to_tick(1000);
    assert_true(lines.level[0]);
    assert_int_equal(lines.rises[0], 1);
    to_tick(1001);
    assert_int_equal(in_pair(0), 0xffff); /* it counts on */
    to_tick(200000);
    assert_int_equal(lines.rises[0], 1);
}

static void mode0_first_byte_stops(void **state)
{
    (void)state;
    load(0, 0x30, 1000);
    to_tick(500);
    out(0, 0x10);
    to_tick(5000);
    assert_false(lines.level[0]);
    out(0, 0x00);
    to_tick(5015);
    assert_false(lines.level[0]);
    to_tick(5016);
    assert_true(lines.level[0]);
}

static void mode2_is_a_rate(void **state)
{
    (void)state;
    load(0, 0x34, 11932); /* 100 Hz */
    unsigned first = lines.rises[0];
    fake_clock_advance(&clk, 1000000000);
    assert_in_range(lines.rises[0] - first, 99, 100);
    fake_clock_advance(&clk, 9000000000);
    assert_in_range(lines.rises[0] - first, 999, 1000); /* no drift */
    load(1, 0x34, 100);
    u64 start = ticks_at(clk.now_ns, PIT_HZ);
    to_tick(start + 30);
    assert_int_equal(in_pair(1), 70);
    to_tick(start + 199);
    assert_int_equal(in_pair(1), 1);
    to_tick(start + 200);
    assert_int_equal(in_pair(1), 100);
}

/* A new count in mode 2 takes over at the end of the period. */
static void mode2_new_count(void **state)
{
    (void)state;
    load(1, 0x34, 1000);
    to_tick(100);
    out(1, 200);
    out(1, 0);
    assert_int_equal(in_pair(1), 900);
    to_tick(1050);
    assert_int_equal(in_pair(1), 150);
}

static void mode3_counts_by_two(void **state)
{
    (void)state;
    fake_write(d, PIT_PORT61, 0, 1, 1);
    load(2, 0x36, 1000);
    assert_true(out2());
    to_tick(100);
    assert_int_equal(in_pair(2), 800);
    to_tick(499);
    assert_true(out2());
    to_tick(500);
    assert_false(out2());
    assert_int_equal(in_pair(2), 1000);
    to_tick(1000);
    assert_true(out2());
    load(2, 0x36, 5); /* odd: high for 3, low for 2 */
    u64 start = ticks_at(clk.now_ns, PIT_HZ);
    to_tick(start + 2);
    assert_true(out2());
    to_tick(start + 3);
    assert_false(out2());
    to_tick(start + 5);
    assert_true(out2());
}

static void mode1_is_triggered_by_the_gate(void **state)
{
    (void)state;
    load(2, 0x32, 100);
    assert_true(out2());
    to_tick(50);
    assert_true(out2());
    fake_write(d, PIT_PORT61, 0, 1, 1);
    assert_false(out2());
    to_tick(149);
    assert_false(out2());
    fake_write(d, PIT_PORT61, 0, 1, 0);
    fake_write(d, PIT_PORT61, 0, 1, 1); /* retriggered */
    to_tick(248);
    assert_false(out2());
    to_tick(249);
    assert_true(out2());
}

static void mode4_and_5_strobe(void **state)
{
    (void)state;
    fake_write(d, PIT_PORT61, 0, 1, 1);
    load(2, 0x38, 50);
    to_tick(49);
    assert_true(out2());
    to_tick(50);
    assert_false(out2());
    to_tick(51);
    assert_true(out2());
    load(2, 0x3a, 50);
    to_tick(200);
    assert_true(out2());
    fake_write(d, PIT_PORT61, 0, 1, 0);
    fake_write(d, PIT_PORT61, 0, 1, 1);
    to_tick(250);
    assert_false(out2());
    to_tick(251);
    assert_true(out2());
}

/* The calibration loop of Linux: gate closed, mode 0 loaded, gate opened, OUT watched. */
static void gate_suspends_mode0(void **state)
{
    (void)state;
    load(2, 0x30, 100);
    to_tick(1000);
    assert_false(out2());
    fake_write(d, PIT_PORT61, 0, 1, 1);
    to_tick(1060);
    fake_write(d, PIT_PORT61, 0, 1, 0);
    to_tick(2000);
    assert_int_equal(in_pair(2), 40);
    fake_write(d, PIT_PORT61, 0, 1, 1);
    to_tick(2039);
    assert_false(out2());
    to_tick(2040);
    assert_true(out2());
}

static void latch_holds(void **state)
{
    (void)state;
    load(1, 0x34, 1000);
    to_tick(10);
    out(3, 0x40);
    to_tick(500);
    out(3, 0x40); /* ignored: the first is not read yet */
    assert_int_equal(in_pair(1), 990);
    assert_int_equal(in_pair(1), 500);
}

static void read_back(void **state)
{
    (void)state;
    load(1, 0x34, 1000);
    to_tick(10);
    out(3, 0xc4); /* count and status of counter 1 */
    to_tick(20);
    assert_int_equal(in(1), 0xb4); /* OUT high, loaded, both bytes, mode 2 */
    assert_int_equal(in_pair(1), 990);
    out(3, 0xe2); /* status of counter 0 alone: nothing loaded since reset */
    assert_int_equal(in(0) & 0x7f, 0x76);
    out(3, 0xb0);
    out(3, 0xe8);
    assert_int_equal(in(2), 0x70); /* mode 0: OUT low, null count */
}

static void byte_access(void **state)
{
    (void)state;
    out(3, 0x54); /* counter 1, low byte only, mode 2 */
    out(1, 200);
    to_tick(50);
    assert_int_equal(in(1), 150);
    assert_int_equal(in(1), 150);
    out(3, 0x64); /* high byte only */
    out(1, 2);
    assert_int_equal(in(1), 2);
}

static void bcd(void **state)
{
    (void)state;
    load(1, 0x35, 0x1000);
    to_tick(1);
    assert_int_equal(in_pair(1), 0x0999);
    load(1, 0x35, 0); /* 10000 */
    u64 start = ticks_at(clk.now_ns, PIT_HZ);
    to_tick(start + 1);
    assert_int_equal(in_pair(1), 0x9999);
}

static void port61(void **state)
{
    (void)state;
    fake_write(d, PIT_PORT61, 0, 1, 0xff);
    assert_int_equal(fake_read(d, PIT_PORT61, 0, 1) & 0xcf, 0x0f);
    unsigned toggles = 0;
    u64 last = fake_read(d, PIT_PORT61, 0, 1) & 0x10;
    for (unsigned i = 0; i < 1000; i++) {
        fake_clock_advance(&clk, 1000);
        u64 now = fake_read(d, PIT_PORT61, 0, 1) & 0x10;
        toggles += now != last;
        last = now;
    }
    assert_in_range(toggles, 66, 67); /* every 15.085 us */
}

static void hpet_takes_the_line(void **state)
{
    (void)state;
    load(0, 0x34, 1193);
    fake_clock_advance(&clk, 10000000);
    pit8254_disable_irq(pit, true);
    unsigned rises = lines.rises[0];
    assert_false(lines.level[0]);
    fake_clock_advance(&clk, 10000000);
    assert_int_equal(lines.rises[0], rises);
    pit8254_disable_irq(pit, false);
    fake_clock_advance(&clk, 10000000);
    assert_true(lines.rises[0] > rises + 5);
}

/* The shortest period does not flood the host: one wake-up in 50 us at most. */
static void short_period(void **state)
{
    (void)state;
    load(0, 0x34, 2);
    unsigned first = lines.rises[0];
    fake_clock_advance(&clk, 10000000);
    assert_in_range(lines.rises[0] - first, 150, 200);
}

static void saves(void **state)
{
    (void)state;
    load(0, 0x34, 1193);
    fake_clock_advance(&clk, 500000);
    fake_check_round_trip(d);
    unsigned rises = lines.rises[0];
    fake_clock_advance(&clk, 1000000);
    assert_in_range(lines.rises[0], rises + 1, rises + 2);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(resets),
        T(mode0_interrupts_once),
        T(mode0_first_byte_stops),
        T(mode2_is_a_rate),
        T(mode2_new_count),
        T(mode3_counts_by_two),
        T(mode1_is_triggered_by_the_gate),
        T(mode4_and_5_strobe),
        T(gate_suspends_mode0),
        T(latch_holds),
        T(read_back),
        T(byte_access),
        T(bcd),
        T(port61),
        T(hpet_takes_the_line),
        T(short_period),
        T(saves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
