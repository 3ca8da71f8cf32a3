/* SPDX-License-Identifier: BSD-2-Clause */
/* The time-stamp counter: goes forward, can be set and moved, can be hidden from ring 3. */
#include "lib/guest.h"

enum { TSD = 4, TSC = 0x10, TSC_ADJUST = 0x3b, TSC_AUX = 0xc0000103 };

static u64 reads(void)
{
    return rdtsc();
}
static u64 reads_with_aux(void)
{
    u32 aux;
    __asm__ volatile("rdtscp" : "=c"(aux) : : "rax", "rdx");
    return aux;
}

static bool has(u32 leaf, unsigned reg, unsigned bit)
{
    u32 r[4];
    cpuid(leaf, 0, r);
    return r[reg] >> bit & 1;
}

static void forward(void)
{
    u64 last = rdtsc();
    for (int i = 0; i < 2000; i++) {
        u64 now = i & 1 ? user_run(reads, 0) : rdtsc();
        CHECK(now >= last);
        last = now;
    }
    delay_us(1000);
    CHECK(rdtsc() > last);
}

static void moved(void)
{
    u64 far = (u64)1 << 50, before = rdtsc();
    wrmsr(TSC, before + far);
    u64 after = rdtsc();
    CHECK(after >= before + far);
    CHECK(rdmsr(TSC) >= after);
    CHECK(user_run(reads, 0) >= after); /* the same counter */
    if (has(7, 1, 1)) {
        u64 adjust = rdmsr(TSC_ADJUST);
        CHECK(adjust >= far - ((u64)1 << 45)); /* it has followed the write */
        wrmsr(TSC_ADJUST, adjust + far);
        CHECK(rdtsc() >= after + far);
        wrmsr(TSC_ADJUST, adjust);
        after = rdtsc();
        CHECK(after >= before + far && after < before + far + far);
    }
}

static void hidden(void)
{
    WRITE_CR(4, READ_CR(4) | TSD);
    CHECK_EQ(user_run(reads, 0), ~(u64)0 - 13);
    CHECK(rdtsc() > 0);
    WRITE_CR(4, READ_CR(4) & ~(u64)TSD);
    CHECK(user_run(reads, 0) < ~(u64)0 - 256);
    if (!has(0x80000001, 3, 27))
        return;
    wrmsr(TSC_AUX, 0x1234);
    CHECK_EQ(reads_with_aux(), 0x1234);
    CHECK_EQ(user_run(reads_with_aux, 0), 0x1234);
}

void guest_main(void)
{
    forward();
    moved();
    hidden();
}
