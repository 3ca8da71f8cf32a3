/* SPDX-License-Identifier: BSD-2-Clause */
/* The local APIC against [SDM3 10]. */
#include "../cmocka_all.h"
#include "lapic_bench.h"

enum {
    ID = 0x20,
    VERSION = 0x30,
    TPR = 0x80,
    PPR = 0xa0,
    EOI = 0xb0,
    LDR = 0xd0,
    DFR = 0xe0,
    SVR = 0xf0,
    ISR = 0x100,
    TMR = 0x180,
    IRR = 0x200,
    ESR = 0x280,
    ICR = 0x300,
    ICR2 = 0x310,
    LVT_T = 0x320,
    LVT_L0 = 0x350,
    LVT_L1 = 0x360,
    LVT_E = 0x370,
    INITIAL = 0x380,
    CURRENT = 0x390,
    DIVIDE = 0x3e0,
};

static int setup(void **state)
{
    (void)state;
    bench_start();
    return 0;
}

static void enable_all(void)
{
    for (unsigned i = 0; i < BENCH_CPUS; i++)
        bench_write(i, SVR, 0x1ff);
}

static void fixed(unsigned cpu, u8 vector, bool level)
{
    lapic_deliver(&bench.vm, cpu, false, APIC_FIXED, vector, true, level);
}

static int take(unsigned cpu)
{
    return lapic_take(&bench.cpu[cpu]);
}

static void reset_values(void **state)
{
    (void)state;
    assert_int_equal(bench_read(2, ID), 0x02000000);
    assert_int_equal(bench_read(0, VERSION), 0x00050014);
    assert_int_equal(bench_read(0, DFR), 0xffffffff);
    assert_int_equal(bench_read(0, SVR), 0xff);
    assert_int_equal(bench_read(1, LVT_L0), 0x10000);
    for (u32 lvt = LVT_T; lvt < LVT_L0; lvt += 0x10)
        assert_int_equal(bench_read(0, lvt), 0x10000);
    u64 base = 0;
    assert_int_equal(bench_rdmsr(0, 0x1b, &base), 0);
    assert_int_equal(base, 0xfee00900);
    assert_int_equal(bench_rdmsr(1, 0x1b, &base), 0);
    assert_int_equal(base, 0xfee00800);
    assert_true(lapic_accepts_extint(&bench.cpu[0])); /* as firmware leaves it */
    assert_false(lapic_accepts_extint(&bench.cpu[1]));
}

static void software_disabled_takes_nothing(void **state)
{
    (void)state;
    fixed(0, 0x40, false);
    assert_int_equal(take(0), -1);
    bench_write(0, LVT_L0, 0x700);
    assert_int_equal(bench_read(0, LVT_L0), 0x10700); /* masked as long as it is off */
    bench_write(0, SVR, 0x1ff);
    bench_write(0, LVT_L0, 0x700);
    assert_int_equal(bench_read(0, LVT_L0), 0x700);
    bench_write(0, SVR, 0xff);
    assert_int_equal(bench_read(0, LVT_L0), 0x10700);
}

static void priorities(void **state)
{
    (void)state;
    enable_all();
    fixed(0, 0x45, false);
    fixed(0, 0x83, false);
    fixed(0, 0x4f, false);
    assert_true(bench_requests(0) & VCPU_REQ_INTERRUPT);
    assert_int_equal(take(0), 0x83);
    assert_int_equal(bench_read(0, PPR), 0x80);
    assert_int_equal(take(0), -1);
    fixed(0, 0x8f, false); /* same class: waits */
    assert_int_equal(take(0), -1);
    fixed(0, 0x90, false);
    assert_int_equal(take(0), 0x90);
    bench_write(0, EOI, 0);
    bench_requests(0);
    bench_write(0, EOI, 0);
    assert_true(bench_requests(0) & VCPU_REQ_INTERRUPT); /* the next one may go now */
    assert_int_equal(take(0), 0x8f);
    assert_int_equal(bench_read(0, ISR + 0x40), 1u << 15);
    assert_int_equal(bench_read(0, IRR + 0x20), 1u << 15 | 1u << 5);
    bench_write(0, EOI, 0);
    assert_int_equal(take(0), 0x4f);
    bench_write(0, EOI, 0);
    assert_int_equal(take(0), 0x45);
}

