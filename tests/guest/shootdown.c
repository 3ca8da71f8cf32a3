/* SPDX-License-Identifier: BSD-2-Clause */
/* Two processors: one changes a mapping or code that the other uses, and tells it by an interrupt.
 */
#include "lib/smp.h"

enum { ROUNDS = 50, SHOOTDOWN = 0x56 };
static u8 page[2][4096] __attribute__((aligned(4096)));
static volatile u32 acknowledged, ask, answered, sees;

static void on_shootdown(struct trap *t)
{
    invlpg(TEST_VA);
    acknowledged++;
    apic_eoi();
}

/* mov $value, %eax; ret */
static void put(volatile u8 *at, u32 value)
{
    at[0] = 0xb8;
    for (int i = 0; i < 4; i++)
        at[1 + i] = (u8)(value >> 8 * i);
    at[5] = 0xc3;
}

/* Answers with what the routine at TEST_VA returns. */
void ap_main(void)
{
    u32 r[4];
    for (;;) {
        __asm__ volatile("sti" : : : "memory");
        if (answered == ask)
            continue;
        cpuid(0, 0, r); /* serializes: code may have been changed by another processor */
        u32 value;
        __asm__ volatile("call *%1" : "=a"(value) : "r"(TEST_VA) : "memory");
        sees = value;
        answered = ask;
    }
}

static u32 other_sees(void)
{
    ask = ask + 1;
    while (answered != ask)
        __asm__ volatile("pause");
    return sees;
}

static void shoot_down(void)
{
    u32 before = acknowledged;
    invlpg(TEST_VA);
    ap_send(0x4000 | SHOOTDOWN);
    while (acknowledged == before)
        __asm__ volatile("pause");
}

void guest_main(void)
{
    put(page[0], 1);
    put(page[1], 2);
    *page_entry(TEST_VA) = (u64)page[0] | PTE_P | PTE_W;
    set_trap(SHOOTDOWN, on_shootdown);
    ap_begin();
    CHECK_EQ(other_sees(), 1);
    for (u32 i = 1; i <= ROUNDS; i++) {
        *page_entry(TEST_VA) = (u64)page[i & 1] | PTE_P | PTE_W;
        shoot_down();
        CHECK_EQ(other_sees(), (i & 1) + 1);
    }
    for (u32 i = 0; i < ROUNDS; i++) {
        put(page[ROUNDS & 1], 1000 + i);
        CHECK_EQ(other_sees(), 1000 + i);
    }
    /* Taken away altogether and put back elsewhere. */
    *page_entry(TEST_VA) = 0;
    shoot_down();
    put(page[1], 77);
    *page_entry(TEST_VA) = (u64)page[1] | PTE_P | PTE_W;
    shoot_down();
    CHECK_EQ(other_sees(), 77);
}
