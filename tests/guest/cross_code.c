/* SPDX-License-Identifier: BSD-2-Clause */
/* Two processors: one writes code while the other runs it. After a serializing instruction the
 * other must run what it was told of before [SDM3 8.1.3]; an aligned store of four bytes into an
 * instruction is whole or not there. */
#include "lib/smp.h"

enum { ROUNDS = 200, SLOTS = 2, IMMEDIATE = 4 };

/* Routines of one page, and one beside them that serializes and jumps forward to the first. */
static u8 page[4096] __attribute__((aligned(4096)));
static volatile u32 published, acknowledged, slot_now, slot_seen, other_done;
static volatile u32 bad, last;

static u8 *slot(unsigned n)
{
    return page + 1024 + 256 * n;
}

/* nopl; mov $value, %eax; ret, with the immediate aligned */
static void write_routine(volatile u8 *at, u32 value)
{
    static const u8 head[IMMEDIATE] = {0x0f, 0x1f, 0x00, 0xb8};
    for (unsigned i = 0; i < sizeof head; i++)
        at[i] = head[i];
    *(volatile u32 *)(at + IMMEDIATE) = value;
    at[IMMEDIATE + 4] = 0xc3;
}

/* push %rbx; xor %eax, %eax; cpuid; pop %rbx; jmp to the first slot, in the same page */
static void write_stub(void)
{
    static const u8 text[] = {0x53, 0x31, 0xc0, 0x0f, 0xa2, 0x5b, 0xe9};
    for (unsigned i = 0; i < sizeof text; i++)
        page[i] = text[i];
    *(volatile u32 *)(page + sizeof text) = (u32)(slot(0) - (page + sizeof text + 4));
}

static u32 call(const u8 *at)
{
    u32 value;
    __asm__ volatile("call *%1" : "=a"(value) : "r"(at) : "rcx", "rdx", "memory", "cc");
    return value;
}

static void serialize(void)
{
    u32 r[4];
    cpuid(0, 0, r);
}

static void judge(u32 value, u32 least)
{
    if (value < least || value > ROUNDS) {
        bad++;
        last = value;
    }
}

/* Runs what was published, again and again. */
void ap_main(void)
{
    for (u32 told = 0; told < ROUNDS;) {
        told = published;
        judge(call(page), told);
        told = published;
        serialize();
        judge(call(slot(0)), told);
        acknowledged = told;
    }
    acknowledged = ROUNDS;
    /* Whole routines, each written while the other one runs. */
    for (u32 told = 0; told < ROUNDS;) {
        u32 n = slot_now;
        told = n;
        serialize();
        u32 value = call(slot(n % SLOTS));
        judge(value, told);
        slot_seen = n;
    }
    other_done = 1;
}

void guest_main(void)
{
    write_stub();
    for (unsigned n = 0; n < SLOTS; n++)
        write_routine(slot(n), 0);
    ap_begin();
    for (u32 n = 1; n <= ROUNDS; n++) {
        *(volatile u32 *)(slot(0) + IMMEDIATE) = n;
        published = n;
        /* Now and then the other one comes to run it for a while. */
        while (n % 16 == 0 && acknowledged < n)
            __asm__ volatile("pause");
        if (n % 16 == 8)
            CHECK(call(slot(0)) == n);
    }
    while (acknowledged < ROUNDS)
        __asm__ volatile("pause");
    for (u32 n = 1; n <= ROUNDS; n++) {
        write_routine(slot(n % SLOTS), n);
        slot_now = n;
        while (slot_seen != n)
            __asm__ volatile("pause");
    }
    while (!other_done)
        __asm__ volatile("pause");
    CHECK_EQ(bad, 0);
    if (bad)
        CHECK_EQ(last, ROUNDS);
}
