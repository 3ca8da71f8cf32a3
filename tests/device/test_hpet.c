/* SPDX-License-Identifier: BSD-2-Clause */
/* HPET: counter, one-shot and periodic comparators, routes, legacy replacement, messages. [HPET] */
#include "../unit/cmocka_all.h"
#include "device/timer/hpet.h"
#include "fake.h"

static struct fake_clock clk;
static struct fake_lines lines, legacy;
static struct fake_msi msi;
static struct hpet *hpet;
static struct device *d;
static int legacy_on;

static void legacy_changed(void *ctx, bool on)
{
    (void)ctx;
    legacy_on = on;
}

static int setup(void **state)
{
    (void)state;
    fake_clock_init(&clk);
    lines = legacy = (struct fake_lines){0};
    msi = (struct fake_msi){0};
    legacy_on = -1;
    d = device_alloc(&hpet_type, "hpet");
    hpet = container_of(d, struct hpet, dev);
    for (unsigned i = 16; i < HPET_ROUTES; i++)
        hpet->route[i] = fake_line(&lines, i);
    hpet->legacy[0] = fake_line(&legacy, 0);
    hpet->legacy[1] = fake_line(&legacy, 8);
    hpet->legacy_changed = legacy_changed;
    hpet->msi = fake_msi_sink(&msi);
    hpet->clock = &clk.clock;
    fake_device_start(d);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    device_destroy(d);
    return 0;
}

static u64 rd(unsigned off)
{
    return fake_read(d, 0, off, 8);
}

static void wr(unsigned off, u64 v)
{
    fake_write(d, 0, off, 8, v);
}
enum {
    CONF = 0x10,
    STATUS = 0x20,
    COUNTER = 0xf0,
    T0 = 0x100,
    CMP0 = 0x108,
    T1 = 0x120,
    CMP1 = 0x128,
    FSB1 = 0x130,
    T2 = 0x140,
    CMP2 = 0x148
};

static void registers(void **state)
{
    (void)state;
    fake_check_resets(d);
    assert_int_equal(fake_read(d, 0, 4, 4), 10000000); /* femtoseconds */
    assert_int_equal(hpet_hardware_id(), 0x8086a201);
    wr(T0, ~(u64)0);
    assert_int_equal(rd(T0), (u64)0xff0000 << 32 | 0xff7e);
    wr(T1, ~(u64)0);
    assert_int_equal(rd(T1) & 0xffff, 0xff66); /* no periodic mode */
    assert_int_equal(rd(0x160), 0);
    assert_int_equal(fake_read(d, 0, 1, 1), 0xa2);
    fake_write(d, 0, CONF, 1, 1); /* narrow writes vanish */
    assert_int_equal(rd(CONF), 0);
}

static void counter(void **state)
{
    (void)state;
    wr(COUNTER, 1000);
    fake_clock_advance(&clk, 5000);
    assert_int_equal(rd(COUNTER), 1000);
    wr(CONF, 1);
    fake_clock_advance(&clk, 5000);
    assert_int_equal(rd(COUNTER), 1500);
    wr(COUNTER, 7); /* running: ignored */
    assert_int_equal(rd(COUNTER), 1500);
    wr(CONF, 0);
    fake_clock_advance(&clk, 5000);
    assert_int_equal(rd(COUNTER), 1500);
    fake_write(d, 0, COUNTER + 4, 4, 1);
    assert_int_equal(rd(COUNTER), (u64)1 << 32 | 1500);
    assert_int_equal(fake_read(d, 0, COUNTER + 4, 4), 1);
}

static void one_shot_edge(void **state)
{
    (void)state;
    wr(T2, 20 << 9 | 4);
    wr(CMP2, 1000);
    wr(CONF, 1);
    fake_clock_advance(&clk, 9999);
    assert_int_equal(lines.rises[20], 0);
    fake_clock_advance(&clk, 1);
    assert_int_equal(lines.rises[20], 1);
    assert_false(lines.level[20]);
    fake_clock_advance(&clk, 1000000000);
    assert_int_equal(lines.rises[20], 1);
    assert_int_equal(rd(STATUS), 0);
    wr(CMP2, rd(COUNTER) + 10);
    fake_clock_advance(&clk, 100);
    assert_int_equal(lines.rises[20], 2);
    wr(CMP2, rd(COUNTER) - 1); /* too late: not before the counter wraps */
    fake_clock_advance(&clk, (u64)100 * 1000000000);
    assert_int_equal(lines.rises[20], 2);
}

