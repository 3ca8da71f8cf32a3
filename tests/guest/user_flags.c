/* SPDX-License-Identifier: BSD-2-Clause */
/* IF and IOPL in ring 3: what PUSHF shows, what POPF may change, which instructions they allow. */
#include "sensitive.h"

static u64 uses_port(void)
{
    return in8(0x80);
}
static u64 toggles_interrupts(void)
{
    __asm__ volatile("sti; cli" : : : "memory");
    return read_flags() & 0x200;
}

void guest_main(void)
{
    CHECK_EQ(user_run(flags, 0) & 0x3200, 0);
    CHECK_EQ(user_run(flags, 0x3000) & 0x3200, 0x3000);
    CHECK_EQ(user_run(popf_if, 0), 0);
    CHECK_EQ(user_run(popf_if, 0x3000), 0x200);
    CHECK_EQ(user_run(toggles_interrupts, 0x3000), 0);
    CHECK_EQ(user_run(toggles_interrupts, 0), ~(u64)0 - 13);
    CHECK_EQ(user_run(uses_port, 0x3000) & ~(u64)0xff, 0);
    CHECK_EQ(user_run(uses_port, 0x2000), ~(u64)0 - 13); /* IOPL 2 */
}
