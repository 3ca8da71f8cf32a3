/* SPDX-License-Identifier: BSD-2-Clause */
/* I/O APIC: registers, messages, level interrupts with remote IRR and EOI. [82093AA] */
#include "../unit/cmocka_all.h"
#include "device/irq/ioapic.h"
#include "fake.h"

static struct fake_msi msi;
static struct ioapic *io;
static struct device *d;
static unsigned routes;

static void route_changed(void *ctx, unsigned pin, u64 addr, u32 data, bool masked)
{
    (void)ctx, (void)pin, (void)addr, (void)data, (void)masked;
    routes++;
}

static int setup(void **state)
{
    (void)state;
    msi = (struct fake_msi){0};
    routes = 0;
    d = device_alloc(&ioapic_type, "ioapic");
    io = container_of(d, struct ioapic, dev);
    io->msi = fake_msi_sink(&msi);
    io->route_changed = route_changed;
    fake_device_start(d);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    device_destroy(d);
    return 0;
}

static u32 rd(u8 reg)
{
    fake_write(d, 0, 0, 4, reg);
    return (u32)fake_read(d, 0, 0x10, 4);
}

static void wr(u8 reg, u32 v)
{
    fake_write(d, 0, 0, 4, reg);
    fake_write(d, 0, 0x10, 4, v);
}

static void set_entry(unsigned pin, u64 v)
{
    wr((u8)(0x11 + 2 * pin), v >> 32);
    wr((u8)(0x10 + 2 * pin), (u32)v);
}

static void registers(void **state)
{
    (void)state;
    fake_check_resets(d);
    assert_int_equal(rd(1), 0x00170020);
    wr(0, 0xffffffff);
    assert_int_equal(rd(0), 0x0f000000);
    assert_int_equal(rd(2), 0x0f000000);
    wr(1, 0);
    assert_int_equal(rd(1), 0x00170020);
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++)
        assert_int_equal(rd((u8)(0x10 + 2 * pin)), 0x10000);
    wr(0x10, 0xffffffff); /* delivery status and remote IRR are read-only */
    assert_int_equal(rd(0x10), 0x1afff);
    assert_int_equal(rd(0x40), 0);
    fake_write(d, 0, 0, 4, 1);
    assert_int_equal(fake_read(d, 0, 0x10, 1), 0x20);
    assert_int_equal(fake_read(d, 0, 0x20, 4), 0);
}

static void edge_message(void **state)
{
    (void)state;
    unsigned before = routes;
    set_entry(4, (u64)3 << 56 | 0x31);
    assert_int_equal(routes, before + 2);
    ioapic_set_irq(io, 4, true);
    assert_int_equal(msi.count, 1);
    assert_int_equal(msi.addr, 0xfee03000);
    assert_int_equal(msi.data, 0x4031);
    ioapic_set_irq(io, 4, true);
    assert_int_equal(msi.count, 1);
    ioapic_set_irq(io, 4, false);
    ioapic_set_irq(io, 4, true);
    assert_int_equal(msi.count, 2);
    ioapic_set_irq(io, 24, true); /* no such pin */
    assert_int_equal(msi.count, 2);
}

static void logical_lowest_priority(void **state)
{
    (void)state;
    set_entry(1, (u64)0xff << 56 | 0x800 | 0x100 | 0x55);
    ioapic_set_irq(io, 1, true);
    assert_int_equal(msi.addr, 0xfeeff004);
    assert_int_equal(msi.data, 0x4000 | 0x100 | 0x55);
}

static void masked_edge_is_lost(void **state)
{
    (void)state;
    ioapic_set_irq(io, 4, true);
    set_entry(4, 0x31);
    assert_int_equal(msi.count, 0);
}

static void level_until_eoi(void **state)
{
    (void)state;
    set_entry(16, 0x8000 | 0x41);
    ioapic_set_irq(io, 16, true);
    assert_int_equal(msi.count, 1);
    assert_int_equal(msi.data, 0xc041);
    assert_int_equal(rd(0x30), 0xc041); /* remote IRR */
    ioapic_set_irq(io, 16, false);
    ioapic_set_irq(io, 16, true);
    assert_int_equal(msi.count, 1); /* not before the EOI */
    ioapic_eoi(io, 0x42);
    assert_int_equal(msi.count, 1);
    ioapic_eoi(io, 0x41);
    assert_int_equal(msi.count, 2); /* still asserted */
    ioapic_set_irq(io, 16, false);
    fake_write(d, 0, 0x40, 4, 0x41); /* the EOI register */
    assert_int_equal(msi.count, 2);
    assert_int_equal(rd(0x30), 0x8041);
}

static void unmasking_sends_a_waiting_level(void **state)
{
    (void)state;
    set_entry(17, 0x18000 | 0x51);
    ioapic_set_irq(io, 17, true);
    assert_int_equal(msi.count, 0);
    set_entry(17, 0x8000 | 0x51);
    assert_int_equal(msi.count, 1);
}

static void edge_switch_clears_remote_irr(void **state)
{
    (void)state;
    set_entry(17, 0x8000 | 0x51);
    ioapic_set_irq(io, 17, true);
    ioapic_set_irq(io, 17, false);
    set_entry(17, 0x10000 | 0x51);
    assert_int_equal(rd(0x32), 0x10051);
}

/* Lines carry assertion: the polarity bit is kept and changes nothing. */
static void polarity(void **state)
{
    (void)state;
    set_entry(18, 0x8000 | 0x2000 | 0x61);
    assert_int_equal(msi.count, 0);
    ioapic_set_irq(io, 18, true);
    assert_int_equal(msi.count, 1);
    assert_int_equal(rd(0x34), 0x8000 | 0x4000 | 0x2000 | 0x61);
}

static void saves(void **state)
{
    (void)state;
    set_entry(16, 0x8000 | 0x41);
    ioapic_set_irq(io, 16, true);
    fake_check_round_trip(d);
    ioapic_eoi(io, 0x41);
    assert_int_equal(msi.count, 2);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(registers),
        T(edge_message),
        T(logical_lowest_priority),
        T(masked_edge_is_lost),
        T(level_until_eoi),
        T(unmasking_sends_a_waiting_level),
        T(edge_switch_clears_remote_irr),
        T(polarity),
        T(saves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
