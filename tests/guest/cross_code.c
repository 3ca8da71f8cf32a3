/* SPDX-License-Identifier: BSD-2-Clause */
/* One processor writes code while the others run it. After a serializing instruction they
 * must run what it was told of before [SDM3 8.1.3]; an aligned store of four bytes into an
 * instruction is whole or not there. */
#include "lib/smp.h"

enum { ROUNDS = 120, SLOTS = 2, IMMEDIATE = 4 };

/* Routines of one page, and one beside them that serializes and jumps forward to the first. */
static u8 page[4096] __attribute__((aligned(4096)));
static volatile u32 published, slot_now;
static volatile u32 acknowledged[PROCESSORS_MAX], slot_seen[PROCESSORS_MAX];
static unsigned processors;
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
    unsigned me = processor();
    for (u32 told = 0; told < ROUNDS;) {
        told = published;
        judge(call(page), told);
        told = published;
        serialize();
        judge(call(slot(0)), told);
        acknowledged[me] = told;
    }
    /* Whole routines, each written while the other one runs. */
    for (u32 told = 0; told < ROUNDS;) {
        u32 n = slot_now;
        told = n;
        serialize();
        u32 value = call(slot(n % SLOTS));
        judge(value, told);
        slot_seen[me] = n;
    }
}

static void wait_for(volatile u32 *all, u32 least)
{
    for (unsigned p = 1; p < processors; p++)
        while (all[p] < least)
            __asm__ volatile("pause");
}

void guest_main(void)
{
    write_stub();
    for (unsigned n = 0; n < SLOTS; n++)
        write_routine(slot(n), 0);
    processors = ap_begin_all();
    for (u32 n = 1; n <= ROUNDS; n++) {
        *(volatile u32 *)(slot(0) + IMMEDIATE) = n;
        published = n;
        /* Now and then the others come to run it for a while. */
        if (n % 16 == 0)
            wait_for(acknowledged, n);
        if (n % 16 == 8)
            CHECK(call(slot(0)) == n);
    }
    wait_for(acknowledged, ROUNDS);
    for (u32 n = 1; n <= ROUNDS; n++) {
        write_routine(slot(n % SLOTS), n);
        slot_now = n;
        wait_for(slot_seen, n);
    }
    CHECK_EQ(bad, 0);
    if (bad)
        CHECK_EQ(last, ROUNDS);
}
