/* SPDX-License-Identifier: BSD-2-Clause */
/* The sensitive instructions about selectors and gates in ring 3: values of the guest's tables. */
#include "sensitive.h"

static u64 calls_vector_32(void)
{
    __asm__ volatile("int $32");
    return 1;
}

void guest_main(void)
{
    set_trap(0x80, on_int80);
    CHECK_EQ(user_run(lar_code, 0), 0xfb00 | (u64)0xa0 << 16);
    CHECK_EQ(user_run(lar_absent, 0), 0);
    CHECK_EQ(user_run(lsl_data, 0), 0xffffffff);
    CHECK_EQ(user_run(lsl_tss, 0), ~(u64)0); /* DPL 0 */
    CHECK_EQ(user_run(verr_kernel, 0), 0);
    CHECK_EQ(user_run(verw_user, 0), 1);
    CHECK_EQ(user_run(mov_cs, 0), 0x2b);
    CHECK_EQ(user_run(mov_ss, 0), 0x23);
    CHECK_EQ(user_run(push_pop_fs, 0), 0x23);
    CHECK_EQ(user_run(far_return, 0), 0x2b);
    CHECK_EQ(user_run(far_call, 0), 0x2b);
    CHECK_EQ(user_run(int_n, 0), 0x2b << 16);
    CHECK_EQ(user_run(calls_vector_32, 0), ~(u64)0 - 13); /* the gate's DPL is 0 */
    CHECK_EQ(caught.error, 32 << 3 | 2);
}
