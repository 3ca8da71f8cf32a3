/* SPDX-License-Identifier: BSD-2-Clause */
/* The local APIC to the letter: what is in service, reserved values, registers after disabling. */
#include "lib/guest.h"

enum { BASE = 0x1b, ENABLE = 0x800, X2 = 0x400, EOI = 0x80b, ISR = 0x100, SVR = 0xf0 };

static volatile unsigned hits;
static volatile u32 in_service, in_service_after;

static void on_interrupt(struct trap *t)
{
    hits++;
    in_service = apic_read(ISR + (u32)t->vector / 32 * 16);
    apic_eoi();
    in_service_after = apic_read(ISR + (u32)t->vector / 32 * 16);
}

static void service(u8 vector)
{
    set_trap(vector, on_interrupt);
    apic_write(0x310, 0);
    apic_write(0x300, 0x40000 | vector);
    unsigned before = hits;
    for (int i = 0; i < 1000 && hits == before; i++) {
        __asm__ volatile("sti" : : : "memory");
        delay_us(100);
        __asm__ volatile("cli" : : : "memory");
    }
    CHECK_EQ(hits, before + 1);
    CHECK_EQ(in_service, 1u << vector % 32);
    CHECK_EQ(in_service_after, 0);
}

void guest_main(void)
{
    apic_enable();
    service(0x41);
    service(0x75);
    u64 base = rdmsr(BASE);
    u32 r[4];
    cpuid(1, 0, r);
    if (r[2] >> 21 & 1) {
        wrmsr(BASE, base | X2);
        CHECK_EQ(TRY("wrmsr", : : "c"(EOI), "a"(1), "d"(0) : TRY_CLOBBERS), 13);
    }
    wrmsr(BASE, base & ~(u64)(ENABLE | X2));
    wrmsr(BASE, base);
    CHECK_EQ(apic_read(SVR), 0xff); /* as after reset [SDM3 10.4.3] */
}
