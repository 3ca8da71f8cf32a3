/* SPDX-License-Identifier: BSD-2-Clause */
/* CPUID, model-specific registers, control registers, the time-stamp counter. */
#include "lib/guest.h"

static void identification(void)
{
    u32 r[4];
    cpuid(0, 0, r);
    CHECK(r[0] >= 7);
    cpuid(1, 0, r);
    CHECK_EQ(r[1] >> 24, 0);     /* local APIC ID */
    CHECK(r[3] & 1 << 0);        /* x87 */
    CHECK(r[3] & 1 << 26);       /* SSE2 */
    CHECK(r[3] & 1 << 9);        /* APIC */
    CHECK(r[2] >> 31);           /* a hypervisor is present */
    CHECK_EQ(r[2] >> 27 & 1, 0); /* OSXSAVE follows CR4 */
    bool xsave = r[2] >> 26 & 1;
    CHECK_EQ(r[2] >> 5 & 1, 0); /* no VMX */
    if (xsave) {
        WRITE_CR(4, READ_CR(4) | 1 << 18);
        cpuid(1, 0, r);
        CHECK_EQ(r[2] >> 27 & 1, 1);
        u32 lo, hi;
        __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
        CHECK_EQ(lo & 1, 1);
        CHECK_EQ(TRY("xsetbv", : : "c"(0), "a"(0), "d"(0) : TRY_CLOBBERS), 13);
        cpuid(0xd, 0, r);
        u32 both = r[0];
        __asm__ volatile("xsetbv" : : "c"(0), "a"(3), "d"(0));
        cpuid(0xd, 0, r);
        CHECK_EQ(r[1], 576);
        if (both & 4) {
            __asm__ volatile("xsetbv" : : "c"(0), "a"(7), "d"(0));
            cpuid(0xd, 0, r);
            CHECK(r[1] > 576);
        }
    }
    cpuid(0x80000001, 0, r);
    CHECK(r[3] & 1 << 29);      /* long mode */
    CHECK_EQ(r[2] >> 2 & 1, 0); /* no SVM */
}

static void model_specific(void)
{
    static const u32 holders[] = {0xc0000082, 0xc0000083, 0xc0000102, 0x175, 0x176};
    for (size_t i = 0; i < sizeof holders / sizeof *holders; i++) {
        u64 old = rdmsr(holders[i]);
        wrmsr(holders[i], 0xffff800012345678);
        CHECK_EQ(rdmsr(holders[i]), 0xffff800012345678);
        wrmsr(holders[i], old);
    }
    CHECK_EQ(TRY("wrmsr", : : "c"(0xc0000082), "a"(0), "d"(0x10000000) : TRY_CLOBBERS), 13);
    CHECK_EQ(TRY("rdmsr", : : "c"(0x12345678) : "rax", "rdx", TRY_CLOBBERS), 13);
    CHECK_EQ(TRY("wrmsr", : : "c"(0xc0000080), "a"(0x901 & ~0x100), "d"(0) : TRY_CLOBBERS), 13);
    wrmsr(0xc0000100, 0x1000);
    u64 base;
    __asm__ volatile("lea 0(%1), %0; mov %%fs:0, %0" : "=r"(base) : "r"((u64)0));
    CHECK_EQ(rdmsr(0xc0000100), 0x1000);
    wrmsr(0xc0000100, 0);
    u64 g = rdmsr(0xc0000101);
    wrmsr(0xc0000101, 0x2000);
    wrmsr(0xc0000102, 0x3000);
    __asm__ volatile("swapgs");
    CHECK_EQ(rdmsr(0xc0000101), 0x3000);
    CHECK_EQ(rdmsr(0xc0000102), 0x2000);
    wrmsr(0xc0000101, g);
}

static void control_registers(void)
{
    u64 cr0 = READ_CR(0);
    CHECK_EQ(TRY("mov %0, %%cr0", : : "r"(cr0 & ~(u64)1) : TRY_CLOBBERS), 13); /* PG without PE */
    CHECK_EQ(TRY("mov %0, %%cr4", : : "r"(READ_CR(4) & ~(u64)0x20) : TRY_CLOBBERS), 13); /* PAE */
    CHECK_EQ(TRY("mov %0, %%cr8", : : "r"((u64)16) : TRY_CLOBBERS), 13);
    WRITE_CR(2, 0x123456789a);
    CHECK_EQ(READ_CR(2), 0x123456789a);
    __asm__ volatile("mov %0, %%dr3" : : "r"((u64)0xabcdef));
    u64 d;
    __asm__ volatile("mov %%dr3, %0" : "=r"(d));
    CHECK_EQ(d, 0xabcdef);
}

static void time_stamp(void)
{
    u64 a = rdtsc();
    delay_us(2000);
    u64 b = rdtsc();
    CHECK(b > a);
    u64 last = b;
    for (int i = 0; i < 1000; i++) {
        u64 t = rdtsc();
        CHECK(t >= last);
        last = t;
    }
}

void guest_main(void)
{
    identification();
    model_specific();
    control_registers();
    time_stamp();
}