static void task_priority(void **state)
{
    (void)state;
    enable_all();
    lapic_set_tpr(&bench.cpu[0], 4);
    assert_int_equal(bench_read(0, TPR), 0x40);
    assert_int_equal(bench_read(0, PPR), 0x40);
    fixed(0, 0x4f, false);
    assert_false(lapic_pending(&bench.cpu[0]));
    assert_int_equal(bench_requests(0), 0);
    bench_write(0, TPR, 0x3f);
    assert_int_equal(lapic_get_tpr(&bench.cpu[0]), 3);
    assert_true(bench_requests(0) & VCPU_REQ_INTERRUPT);
    assert_true(lapic_pending(&bench.cpu[0]));
    assert_int_equal(take(0), 0x4f);
    assert_int_equal(bench_read(0, PPR), 0x40);
}

static void level_eoi_is_broadcast(void **state)
{
    (void)state;
    enable_all();
    fixed(0, 0x51, true);
    assert_int_equal(bench_read(0, TMR + 0x20), 1u << 17);
    assert_int_equal(take(0), 0x51);
    bench_write(0, EOI, 0);
    assert_int_equal(bench.eois, 1);
    assert_int_equal(bench.last_eoi, 0x51);
    fixed(0, 0x51, false);
    assert_int_equal(take(0), 0x51);
    bench_write(0, EOI, 0);
    assert_int_equal(bench.eois, 1);
    bench_write(0, EOI, 0); /* nothing in service */
    assert_int_equal(bench.eois, 1);
}

static void illegal_vectors(void **state)
{
    (void)state;
    enable_all();
    bench_write(0, LVT_E, 0xfe);
    fixed(0, 15, false);
    assert_int_equal(bench_read(0, ESR), 0); /* not before a write */
    bench_write(0, ESR, 0);
    assert_int_equal(bench_read(0, ESR), 0x40);
    assert_int_equal(take(0), 0xfe);
    bench_write(0, ICR, 0x40003); /* to itself, vector 3 */
    bench_write(0, ESR, 0);
    assert_int_equal(bench_read(0, ESR), 0x20);
    (void)bench_read(0, 0x40);
    bench_write(0, ESR, 0);
    assert_int_equal(bench_read(0, ESR), 0x80);
}

static void physical_ipi(void **state)
{
    (void)state;
    enable_all();
    bench_write(0, ICR2, 2u << 24);
    bench_write(0, ICR, 0x4061);
    assert_int_equal(take(2), 0x61);
    assert_int_equal(take(1), -1);
    assert_int_equal(bench_read(0, ICR) & 0x1000, 0); /* delivered */
    bench_write(0, ICR2, 0xffu << 24);
    bench_write(0, ICR, 0x4062);
    for (unsigned i = 0; i < BENCH_CPUS; i++)
        assert_int_equal(lapic_take(&bench.cpu[i]), i == 2 ? -1 : 0x62); /* 2 serves 0x61 */
}

static void shorthands(void **state)
{
    (void)state;
    enable_all();
    bench_write(1, ICR, 0x44071); /* self */
    assert_int_equal(take(1), 0x71);
    bench_write(1, ICR, 0xc4081); /* all but self */
    assert_int_equal(take(1), -1);
    assert_int_equal(take(0), 0x81);
    assert_int_equal(take(3), 0x81);
    bench_write(1, ICR, 0x84091); /* all */
    for (unsigned i = 0; i < BENCH_CPUS; i++)
        assert_int_equal(take(i), 0x91);
}

