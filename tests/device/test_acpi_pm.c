/* SPDX-License-Identifier: BSD-2-Clause */
/* ACPI fixed hardware: timer, events and SCI, sleep, general-purpose events. [ACPI6.4 4.8] */
#include "../unit/cmocka_all.h"
#include "device/timer/acpi_pm.h"
#include "fake.h"

static struct fake_clock clk;
static struct fake_lines lines;
static struct acpi_pm *pm;
static struct device *d;
static unsigned offs;

static void power_off(void *ctx)
{
    (void)ctx;
    offs++;
}

static int setup(void **state)
{
    (void)state;
    fake_clock_init(&clk);
    lines = (struct fake_lines){0};
    offs = 0;
    d = device_alloc(&acpi_pm_type, "pm");
    pm = container_of(d, struct acpi_pm, dev);
    pm->sci = fake_line(&lines, 9);
    pm->clock = &clk.clock;
    pm->power_off = power_off;
    fake_device_start(d);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    device_destroy(d);
    return 0;
}

static u64 rd(unsigned off, unsigned size)
{
    return fake_read(d, 0, off, size);
}

static void wr(unsigned off, unsigned size, u64 v)
{
    fake_write(d, 0, off, size, v);
}

static void resets(void **state)
{
    (void)state;
    fake_check_resets(d);
}

static void timer(void **state)
{
    (void)state;
    fake_clock_advance(&clk, 1000000000);
    assert_int_equal(rd(8, 4), 3579545);
    fake_clock_advance(&clk, (u64)2000 * 1000000000);
    assert_int_equal(rd(8, 4), (u32)((u64)2001 * 3579545));
    pm->timer_32 = false;
    assert_int_equal(rd(8, 4), ((u64)2001 * 3579545) & 0xffffff);
    wr(8, 4, 0);
    assert_int_not_equal(rd(8, 4), 0);
}

/* The top bit changes every 2^23 ticks (2.34 s). */
static void timer_overflow(void **state)
{
    (void)state;
    pm->timer_32 = false;
    wr(2, 2, 1);
    fake_clock_advance(&clk, 2343000000);
    assert_false(lines.level[9]);
    fake_clock_advance(&clk, 1000000);
    assert_true(lines.level[9]);
    assert_int_equal(rd(0, 2), 1);
    wr(0, 2, 1);
    assert_false(lines.level[9]);
    fake_clock_advance(&clk, 2345000000);
    assert_int_equal(lines.rises[9], 2);
}

static void power_button(void **state)
{
    (void)state;
    acpi_pm_press_power(pm);
    assert_int_equal(rd(0, 2), 0x100);
    assert_false(lines.level[9]);
    wr(2, 2, 0x100);
    assert_true(lines.level[9]);
    wr(0, 2, 0); /* writing zeros clears nothing */
    assert_int_equal(rd(0, 2), 0x100);
    wr(1, 1, 1); /* byte-wide */
    assert_int_equal(rd(0, 2), 0);
    assert_false(lines.level[9]);
    assert_int_equal(rd(0, 4), 0x01000000);
}

static void enable_mask(void **state)
{
    (void)state;
    wr(2, 2, 0xffff);
    assert_int_equal(rd(2, 2), 0x0721);
}

static void soft_off(void **state)
{
    (void)state;
    assert_int_equal(rd(4, 2), 1); /* SCI_EN: always in ACPI mode */
    wr(4, 2, ACPI_PM_SLP_S5 << 10);
    assert_int_equal(offs, 0);
    wr(4, 2, 5 << 10 | 1 << 13); /* another sleep state */
    assert_int_equal(offs, 0);
    wr(4, 2, ACPI_PM_SLP_S5 << 10 | 1 << 13);
    assert_int_equal(offs, 1);
    assert_int_equal(rd(4, 2), ACPI_PM_SLP_S5 << 10 | 1); /* SLP_EN reads as zero */
    wr(4, 2, 0);
    assert_int_equal(rd(4, 2), 1);
    wr(5, 1, (ACPI_PM_SLP_S5 << 10 | 1 << 13) >> 8);
    assert_int_equal(offs, 2);
}

static void general_purpose_events(void **state)
{
    (void)state;
    acpi_pm_set_gpe(pm, 2, true);
    acpi_pm_set_gpe(pm, 64, true);
    assert_int_equal(rd(0x20, 8), 4);
    wr(0x28, 1, 4);
    assert_true(lines.level[9]);
    wr(0x20, 1, 4); /* still active: set again at once */
    assert_true(lines.level[9]);
    acpi_pm_set_gpe(pm, 2, false);
    assert_true(lines.level[9]); /* the status stays */
    wr(0x20, 1, 4);
    assert_false(lines.level[9]);
    wr(0x28, 8, ~(u64)0);
    assert_int_equal(rd(0x2c, 4), 0xffffffff);
}

static void saves(void **state)
{
    (void)state;
    wr(2, 2, 0x101);
    acpi_pm_press_power(pm);
    fake_check_round_trip(d);
    assert_true(lines.level[9]);
    assert_int_equal(rd(0, 2), 0x100);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(resets),      T(timer),    T(timer_overflow),         T(power_button),
        T(enable_mask), T(soft_off), T(general_purpose_events), T(saves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
