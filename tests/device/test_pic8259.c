/* SPDX-License-Identifier: BSD-2-Clause */
/* 8259A pair: initialisation, priorities, cascade, the kinds of EOI, modes, ELCR. [8259A] */
#include "../unit/cmocka_all.h"
#include "device/irq/pic8259.h"
#include "fake.h"

struct bench {
    struct fake_lines lines;
    struct pic8259 *pic;
    struct device *d;
};
static struct bench bench;

static void out(unsigned chip, unsigned port, u8 v)
{
    fake_write(bench.d, chip, port, 1, v);
}

static u8 in(unsigned chip, unsigned port)
{
    return (u8)fake_read(bench.d, chip, port, 1);
}

static void irq(unsigned n, bool level)
{
    pic8259_set_irq(bench.pic, n, level);
}

static int ack(void)
{
    return pic8259_acknowledge(bench.pic);
}

/* As a PC does it: vectors 20h and 28h, everything unmasked. */
static void program(u8 master_icw4)
{
    out(0, 0, 0x11);
    out(0, 1, 0x20);
    out(0, 1, 0x04);
    out(0, 1, master_icw4);
    out(1, 0, 0x11);
    out(1, 1, 0x28);
    out(1, 1, 0x02);
    out(1, 1, 0x01);
    out(0, 1, 0x00);
    out(1, 1, 0x00);
}

static int setup(void **state)
{
    (void)state;
    bench = (struct bench){0};
    bench.d = device_alloc(&pic8259_type, "pic");
    bench.pic = container_of(bench.d, struct pic8259, dev);
    bench.pic->intr = fake_line(&bench.lines, 0);
    fake_device_start(bench.d);
    fake_check_resets(bench.d);
    program(0x01);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    device_destroy(bench.d);
    return 0;
}

static bool intr(void)
{
    return bench.lines.level[0];
}

static void edge_and_eoi(void **state)
{
    (void)state;
    assert_int_equal(ack(), -1);
    irq(4, true);
    assert_true(intr());
    assert_int_equal(in(0, 0), 0x10);
    assert_int_equal(ack(), 0x24);
    assert_false(intr());
    out(0, 0, 0x0b);
    assert_int_equal(in(0, 0), 0x10); /* ISR */
    out(0, 0, 0x0a);
    assert_int_equal(in(0, 0), 0x00); /* IRR */
    irq(4, false);
    irq(4, true); /* in service: waits */
    assert_false(intr());
    out(0, 0, 0x20);
    assert_true(intr());
    assert_int_equal(ack(), 0x24);
    out(0, 0, 0x64); /* specific EOI */
    assert_false(intr());
}

static void priorities_nest(void **state)
{
    (void)state;
    irq(5, true);
    irq(3, true);
    assert_int_equal(ack(), 0x23);
    assert_false(intr());
    irq(1, true);
    assert_int_equal(ack(), 0x21);
    out(0, 0, 0x20); /* ends 1, the highest */
    assert_false(intr());
    out(0, 0, 0x20); /* ends 3 */
    assert_int_equal(ack(), 0x25);
}

static void cascade(void **state)
{
    (void)state;
    irq(12, true);
    assert_true(intr());
    assert_int_equal(ack(), 0x2c);
    out(0, 0, 0x0b);
    assert_int_equal(in(0, 0), 0x04);
    out(1, 0, 0x0b);
    assert_int_equal(in(1, 0), 0x10);
    irq(8, true); /* higher in the slave, but the master holds the cascade: not special nested */
    assert_false(intr());
    out(1, 0, 0x20);
    assert_false(intr());
    out(0, 0, 0x20);
    assert_int_equal(ack(), 0x28);
}

static void special_fully_nested(void **state)
{
    (void)state;
    program(0x11);
    irq(12, true);
    assert_int_equal(ack(), 0x2c);
    irq(8, true);
    assert_int_equal(ack(), 0x28);
}