static void logical_flat(void **state)
{
    (void)state;
    enable_all();
    for (unsigned i = 0; i < BENCH_CPUS; i++)
        bench_write(i, LDR, 1u << (24 + i));
    lapic_deliver(&bench.vm, 0x0a, true, APIC_FIXED, 0x55, true, false);
    assert_int_equal(take(0), -1);
    assert_int_equal(take(1), 0x55);
    assert_int_equal(take(2), -1);
    assert_int_equal(take(3), 0x55);
}

static void logical_cluster(void **state)
{
    (void)state;
    enable_all();
    for (unsigned i = 0; i < BENCH_CPUS; i++) {
        bench_write(i, DFR, 0x0fffffff);
        bench_write(i, LDR, (i / 2) << 28 | 1u << (24 + i % 2)); /* two a cluster */
    }
    lapic_deliver(&bench.vm, 0x12, true, APIC_FIXED, 0x56, true, false);
    assert_int_equal(take(3), 0x56);
    assert_int_equal(take(1), -1);
    assert_int_equal(take(2), -1);
    lapic_deliver(&bench.vm, 0xff, true, APIC_FIXED, 0x66, true, false);
    for (unsigned i = 0; i < BENCH_CPUS; i++)
        assert_int_equal(take(i), 0x66);
}

static void lowest_priority_reaches_one(void **state)
{
    (void)state;
    enable_all();
    for (unsigned vector = 0x40; vector < 0x60; vector++) {
        lapic_deliver(&bench.vm, 0xff, true, APIC_LOWEST, (u8)vector, true, false);
        unsigned takers = 0;
        for (unsigned i = 0; i < BENCH_CPUS; i++) {
            if (take(i) < 0)
                continue;
            takers++;
            bench_write(i, EOI, 0);
        }
        assert_int_equal(takers, 1);
    }
    for (unsigned i = 0; i < BENCH_CPUS; i++)
        bench_write(i, SVR, i == 3 ? 0x1ff : 0xff);
    lapic_deliver(&bench.vm, 0xff, true, APIC_LOWEST, 0x40, true, false);
    assert_int_equal(take(3), 0x40); /* the only one that is on */
}

static void init_and_startup(void **state)
{
    (void)state;
    bench_write(0, ICR2, 1u << 24);
    bench_write(0, ICR, 0xc500); /* INIT, level, assert */
    assert_int_equal(bench_requests(1), VCPU_REQ_INIT);
    bench_write(0, ICR, 0x8500); /* de-assert does nothing */
    assert_int_equal(bench_requests(1), 0);
    bench_write(0, ICR, 0x4699);
    assert_int_equal(bench_requests(1), VCPU_REQ_SIPI);
    assert_int_equal(bench.cpu[1].sipi_vector, 0x99);
    bench_write(0, ICR, 0x4400);
    assert_int_equal(bench_requests(1), VCPU_REQ_NMI);
    assert_int_equal(bench_requests(2), 0);
    bench_write(1, SVR, 0x1ff);
    lapic_reset_by_init(&bench.cpu[1]);
    assert_int_equal(bench_read(1, SVR), 0xff);
    assert_int_equal(bench_read(1, ID), 0x01000000);
}

static void one_shot_timer(void **state)
{
    (void)state;
    enable_all();
    bench_write(0, DIVIDE, 0x3); /* by 16 */
    bench_write(0, LVT_T, 0x30);
    bench_write(0, INITIAL, 1000);
    fake_clock_advance(&bench.clock, 8000);
    assert_int_equal(bench_read(0, CURRENT), 500);
    fake_clock_advance(&bench.clock, 7999);
    assert_int_equal(take(0), -1);
    fake_clock_advance(&bench.clock, 1);
    assert_int_equal(take(0), 0x30);
    assert_int_equal(bench_read(0, CURRENT), 0);
    bench_write(0, EOI, 0);
    fake_clock_advance(&bench.clock, 1000000);
    assert_int_equal(take(0), -1);
    bench_write(0, INITIAL, 1000);
    bench_write(0, INITIAL, 0); /* stops */
    fake_clock_advance(&bench.clock, 1000000);
    assert_int_equal(take(0), -1);
    bench_write(0, LVT_T, 0x10030); /* masked: counts and says nothing */
    bench_write(0, INITIAL, 1000);
    fake_clock_advance(&bench.clock, 1000000);
    assert_int_equal(bench_read(0, CURRENT), 0);
    assert_int_equal(take(0), -1);
}

