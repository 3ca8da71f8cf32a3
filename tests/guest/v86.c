/* SPDX-License-Identifier: BSD-2-Clause */
/* Virtual-8086 mode, on the journey of modes_journey.S: entered by IRET, left by a fault. */
#include "lib/guest.h"

extern u8 journey[], journey_end[];
void *memcpy(void *d, const void *s, size_t n);

void guest_main(void)
{
    volatile u16 *mark = (volatile u16 *)0x7e00;
    memcpy((void *)0x7000, journey, (size_t)(journey_end - journey));
    for (int i = 0; i < 17; i++)
        mark[i] = 0xffff;
    ((void (*)(void))0x7000)();
    CHECK_EQ(mark[9], 9);
    CHECK_EQ(mark[10], 0x700);
    CHECK_EQ(mark[11], 0); /* INT n below IOPL 3 in virtual-8086 mode: #GP(0) */
    CHECK_EQ(mark[12], 0x700);
    CHECK_EQ(mark[13], 13);
}
