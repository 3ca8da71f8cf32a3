/* SPDX-License-Identifier: BSD-2-Clause */
/* Keyboard controller: the probing sequences of drivers, reset lines, the keyboard's answers. */
#include "../unit/cmocka_all.h"
#include "device/misc/i8042.h"
#include "fake.h"

static struct fake_lines lines;
static struct device *d;
static unsigned resets_seen;

static void on_reset(void *ctx)
{
    (void)ctx;
    resets_seen++;
}

static int setup(void **state)
{
    (void)state;
    lines = (struct fake_lines){0};
    resets_seen = 0;
    d = device_alloc(&i8042_type, "i8042");
    struct i8042 *k = container_of(d, struct i8042, dev);
    k->irq = fake_line(&lines, 1);
    k->reset = on_reset;
    fake_device_start(d);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    device_destroy(d);
    return 0;
}

static void command(u8 v)
{
    fake_write(d, I8042_COMMAND, 0, 1, v);
}

static void data(u8 v)
{
    fake_write(d, I8042_DATA, 0, 1, v);
}

static u8 status(void)
{
    return (u8)fake_read(d, I8042_COMMAND, 0, 1);
}

/* The next byte, which must be there at once. */
static int get(void)
{
    return status() & 1 ? (int)fake_read(d, I8042_DATA, 0, 1) : -1;
}

static void controller_probe(void **state)
{
    (void)state;
    fake_check_resets(d);
    assert_int_equal(get(), -1);
    command(0xaa);
    assert_int_equal(get(), 0x55);
    command(0x20);
    int config = get();
    assert_true(config >= 0);
    command(0x60);
    data((u8)((config & ~0x10) | 0x01));
    command(0x20);
    assert_int_equal(get(), (config & ~0x10) | 0x01);
    command(0xab);
    assert_int_equal(get(), 0x00);
    command(0xd0);
    assert_int_equal(get() & 0x03, 0x03);
    command(0x65);
    data(0x5a);
    command(0x25);
    assert_int_equal(get(), 0x5a);
}

/* Linux's test for a second port: loop-back without the AUX bit, then a failing interface test. */
static void no_second_port(void **state)
{
    (void)state;
    command(0xd3);
    data(0x5a);
    assert_int_equal(status() & 0x21, 0x01);
    (void)get();
    command(0xa9);
    assert_int_equal(get(), 0x01);
    command(0x60);
    data(0x47);
    command(0xa8);
    command(0x20);
    assert_int_equal(get() & 0x20, 0x20);
}

static void keyboard_probe(void **state)
{
    (void)state;
    command(0x60);
    data(0x05); /* interrupt on, clock on, no translation */
    data(0xf2);
    assert_true(lines.level[1]);
    assert_int_equal(get(), 0xfa);
    assert_int_equal(get(), 0xab);
    assert_int_equal(get(), 0x83);
    assert_int_equal(get(), -1);
    assert_int_equal(lines.rises[1], 3); /* an edge for each byte */
    data(0xed);
    assert_int_equal(get(), 0xfa);
    data(0x00);
    assert_int_equal(get(), 0xfa);
    data(0xff);
    assert_int_equal(get(), 0xfa);
    assert_int_equal(get(), 0xaa);
    data(0xf0);
    assert_int_equal(get(), 0xfa);
    data(0x00);
    assert_int_equal(get(), 0xfa);
    assert_int_equal(get(), 0x02);
    data(0xee);
    assert_int_equal(get(), 0xee);
    data(0x01);
    assert_int_equal(get(), 0xfe);
    data(0xfe);
    assert_int_equal(get(), 0xfe);
}

static void disabled_keyboard_waits(void **state)
{
    (void)state;
    data(0xee);
    data(0xee);
    command(0xad);
    assert_int_equal(get(), 0xee);
    assert_int_equal(get(), -1);
    command(0xae);
    assert_int_equal(get(), 0xee);
}

static void reset_lines(void **state)
{
    (void)state;
    command(0xfe);
    assert_int_equal(resets_seen, 1);
    command(0xff); /* pulses nothing */
    assert_int_equal(resets_seen, 1);
    command(0xd1);
    data(0xdf);
    assert_int_equal(resets_seen, 1);
    command(0xd1);
    data(0xde);
    assert_int_equal(resets_seen, 2);
}

static void interrupt_enable(void **state)
{
    (void)state;
    command(0x60);
    data(0x44);
    data(0xee);
    assert_false(lines.level[1]);
    command(0x60);
    data(0x45);
    assert_true(lines.level[1]);
    assert_int_equal(get(), 0xee);
    assert_false(lines.level[1]);
}

static void queue_overflows_safely(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 100; i++)
        data(0xee);
    unsigned n = 0;
    while (get() >= 0)
        n++;
    assert_int_equal(n, I8042_QUEUE + 1);
}

static void saves(void **state)
{
    (void)state;
    data(0xf2);
    fake_check_round_trip(d);
    assert_int_equal(get(), 0xfa);
    assert_int_equal(get(), 0xab);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(controller_probe),        T(no_second_port), T(keyboard_probe),
        T(disabled_keyboard_waits), T(reset_lines),    T(interrupt_enable),
        T(queue_overflows_safely),  T(saves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
