/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupts from the PIC, the local APIC and its timer; priorities; HLT and its end. */
#include "lib/guest.h"

static volatile unsigned count[256];

static void on_apic(struct trap *t)
{
    count[t->vector]++;
    apic_eoi();
}
static void on_pic(struct trap *t)
{
    count[t->vector]++;
    out8(0x20, 0x20);
}

static void pit_through_the_pic(void)
{
    out8(0x20, 0x11);
    out8(0x21, 0x20);
    out8(0x21, 4);
    out8(0x21, 1);
    out8(0x21, 0xfe);
    set_trap(0x20, on_pic);
    apic_write(0x350, 0x700); /* LINT0: ExtINT */
    out8(0x43, 0x34);         /* channel 0, rate generator, 1 kHz */
    out8(0x40, 0xa9);
    out8(0x40, 0x04);
    while (count[0x20] < 3)
        __asm__ volatile("sti; hlt; cli" : : : "memory"); /* HLT ends with each */
    out8(0x21, 0xff);
    out8(0x43, 0x30); /* one shot, and nobody listens */
    unsigned seen = count[0x20];
    __asm__ volatile("sti; nop; nop; cli" : : : "memory");
    CHECK(count[0x20] - seen <= 1);
}

static void self_ipi(u8 vector)
{
    apic_write(0x310, 0);
    apic_write(0x300, 0x40000 | vector);
}

/* Lets interrupts in until vector v has come n times in all; false when it does not come. */
static bool wait_for(unsigned v, unsigned n)
{
    for (int i = 0; i < 2000 && count[v] < n; i++) {
        __asm__ volatile("sti" : : : "memory");
        delay_us(100);
        __asm__ volatile("cli" : : : "memory");
    }
    return count[v] >= n;
}

static void priorities(void)
{
    set_trap(0x51, on_apic);
    set_trap(0x62, on_apic);
    apic_write(0x80, 0x60); /* TPR: class 6 and below wait */
    self_ipi(0x51);
    self_ipi(0x62);
    __asm__ volatile("sti; nop; nop; cli" : : : "memory");
    CHECK_EQ(count[0x51], 0);
    CHECK_EQ(count[0x62], 0);
    CHECK_EQ(READ_CR(8), 6);
    WRITE_CR(8, 5);
    CHECK_EQ(apic_read(0x80), 0x50);
    CHECK(wait_for(0x62, 1));
    CHECK_EQ(count[0x51], 0);
    WRITE_CR(8, 0);
    CHECK(wait_for(0x51, 1));
}

static void apic_timer(void)
{
    set_trap(0x70, on_apic);
    apic_write(0x3e0, 3); /* divide by 16 */
    apic_write(0x320, 0x70);
    apic_write(0x380, 10000);
    CHECK(wait_for(0x70, 1));
    CHECK_EQ(apic_read(0x390), 0);
    apic_write(0x320, 0x20070); /* periodic */
    apic_write(0x380, 10000);
    while (count[0x70] < 4)
        __asm__ volatile("sti; hlt; cli" : : : "memory");
    apic_write(0x320, 0x10000);
    apic_write(0x380, 0);
    u32 r[4];
    cpuid(1, 0, r);
    if (r[2] >> 24 & 1) {
        count[0x70] = 0;
        apic_write(0x320, 0x40070); /* TSC deadline */
        wrmsr(0x6e0, rdtsc() + 100000);
        CHECK(wait_for(0x70, 1));
        CHECK_EQ(rdmsr(0x6e0), 0);
    }
}

void guest_main(void)
{
    apic_enable();
    priorities();
    pit_through_the_pic();
    apic_timer();
}