static void moved_comparator(void **state)
{
    (void)state;
    wr(T2, 20 << 9 | 4);
    wr(CMP2, 1000);
    wr(CONF, 1);
    fake_clock_advance(&clk, 5000);
    wr(CMP2, 2000);
    fake_clock_advance(&clk, 14999);
    assert_int_equal(lines.rises[20], 0);
    fake_clock_advance(&clk, 1);
    assert_int_equal(lines.rises[20], 1);
    wr(CMP2, 3000);
    wr(CMP2, ~(u64)0);
    fake_clock_advance(&clk, 1000000);
    assert_int_equal(lines.rises[20], 1);
}

static void level_with_status(void **state)
{
    (void)state;
    wr(T2, 21 << 9 | 4 | 2);
    wr(CMP2, 10);
    wr(CONF, 1);
    fake_clock_advance(&clk, 1000);
    assert_true(lines.level[21]);
    assert_int_equal(rd(STATUS), 4);
    wr(STATUS, 3);
    assert_true(lines.level[21]);
    wr(STATUS, 4);
    assert_false(lines.level[21]);
    assert_int_equal(rd(STATUS), 0);
}

/* As Linux sets it: comparator after VAL_SET, then the period. */
static void periodic(void **state)
{
    (void)state;
    wr(CONF, 1);
    wr(T0, 20 << 9 | 4 | 8 | 0x40);
    wr(CMP0, 100000);
    wr(CMP0, 100000);
    fake_clock_advance(&clk, 10000000);
    assert_int_equal(lines.rises[20], 10);
    assert_int_equal(rd(CMP0), 1100000);
    fake_clock_advance(&clk, 990000000);
    assert_int_equal(lines.rises[20], 1000);
}

static void short_period(void **state)
{
    (void)state;
    wr(CONF, 1);
    wr(T0, 20 << 9 | 4 | 8 | 0x40);
    wr(CMP0, 1);
    fake_clock_advance(&clk, 10000000);
    assert_in_range(lines.rises[20], 150, 201);
    assert_true(rd(CMP0) > rd(COUNTER));
}

static void wraps_at_32_bits(void **state)
{
    (void)state;
    wr(COUNTER, 0xffffff00);
    wr(T2, 20 << 9 | 4 | 0x100);
    wr(CMP2, 0x100);
    wr(CONF, 1);
    fake_clock_advance(&clk, 0x1ff * 10);
    assert_int_equal(lines.rises[20], 0);
    fake_clock_advance(&clk, 10);
    assert_int_equal(lines.rises[20], 1);
    fake_clock_advance(&clk, ((u64)1 << 32) * 10);
    assert_int_equal(lines.rises[20], 2);
}

static void legacy_routes(void **state)
{
    (void)state;
    wr(T0, 4 | 20 << 9);
    wr(T1, 4 | 21 << 9);
    wr(CMP0, 100);
    wr(CMP1, 200);
    wr(CONF, 3);
    assert_int_equal(legacy_on, 1);
    fake_clock_advance(&clk, 1000);
    assert_int_equal(legacy.rises[0], 1);
    assert_int_equal(legacy.rises[8], 0);
    fake_clock_advance(&clk, 1000);
    assert_int_equal(legacy.rises[8], 1);
    assert_int_equal(lines.rises[20] + lines.rises[21], 0);
    device_reset(d, RESET_WARM);
    assert_int_equal(legacy_on, 0);
}

static void messages(void **state)
{
    (void)state;
    wr(T1, 1 << 14 | 4);
    wr(FSB1, (u64)0xfee01000 << 32 | 0x45);
    wr(CMP1, 100);
    wr(CONF, 1);
    fake_clock_advance(&clk, 1000);
    assert_int_equal(msi.count, 1);
    assert_int_equal(msi.addr, 0xfee01000);
    assert_int_equal(msi.data, 0x45);
}

static void disabled_is_silent(void **state)
{
    (void)state;
    wr(T2, 20 << 9);
    wr(CMP2, 100);
    wr(CONF, 1);
    fake_clock_advance(&clk, 1000000);
    assert_int_equal(lines.rises[20], 0);
}

static void saves(void **state)
{
    (void)state;
    wr(CONF, 1);
    wr(T0, 20 << 9 | 4 | 8 | 0x40);
    wr(CMP0, 100000);
    wr(CMP0, 100000);
    fake_clock_advance(&clk, 1500000);
    fake_check_round_trip(d);
    fake_clock_advance(&clk, 1000000);
    assert_int_equal(lines.rises[20], 2);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(registers),         T(counter),  T(one_shot_edge),      T(moved_comparator),
        T(level_with_status), T(periodic), T(short_period),       T(wraps_at_32_bits),
        T(legacy_routes),     T(messages), T(disabled_is_silent), T(saves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
