/* SPDX-License-Identifier: BSD-2-Clause */
/* Mode switches: the journey of modes_journey.S and the marks it leaves. */
#include "lib/guest.h"

extern u8 journey[], journey_end[];
void *memcpy(void *d, const void *s, size_t n);

void guest_main(void)
{
    volatile u16 *mark = (volatile u16 *)0x7e00;
    memcpy((void *)0x7000, journey, (size_t)(journey_end - journey));
    for (int i = 0; i < 14; i++)
        mark[i] = 0xffff;
    mark[16] = 0; /* not virtual-8086, which has a guest of its own */
    ((void (*)(void))0x7000)();
    CHECK_EQ(mark[0], 1);
    CHECK_EQ(mark[1], 4); /* DEC EAX was executed */
    CHECK_EQ(mark[2], 2);
    CHECK_EQ(*(volatile u32 *)0x7ee0, 0x12347cfc);
    CHECK_EQ(mark[3], 3);
    CHECK_EQ(mark[4], 4);
    CHECK_EQ(mark[5], 0x2345); /* the interrupt handler's sum */
    CHECK_EQ(mark[6], 6);
    CHECK_EQ(mark[7], 1); /* 7fff * 3 >> 16 */
    CHECK_EQ(mark[8], 8);
    CHECK_EQ(mark[13], 13);
    print("journey done\n");
}
