/* SPDX-License-Identifier: BSD-2-Clause */
/* Unmasked SSE exceptions in ring 0 and in ring 3. */
#include "lib/guest.h"

enum { ZERO_DIVIDE = 1 << 2, MASK_ZERO_DIVIDE = 1 << 9 };
static const float one = 1, zero = 0;

static u64 divides(void)
{
    __asm__ volatile("movss %0, %%xmm0; divss %1, %%xmm0" : : "m"(one), "m"(zero));
    return 1;
}

void guest_main(void)
{
    u32 mxcsr = 0x1f80 & ~MASK_ZERO_DIVIDE, normal = 0x1f80, after;
    __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
    CHECK_EQ(TRY("movss %0, %%xmm0; divss %1, %%xmm0", : : "m"(one), "m"(zero) : TRY_CLOBBERS), 19);
    __asm__ volatile("stmxcsr %0; ldmxcsr %1" : "=m"(after) : "m"(mxcsr));
    CHECK_EQ(after & ZERO_DIVIDE, ZERO_DIVIDE);
    CHECK_EQ(user_run(divides, 0), ~(u64)0 - 19);
    __asm__ volatile("ldmxcsr %0" : : "m"(normal));
    CHECK_EQ(user_run(divides, 0), 1);
}