static void dividers(void **state)
{
    (void)state;
    static const u8 code[] = {0xb, 0x0, 0x1, 0x2, 0x3, 0x8, 0x9, 0xa};
    enable_all();
    for (unsigned i = 0; i < 8; i++) {
        bench_write(0, DIVIDE, code[i]);
        assert_int_equal(bench_read(0, DIVIDE), code[i]);
        bench_write(0, INITIAL, 1000000);
        fake_clock_advance(&bench.clock, (u64)1000 << i);
        assert_int_equal(bench_read(0, CURRENT), 1000000 - 1000);
    }
}

static void periodic_timer(void **state)
{
    (void)state;
    enable_all();
    bench_write(0, DIVIDE, 0xb); /* by 1 */
    bench_write(0, LVT_T, 0x20030);
    bench_write(0, INITIAL, 1000000);
    for (unsigned i = 0; i < 10; i++) {
        fake_clock_advance(&bench.clock, 1000000);
        assert_int_equal(take(0), 0x30);
        bench_write(0, EOI, 0);
        assert_int_equal(take(0), -1);
    }
    fake_clock_advance(&bench.clock, 250000);
    assert_int_equal(bench_read(0, CURRENT), 750000);
}

static void deadline_timer(void **state)
{
    (void)state;
    enable_all();
    u64 val = 1;
    assert_int_equal(bench_wrmsr(0, 0x6e0, 5), 0); /* ignored in another mode */
    assert_int_equal(bench_rdmsr(0, 0x6e0, &val), 0);
    assert_int_equal(val, 0);
    bench_write(0, LVT_T, 0x40030);
    bench_write(0, INITIAL, 1000); /* ignored in this one */
    assert_int_equal(bench_read(0, CURRENT), 0);
    u64 now = vcpu_tsc(&bench.cpu[0]);
    assert_int_equal(bench_wrmsr(0, 0x6e0, now + 20000), 0);
    fake_clock_advance(&bench.clock, 9999);
    assert_int_equal(take(0), -1);
    fake_clock_advance(&bench.clock, 2);
    assert_int_equal(take(0), 0x30);
    assert_int_equal(bench_rdmsr(0, 0x6e0, &val), 0);
    assert_int_equal(val, 0);
    bench_write(0, EOI, 0);
    assert_int_equal(bench_wrmsr(0, 0x6e0, 1), 0); /* past: at once */
    assert_int_equal(take(0), 0x30);
    bench_write(0, EOI, 0);
    lapic_set_tsc_offset(&bench.cpu[0], 1000000);
    assert_int_equal(bench_wrmsr(0, 0x6e0, vcpu_tsc(&bench.cpu[0]) + 1000000 + 200), 0);
    fake_clock_advance(&bench.clock, 101);
    assert_int_equal(take(0), 0x30);
    assert_int_equal(bench_wrmsr(0, 0x6e0, ~(u64)0), 0);
    bench_write(0, LVT_T, 0x30); /* leaving the mode disarms */
    bench_write(0, LVT_T, 0x40030);
    assert_int_equal(bench_rdmsr(0, 0x6e0, &val), 0);
    assert_int_equal(val, 0);
}

