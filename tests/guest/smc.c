/* SPDX-License-Identifier: BSD-2-Clause */
/* Code that writes code: ahead of itself, behind, in the running instruction's page, through an
 * alias, and by a string instruction. */
#include "lib/guest.h"

static u8 code[2][4096] __attribute__((aligned(4096)));

/* mov eax, imm32; ret */
static void put(u8 *at, u32 value)
{
    at[0] = 0xb8;
    *(u32 *)(void *)(at + 1) = value;
    at[5] = 0xc3;
}
static u32 call(void *at)
{
    u32 r;
    __asm__ volatile("call *%1" : "=a"(r) : "r"(at) : "memory");
    return r;
}

static void rewritten_between_calls(void)
{
    for (u32 i = 0; i < 100; i++) {
        put(code[0], i);
        CHECK_EQ(call(code[0]), i);
    }
    for (u32 i = 0; i < 50; i++) {
        code[0][1] = (u8)i; /* one byte of an instruction in use */
        CHECK_EQ(call(code[0]) & 0xff, i);
    }
}

/* movb $imm, disp(%rip) onto the immediate of the next instruction of the same block. */
static void rewritten_ahead(void)
{
    u8 *p = code[0] + 64;
    static const u8 text[] = {
        0x40, 0x88, 0x3d, 1, 0, 0, 0, /* mov [rip+1], dil: the immediate below */
        0xb8, 0,    0,    0, 0,       /* mov eax, 0 */
        0xc3,
    };
    for (size_t i = 0; i < sizeof text; i++)
        p[i] = text[i];
    for (u32 v = 1; v < 20; v++) {
        u32 r;
        __asm__ volatile("call *%1" : "=a"(r) : "r"(p), "D"((u64)v) : "memory");
        CHECK_EQ(r, v);
    }
}

static void through_an_alias(void)
{
    *page_entry(TEST_VA) = (u64)code[1] | PTE_P | PTE_W;
    invlpg(TEST_VA);
    for (u32 i = 0; i < 20; i++) {
        put((u8 *)TEST_VA, i);
        CHECK_EQ(call(code[1]), i);
        put(code[1], i + 1000);
        CHECK_EQ(call((void *)TEST_VA), i + 1000);
    }
}

static void by_string_instruction(void)
{
    static u8 source[6];
    for (u32 i = 0; i < 20; i++) {
        put(source, i);
        void *d = code[1], *s = source;
        u64 n = 6;
        __asm__ volatile("rep movsb" : "+D"(d), "+S"(s), "+c"(n) : : "memory");
        CHECK_EQ(call(code[1]), i);
    }
}

/* The same linear address shows other code after the page table changes. */
static void remapped(void)
{
    put(code[0], 111);
    put(code[1], 222);
    for (int i = 0; i < 10; i++) {
        *page_entry(TEST_VA) = (u64)code[i & 1] | PTE_P | PTE_W;
        invlpg(TEST_VA);
        CHECK_EQ(call((void *)TEST_VA), i & 1 ? 222 : 111);
    }
}

void guest_main(void)
{
    rewritten_between_calls();
    rewritten_ahead();
    through_an_alias();
    by_string_instruction();
    remapped();
}