static void masking(void **state)
{
    (void)state;
    out(0, 1, 0x10);
    irq(4, true);
    assert_false(intr());
    assert_int_equal(in(0, 1), 0x10);
    out(0, 1, 0x00); /* the edge was kept */
    assert_true(intr());
}

static void special_mask(void **state)
{
    (void)state;
    irq(3, true);
    assert_int_equal(ack(), 0x23);
    irq(6, true);
    assert_false(intr());
    out(0, 1, 0x08);
    out(0, 0, 0x68);
    assert_true(intr());
    out(0, 0, 0x48);
    assert_false(intr());
}

static void rotation(void **state)
{
    (void)state;
    irq(4, true);
    assert_int_equal(ack(), 0x24);
    out(0, 0, 0xa0); /* rotate on non-specific EOI: 4 is lowest now */
    irq(1, true);
    irq(6, true);
    irq(5, true);
    assert_int_equal(ack(), 0x25);
    out(0, 0, 0xe5); /* rotate on specific EOI */
    assert_int_equal(ack(), 0x26);
    out(0, 0, 0x20);
    out(0, 0, 0xc7); /* set priority: 7 lowest, 0 highest again */
    assert_int_equal(ack(), 0x21);
}

static void automatic_eoi(void **state)
{
    (void)state;
    program(0x03);
    irq(4, true);
    assert_int_equal(ack(), 0x24);
    out(0, 0, 0x0b);
    assert_int_equal(in(0, 0), 0);
    out(0, 0, 0x80); /* rotate with automatic EOI */
    irq(2, true);    /* not an input of the pair */
    assert_false(intr());
    irq(1, true);
    assert_int_equal(ack(), 0x21);
    irq(0, true);
    irq(3, true);
    assert_int_equal(ack(), 0x23);
}

static void poll(void **state)
{
    (void)state;
    out(0, 0, 0x0c);
    assert_int_equal(in(0, 0), 0);
    irq(5, true);
    out(0, 0, 0x0c);
    assert_int_equal(in(0, 0), 0x85);
    out(0, 0, 0x0b);
    assert_int_equal(in(0, 0), 0x20);
}

static void level_triggered(void **state)
{
    (void)state;
    fake_write(bench.d, PIC_ELCR, 0, 2, 0xffff);
    assert_int_equal(fake_read(bench.d, PIC_ELCR, 0, 2), 0xdef8);
    irq(11, true);
    assert_int_equal(ack(), 0x2b);
    out(1, 0, 0x20);
    out(0, 0, 0x20);
    assert_true(intr()); /* still high: asks again */
    irq(11, false);
    assert_false(intr());
}

/* The slave's request vanishes between INTR and the acknowledge: spurious IR7 of the slave. */
static void spurious(void **state)
{
    (void)state;
    fake_write(bench.d, PIC_ELCR, 1, 1, 0x08);
    irq(11, true);
    bench.pic->chip[1].irr = 0;
    assert_int_equal(ack(), 0x2f);
    out(1, 0, 0x0b);
    assert_int_equal(in(1, 0), 0);
}

static void initialisation_clears(void **state)
{
    (void)state;
    irq(4, true);
    (void)ack();
    irq(5, true);
    out(0, 1, 0xff);
    out(0, 0, 0x11);
    out(0, 1, 0x40);
    out(0, 1, 0x04);
    out(0, 1, 0x01);
    assert_int_equal(in(0, 1), 0x00);
    assert_false(intr()); /* edges are forgotten */
    irq(1, true);
    assert_int_equal(ack(), 0x41);
}

static void saves(void **state)
{
    (void)state;
    irq(4, true);
    (void)ack();
    irq(9, true);
    fake_check_round_trip(bench.d);
    out(0, 0, 0x20);
    assert_int_equal(ack(), 0x29);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(edge_and_eoi), T(priorities_nest), T(cascade),  T(special_fully_nested),
        T(masking),      T(special_mask),    T(rotation), T(automatic_eoi),
        T(poll),         T(level_triggered), T(spurious), T(initialisation_clears),
        T(saves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
