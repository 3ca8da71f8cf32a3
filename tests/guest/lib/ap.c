/* SPDX-License-Identifier: BSD-2-Clause */
/* Starting other processors: INIT, start-up, and the way to ap_main(). */
#include "smp.h"

extern u8 ap_start[], ap_start_end[];
void *memcpy(void *d, const void *s, size_t n);
void ap_entry(void);

struct pointer {
    u16 limit;
    u64 base;
} __attribute__((packed));

static struct pointer idt;
static volatile u32 running = 1;
static u8 stacks[PROCESSORS_MAX][16384] __attribute__((aligned(16)));
extern u64 ap_stack; /* of the processor that starts next */

void ap_entry(void)
{
    __asm__ volatile("lidt %0" : : "m"(idt));
    apic_enable();
    running++;
    ap_main();
    for (;;)
        __asm__ volatile("sti; hlt" : : : "memory");
}

static void send(unsigned to, u32 command)
{
    apic_write(0x310, to << 24);
    apic_write(0x300, command);
}

/* Starts number n, the one after those that run. */
static void begin(unsigned n)
{
    __asm__ volatile("sidt %0" : "=m"(idt));
    memcpy((void *)0x8000, ap_start, (size_t)(ap_start_end - ap_start));
    ap_stack = (u64)stacks[n] + sizeof stacks[n];
    apic_enable();
    send(n, 0x4500); /* INIT */
    delay_us(10000);
    send(n, 0x4608); /* start-up at 0x8000 */
    for (int i = 0; i < 2000 && running == n; i++)
        delay_us(1000);
    if (running == n)
        skip("a processor does not start");
}

static unsigned present(void)
{
    u32 r[4];
    cpuid(1, 0, r);
    return r[1] >> 16 & 0xff;
}

void ap_begin(void)
{
    if (present() < 2)
        skip("this machine has one processor");
    begin(1);
}

unsigned ap_begin_all(void)
{
    unsigned n = 1;
    ap_begin();
    while (++n < present() && n < PROCESSORS_MAX)
        begin(n);
    return n;
}

unsigned processor(void)
{
    return apic_read(0x20) >> 24;
}

void ap_send(u32 command)
{
    send(1, command);
}
