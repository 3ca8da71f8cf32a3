/* SPDX-License-Identifier: BSD-2-Clause */
/* The sensitive instructions must show the guest the virtual machine's value and never the host's:
 * all of them in ring 0, and in ring 3 those about tables and the machine status word.
 * (user_selectors and user_flags have the others.) */
#include "sensitive.h"

static void tables(u64 (*run)(u64 (*fn)(void)))
{
    CHECK_EQ(run(sgdt_base), (u64)gdt);
    CHECK_EQ(run(sgdt_limit), 0x57);
    CHECK(run(sidt_base) >= 0x100000 && run(sidt_base) < (u64)guest_end);
    CHECK_EQ(run(sldt), 0);
    CHECK_EQ(run(str), 0x40);
    CHECK_EQ(run(smsw), READ_CR(0) & 0xffff);
}

static u64 run_kernel(u64 (*fn)(void))
{
    return fn();
}
static u64 run_user(u64 (*fn)(void))
{
    return user_run(fn, 0);
}

static void kernel_selectors(void)
{
    u64 ss;
    __asm__ volatile("mov %%ss, %0" : "=r"(ss));
    CHECK_EQ(flags() & 0x3200, 0);
    CHECK_EQ(lar_code(), 0xfb00 | (u64)0xa0 << 16);
    CHECK_EQ(lar_absent(), 0);
    CHECK_EQ(lsl_data(), 0xffffffff);
    CHECK_EQ(lsl_tss(), 0x67);
    CHECK_EQ(verr_kernel(), 1);
    CHECK_EQ(verw_user(), 1);
    CHECK_EQ(mov_cs(), 8);
    CHECK_EQ(mov_ss(), ss);
    CHECK_EQ(push_pop_fs(), 0x23);
    CHECK_EQ(far_return(), 8);
    CHECK_EQ(far_call(), 8);
    CHECK_EQ(int_n(), 8 << 16);
}

static void prevented(void)
{
    u32 r[4];
    cpuid(7, 0, r);
    if (!(r[2] >> 2 & 1)) /* UMIP */
        return;
    WRITE_CR(4, READ_CR(4) | 1 << 11);
    CHECK_EQ(user_run(sgdt_base, 0), ~(u64)0 - 13);
    CHECK_EQ(user_run(sidt_base, 0), ~(u64)0 - 13);
    CHECK_EQ(user_run(sldt, 0), ~(u64)0 - 13);
    CHECK_EQ(user_run(smsw, 0), ~(u64)0 - 13);
    CHECK_EQ(user_run(str, 0), ~(u64)0 - 13);
    CHECK_EQ(sgdt_base(), (u64)gdt); /* ring 0 may */
    WRITE_CR(4, READ_CR(4) & ~(u64)(1 << 11));
}

void guest_main(void)
{
    set_trap(0x80, on_int80);
    tables(run_kernel);
    kernel_selectors();
    tables(run_user);
    prevented();
}