static void mode_changes(void **state)
{
    (void)state;
    const u64 x = 0xfee00800, x2 = 0xfee00c00;
    assert_int_equal(bench_wrmsr(1, 0x1b, 0xfee00400), -1);       /* x2APIC without enable */
    assert_int_equal(bench_wrmsr(1, 0x1b, x | 1), -1);            /* reserved bit */
    assert_int_equal(bench_wrmsr(1, 0x1b, x | (u64)1 << 40), -1); /* beyond MAXPHYADDR */
    assert_int_equal(bench_wrmsr(1, 0x1b, x2), 0);
    assert_false(lapic_has_mmio(&bench.cpu[1]));
    assert_int_equal(bench_wrmsr(1, 0x1b, x), -1); /* only through disabled */
    assert_int_equal(bench_wrmsr(1, 0x1b, 0xfee00000), 0);
    assert_true(lapic_accepts_extint(&bench.cpu[1]));
    assert_int_equal(bench_wrmsr(1, 0x1b, x2), -1); /* not from disabled */
    assert_int_equal(bench_wrmsr(1, 0x1b, x), 0);
    assert_true(lapic_has_mmio(&bench.cpu[1]));
    bench.vm.model.features[X86_FEATURE_X2APIC / 64] = 0;
    assert_int_equal(bench_wrmsr(1, 0x1b, x2), -1);
    bench.vm.model.features[X86_FEATURE_TSC_DEADLINE / 64] = 0;
    u64 val;
    assert_int_equal(bench_rdmsr(1, 0x6e0, &val), -1);
}

static void x2apic(void **state)
{
    (void)state;
    u64 val = 0;
    assert_int_equal(bench_rdmsr(2, 0x802, &val), -1);
    for (unsigned i = 0; i < BENCH_CPUS; i++) {
        assert_int_equal(bench_rdmsr(i, 0x1b, &val), 0);
        assert_int_equal(bench_wrmsr(i, 0x1b, val | 0x400), 0);
        assert_int_equal(bench_wrmsr(i, 0x80f, 0x1ff), 0);
    }
    assert_int_equal(bench_rdmsr(2, 0x802, &val), 0);
    assert_int_equal(val, 2);
    assert_int_equal(bench_rdmsr(2, 0x80d, &val), 0);
    assert_int_equal(val, 4);
    assert_int_equal(bench_wrmsr(0, 0x830, (u64)3 << 32 | 0x4061), 0);
    assert_int_equal(take(3), 0x61);
    assert_int_equal(bench_rdmsr(0, 0x830, &val), 0);
    assert_int_equal(val, (u64)3 << 32 | 0x4061);
    assert_int_equal(bench_wrmsr(0, 0x830, (u64)0x5 << 32 | 0x4871), 0); /* logical 0 and 2 */
    assert_int_equal(take(0), 0x71);
    assert_int_equal(take(1), -1);
    assert_int_equal(take(2), 0x71);
    assert_int_equal(bench_wrmsr(1, 0x83f, 0x81), 0); /* self IPI */
    assert_int_equal(take(1), 0x81);
    assert_int_equal(bench_wrmsr(1, 0x80b, 0), 0);
    assert_int_equal(bench_wrmsr(1, 0x80b, 1), -1);
    assert_int_equal(bench_wrmsr(1, 0x828, 1), -1);
    assert_int_equal(bench_wrmsr(1, 0x802, 1), -1); /* read-only */
    assert_int_equal(bench_wrmsr(1, 0x80d, 1), -1);
    assert_int_equal(bench_rdmsr(1, 0x80b, &val), -1); /* write-only */
    assert_int_equal(bench_rdmsr(1, 0x80e, &val), -1); /* no DFR, no second ICR */
    assert_int_equal(bench_rdmsr(1, 0x831, &val), -1);
    assert_int_equal(bench_wrmsr(1, 0x808, 0x100), -1);
    assert_int_equal(bench_wrmsr(1, 0x830, 1u << 20), -1);
    assert_int_equal(bench_rdmsr(1, 0x8ff, &val), -1);
}

static void messages_of_devices(void **state)
{
    (void)state;
    enable_all();
    lapic_msi(&bench.vm, 0xfee02000, 0x4041);
    assert_int_equal(take(2), 0x41);
    lapic_msi(&bench.vm, 0xfee01000, 0xc042); /* level */
    assert_int_equal(take(1), 0x42);
    bench_write(1, EOI, 0);
    assert_int_equal(bench.last_eoi, 0x42);
    lapic_msi(&bench.vm, 0xfee03000, 0x400);
    assert_int_equal(bench_requests(3), VCPU_REQ_NMI);
    lapic_msi(&bench.vm, 0xfed03000, 0x43); /* not the interrupt window */
    lapic_msi(&bench.vm, 0x1fee03000, 0x43);
    assert_int_equal(take(3), -1);
}

