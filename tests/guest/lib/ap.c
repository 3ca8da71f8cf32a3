/* SPDX-License-Identifier: BSD-2-Clause */
/* Starting a second processor: INIT, start-up, and the way to ap_main(). */
#include "smp.h"

extern u8 ap_start[], ap_start_end[];
void *memcpy(void *d, const void *s, size_t n);
void ap_entry(void);

struct pointer {
    u16 limit;
    u64 base;
} __attribute__((packed));

static struct pointer idt;
static volatile u32 id = 0xffffffff;

void ap_entry(void)
{
    __asm__ volatile("lidt %0" : : "m"(idt));
    apic_enable();
    id = apic_read(0x20) >> 24;
    ap_main();
    for (;;)
        __asm__ volatile("sti; hlt" : : : "memory");
}

void ap_begin(void)
{
    __asm__ volatile("sidt %0" : "=m"(idt));
    memcpy((void *)0x8000, ap_start, (size_t)(ap_start_end - ap_start));
    apic_enable();
    ap_send(0x4500); /* INIT */
    delay_us(10000);
    ap_send(0x4608); /* start-up at 0x8000 */
    for (int i = 0; i < 2000 && id == 0xffffffff; i++)
        delay_us(1000);
    if (id == 0xffffffff)
        skip("this machine has one processor");
    CHECK_EQ(id, 1);
}

void ap_send(u32 command)
{
    apic_write(0x310, 1 << 24);
    apic_write(0x300, command);
}
