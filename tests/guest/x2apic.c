/* SPDX-License-Identifier: BSD-2-Clause */
/* The local APIC through MSRs: the way in and out, what faults, interrupts to oneself, the timer.
 */
#include "lib/guest.h"

enum {
    BASE = 0x1b,
    ENABLE = 0x800,
    X2 = 0x400,
    ID = 0x802,
    VERSION = 0x803,
    TPR = 0x808,
    EOI = 0x80b,
    LDR = 0x80d,
    DFR = 0x80e,
    SVR = 0x80f,
    IRR = 0x820,
    ICR = 0x830,
    ICR_HIGH = 0x831,
    LVT_TIMER = 0x832,
    INITIAL = 0x838,
    CURRENT = 0x839,
    DIVIDE = 0x83e,
    SELF = 0x83f
};

static volatile unsigned count[256];

static void on_interrupt(struct trap *t)
{
    count[t->vector]++;
    wrmsr(EOI, 0);
}

static int write_faults(u32 index, u64 v)
{
    return TRY("wrmsr", : : "c"(index), "a"((u32)v), "d"((u32)(v >> 32)) : TRY_CLOBBERS);
}
static int read_faults(u32 index)
{
    return TRY("rdmsr", : : "c"(index) : "rax", "rdx", TRY_CLOBBERS);
}

/* Lets interrupts in until vector v has come n times in all. */
static bool wait_for(unsigned v, unsigned n)
{
    for (int i = 0; i < 2000 && count[v] < n; i++) {
        __asm__ volatile("sti" : : : "memory");
        delay_us(100);
        __asm__ volatile("cli" : : : "memory");
    }
    return count[v] >= n;
}

static void enter(void)
{
    u64 base = rdmsr(BASE);
    CHECK_EQ(read_faults(ID), 13); /* not yet */
    CHECK_EQ(write_faults(BASE, (base & ~(u64)ENABLE) | X2), 13);
    wrmsr(BASE, base | X2);
    CHECK_EQ(rdmsr(BASE) & (ENABLE | X2), ENABLE | X2);
    CHECK_EQ(rdmsr(ID), 0);
    CHECK_EQ(rdmsr(LDR), 1); /* made from the ID */
    CHECK(rdmsr(VERSION) >> 4 & 15);
    CHECK_EQ(write_faults(BASE, base & ~(u64)X2), 13); /* only by way of disabled */
}

static void registers(void)
{
    CHECK_EQ(write_faults(ID, 0), 13);
    CHECK_EQ(write_faults(LDR, 0), 13);
    CHECK_EQ(read_faults(DFR), 13); /* there is none */
    CHECK_EQ(read_faults(ICR_HIGH), 13);
    CHECK_EQ(read_faults(EOI), 13);
    CHECK_EQ(read_faults(SELF), 13);
    CHECK_EQ(write_faults(IRR, 0), 13);
    wrmsr(SVR, 0x1ff);
    CHECK_EQ(rdmsr(SVR), 0x1ff);
    wrmsr(TPR, 0x40);
    CHECK_EQ(READ_CR(8), 4);
    WRITE_CR(8, 5);
    CHECK_EQ(rdmsr(TPR), 0x50);
    WRITE_CR(8, 0);
}

static void to_oneself(void)
{
    set_trap(0x41, on_interrupt);
    set_trap(0x75, on_interrupt);
    wrmsr(SELF, 0x41);
    CHECK_EQ(rdmsr(IRR + 2) >> 1 & 1, 1);
    CHECK(wait_for(0x41, 1));
    wrmsr(ICR, 0x40000 | 0x75); /* shorthand: self */
    CHECK(wait_for(0x75, 1));
    wrmsr(ICR, 0x4000 | 0x75); /* to processor 0 */
    CHECK(wait_for(0x75, 2));
    wrmsr(TPR, 0x70);
    wrmsr(SELF, 0x75);
    wrmsr(SELF, 0x41);
    __asm__ volatile("sti; nop; nop; cli" : : : "memory");
    CHECK_EQ(count[0x41], 1);
    CHECK_EQ(count[0x75], 2);
    wrmsr(TPR, 0);
    CHECK(wait_for(0x41, 2));
    CHECK_EQ(count[0x75], 3);
}

static void timer(void)
{
    set_trap(0x70, on_interrupt);
    wrmsr(DIVIDE, 0xb);
    wrmsr(LVT_TIMER, 0x70);
    wrmsr(INITIAL, 100000);
    CHECK(rdmsr(CURRENT) <= 100000);
    CHECK(wait_for(0x70, 1));
    CHECK_EQ(rdmsr(CURRENT), 0);
    wrmsr(LVT_TIMER, 0x20070); /* periodic, ending HLT */
    wrmsr(INITIAL, 100000);
    while (count[0x70] < 4)
        __asm__ volatile("sti; hlt; cli" : : : "memory");
    wrmsr(INITIAL, 0);
    wrmsr(LVT_TIMER, 0x10000);
}

static void leave(void)
{
    u64 base = rdmsr(BASE);
    wrmsr(BASE, base & ~(u64)(ENABLE | X2));
    CHECK_EQ(read_faults(ID), 13);
    wrmsr(BASE, (base & ~(u64)X2) | ENABLE);
    CHECK_EQ(apic_read(0x20), 0);
    apic_enable();
    CHECK_EQ(apic_read(0xf0), 0x1ff);
}

void guest_main(void)
{
    u32 r[4];
    cpuid(1, 0, r);
    if (!(r[2] >> 21 & 1))
        skip("the processor has no x2APIC");
    enter();
    registers();
    to_oneself();
    timer();
    leave();
}
