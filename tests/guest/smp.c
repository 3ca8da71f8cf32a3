/* SPDX-License-Identifier: BSD-2-Clause */
/* Two processors: INIT and SIPI, interrupts between them, locked instructions and memory ordering.
 */
#include "lib/smp.h"

static volatile u32 phase, ipis[2], shared;
static volatile u32 x, y, seen_x, seen_y, step_bsp, step_ap;
enum { COUNT = 20000, ROUNDS = 2000 };

static void on_ipi(struct trap *t)
{
    ipis[apic_read(0x20) >> 24 ? 1 : 0]++;
    apic_eoi();
}

static void count_up(void)
{
    for (int i = 0; i < COUNT; i++) {
        __asm__ volatile("lock incl %0" : "+m"(shared));
        u32 one = 1;
        __asm__ volatile("lock xaddl %0, %1" : "+r"(one), "+m"(shared));
        u32 old = shared;
        while (!__sync_bool_compare_and_swap(&shared, old, old + 1))
            old = shared;
    }
}

static void meet(volatile u32 *mine, volatile u32 *other, u32 step)
{
    __asm__ volatile("mfence" : : : "memory");
    *mine = step;
    while (*other < step)
        __asm__ volatile("pause");
}

/* Store buffering: with fences, both processors can't read the old value. */
static void litmus(volatile u32 *mine, volatile u32 *other, volatile u32 *result,
                   volatile u32 *my_step, volatile u32 *other_step, bool judge)
{
    for (u32 r = 0; r < ROUNDS; r++) {
        *mine = 0;
        meet(my_step, other_step, r * 3 + 1);
        *mine = 1;
        __asm__ volatile("mfence" : : : "memory");
        *result = *other;
        meet(my_step, other_step, r * 3 + 2);
        if (judge)
            CHECK(seen_x || seen_y);
        meet(my_step, other_step, r * 3 + 3);
    }
}

void ap_main(void)
{
    while (phase < 1)
        __asm__ volatile("sti; hlt; cli" : : : "memory");
    count_up();
    phase = 2;
    litmus(&y, &x, &seen_y, &step_ap, &step_bsp, false);
    phase = 4;
}

void guest_main(void)
{
    set_trap(0x55, on_ipi);
    ap_begin();
    phase = 1;
    ap_send(0x4055); /* wakes it from HLT */
    count_up();
    while (phase < 2)
        __asm__ volatile("pause");
    CHECK_EQ(shared, 2 * COUNT * 3);
    CHECK_EQ(ipis[1], 1);
    litmus(&x, &y, &seen_x, &step_bsp, &step_ap, true);
    while (phase < 4)
        __asm__ volatile("pause");

    /* One to itself by shorthand, one to all but itself. */
    apic_write(0x300, 0x44055);
    for (int i = 0; i < 1000 && !ipis[0]; i++) {
        __asm__ volatile("sti" : : : "memory");
        delay_us(100);
        __asm__ volatile("cli" : : : "memory");
    }
    CHECK_EQ(ipis[0], 1);
    apic_write(0x300, 0xc4055);
    for (int i = 0; i < 1000 && ipis[1] < 2; i++)
        delay_us(100);
    CHECK_EQ(ipis[1], 2);
}
