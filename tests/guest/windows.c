/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupt windows to the instruction: the shadow of STI, STI followed by CLI, HLT's wake-up. */
#include "lib/guest.h"

static volatile unsigned count[256];
static volatile u64 last_rip;

static void on_apic(struct trap *t)
{
    count[t->vector]++;
    last_rip = t->rip;
    apic_eoi();
}

static void self_ipi(u8 vector)
{
    apic_write(0x310, 0);
    apic_write(0x300, 0x40000 | vector);
}

static void windows(void)
{
    set_trap(0x40, on_apic);
    self_ipi(0x40);
    delay_us(10);
    CHECK_EQ(count[0x40], 0); /* IF is clear */
    u64 at;
    /* STI holds interrupts off for one instruction. */
    __asm__ volatile("lea 7f(%%rip), %0; sti; nop; 7: nop; cli" : "=&r"(at) : : "memory", "cc");
    CHECK_EQ(count[0x40], 1);
    CHECK_EQ(last_rip, at);
    self_ipi(0x40);
    delay_us(10);
    __asm__ volatile("sti; cli; nop; nop" : : : "memory", "cc");
    CHECK_EQ(count[0x40], 1);
    __asm__ volatile("sti; nop; cli" : : : "memory", "cc");
    CHECK_EQ(count[0x40], 2);
}

static void halt(void)
{
    u64 at;
    self_ipi(0x40);
    __asm__ volatile("lea 7f(%%rip), %0; sti; hlt; 7: cli" : "=&r"(at) : : "memory", "cc");
    CHECK_EQ(count[0x40], 3);
    CHECK_EQ(last_rip, at); /* it was taken after HLT, which it ended */
}

/* MOV SS holds interrupts off as well. */
static void stack_switch(void)
{
    u64 at;
    u16 ss = 0x10;
    self_ipi(0x40);
    __asm__ volatile("lea 7f(%%rip), %0; sti; mov %1, %%ss; nop; 7: cli"
                     : "=&r"(at)
                     : "r"(ss)
                     : "memory", "cc");
    CHECK_EQ(count[0x40], 4);
    CHECK_EQ(last_rip, at);
}

void guest_main(void)
{
    apic_enable();
    windows();
    halt();
    stack_switch();
}