static void pins(void **state)
{
    (void)state;
    enable_all();
    bench_requests(0);
    bench_write(0, LVT_L0, 0x700);
    assert_true(bench_requests(0) & VCPU_REQ_INTERRUPT); /* the PIC may be waiting */
    assert_true(lapic_accepts_extint(&bench.cpu[0]));
    lapic_lint(&bench.cpu[0], 0, true);
    assert_true(bench_requests(0) & VCPU_REQ_INTERRUPT);
    bench_write(0, LVT_L0, 0x10700);
    assert_false(lapic_accepts_extint(&bench.cpu[0]));
    lapic_lint(&bench.cpu[0], 0, true);
    assert_int_equal(bench_requests(0), 0);
    bench_write(0, LVT_L0, 0x44); /* fixed: Linux's fall-back for a lost timer */
    lapic_lint(&bench.cpu[0], 0, true);
    assert_int_equal(take(0), 0x44);
    bench_write(0, LVT_L1, 0x400);
    lapic_lint(&bench.cpu[0], 1, true);
    assert_true(bench_requests(0) & VCPU_REQ_NMI);
}

static void odd_accesses(void **state)
{
    (void)state;
    enable_all();
    u64 val = 0x55;
    lapic_mmio(&bench.cpu[0], TPR, 1, true, &val); /* too narrow */
    assert_int_equal(bench_read(0, TPR), 0);
    lapic_mmio(&bench.cpu[0], TPR + 4, 4, true, &val); /* misaligned */
    assert_int_equal(bench_read(0, TPR), 0);
    lapic_mmio(&bench.cpu[0], VERSION + 2, 1, false, &val);
    assert_int_equal(val, 0x05);
    lapic_mmio(&bench.cpu[0], VERSION, 8, false, &val);
    assert_int_equal(val, 0x00050014);
    bench_write(0, ID, 0x07000000);
    assert_int_equal(bench_read(0, ID), 0);
}

static void saves_and_loads(void **state)
{
    (void)state;
    enable_all();
    bench_write(0, LVT_T, 0x30);
    bench_write(0, DIVIDE, 0xb);
    bench_write(0, INITIAL, 5000);
    fixed(0, 0x50, true);
    struct x86_lapic s, hostile;
    lapic_save(&bench.cpu[0], &s);
    lapic_reset(&bench.cpu[0]);
    assert_int_equal(take(0), -1);
    lapic_load(&bench.cpu[0], &s);
    assert_int_equal(take(0), 0x50);
    bench_write(0, EOI, 0);
    assert_int_equal(bench.last_eoi, 0x50);
    fake_clock_advance(&bench.clock, 5000);
    assert_int_equal(take(0), 0x30);
    memset(&hostile, 0xff, sizeof hostile);
    lapic_load(&bench.cpu[0], &hostile);
    fake_clock_advance(&bench.clock, 1000000000);
    while (take(0) >= 0x10)
        bench_write(0, EOI, 0);
    assert_int_equal(bench.cpu[0].lapic.id, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup(f, setup)
    const struct CMUnitTest tests[] = {
        T(reset_values),
        T(software_disabled_takes_nothing),
        T(priorities),
        T(task_priority),
        T(level_eoi_is_broadcast),
        T(illegal_vectors),
        T(physical_ipi),
        T(shorthands),
        T(logical_flat),
        T(logical_cluster),
        T(lowest_priority_reaches_one),
        T(init_and_startup),
        T(one_shot_timer),
        T(dividers),
        T(periodic_timer),
        T(deadline_timer),
        T(mode_changes),
        T(x2apic),
        T(messages_of_devices),
        T(pins),
        T(odd_accesses),
        T(saves_and_loads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
