/* SPDX-License-Identifier: BSD-2-Clause */
/* Code that crosses a page boundary: faults of its second page, pages that are not neighbours in
 * memory, and changes of either half. */
#include "lib/guest.h"

static u8 page[4][4096] __attribute__((aligned(4096)));
/* mov $0x44332211, %eax; ret */
static const u8 text[] = {0xb8, 0x11, 0x22, 0x33, 0x44, 0xc3};

static void map(u64 first, u64 second)
{
    *page_entry(TEST_VA) = first;
    *page_entry(TEST_VA + 4096) = second;
    invlpg(TEST_VA);
    invlpg(TEST_VA + 4096);
}

/* So that `before` bytes of the text lie in the first page. */
static u64 put(unsigned before)
{
    for (unsigned i = 0; i < sizeof text; i++)
        *(i < before ? &page[0][4096 - before + i] : &page[2][i - before]) = text[i];
    return TEST_VA + 4096 - before;
}

static u32 call(u64 at)
{
    u32 r;
    __asm__ volatile("call *%1" : "=a"(r) : "r"(at) : "memory");
    return r;
}

static u64 target;
static u64 user_calls(void)
{
    return call(target);
}

static void second_page_faults(u64 at)
{
    u64 first = (u64)page[0] | PTE_P | PTE_W | PTE_U;
    map(first, 0);
    CHECK_EQ(TRY("call *%0", : : "r"(at) : "rax", TRY_CLOBBERS), 14);
    CHECK_EQ(caught.cr2, TEST_VA + 4096);
    CHECK_EQ(caught.rip, at); /* the whole instruction */
    CHECK_EQ(caught.error, 16);
    map(first, (u64)page[2] | PTE_P | PTE_NX);
    CHECK_EQ(TRY("call *%0", : : "r"(at) : "rax", TRY_CLOBBERS), 14);
    CHECK_EQ(caught.cr2, TEST_VA + 4096);
    CHECK_EQ(caught.error, 17);
    map(first, (u64)page[2] | PTE_P);
    target = at;
    CHECK_EQ(user_run(user_calls, 0), ~(u64)0 - 14); /* a supervisor page */
    CHECK_EQ(caught.cr2, TEST_VA + 4096);
    CHECK_EQ(caught.rip, at);
    CHECK_EQ(caught.error, 4 | 16 | 1);
}

static void either_half_changes(u64 at, unsigned before)
{
    map((u64)page[0] | PTE_P | PTE_W | PTE_U, (u64)page[2] | PTE_P | PTE_W | PTE_U);
    CHECK_EQ(call(at), 0x44332211);
    target = at;
    CHECK_EQ(user_run(user_calls, 0), 0x44332211);
    u32 low = 0x11;
    for (u32 i = 0; i < 20; i++) {
        page[2][4 - before] = (u8)i; /* the highest byte of the constant */
        CHECK_EQ(call(at), i << 24 | 0x332200 | low);
        if (before < 2)
            continue;
        low = i;
        page[0][4096 - before + 1] = (u8)i; /* the lowest */
        CHECK_EQ(call(at), i << 24 | 0x332200 | low);
    }
    /* The second page elsewhere. */
    for (unsigned i = 0; i < sizeof text; i++)
        page[1][i] = page[2][i];
    page[1][4 - before] = 0x99;
    map((u64)page[0] | PTE_P | PTE_W | PTE_U, (u64)page[1] | PTE_P | PTE_W | PTE_U);
    CHECK_EQ(call(at) >> 24, 0x99);
}

/* A branch to the text, often enough that an engine joins the two: which second page it runs on is
 * asked each time all the same. */
static void joined(u64 from, u8 *jump, u64 at, unsigned before)
{
    u32 distance = (u32)(at - from - 5);
    *jump = 0xe9;
    for (unsigned i = 0; i < 4; i++)
        jump[1 + i] = (u8)(distance >> 8 * i);
    put(before);
    for (unsigned i = 0; i < sizeof text; i++)
        page[1][i] = page[2][i];
    page[1][4 - before] = 0x99;
    map((u64)page[0] | PTE_P | PTE_W | PTE_U, (u64)page[2] | PTE_P | PTE_W | PTE_U);
    for (unsigned i = 0; i < 400; i++) {
        bool other = i % 100 >= 50;
        if (i % 50 == 0) {
            *page_entry(TEST_VA + 4096) = (u64)page[other ? 1 : 2] | PTE_P | PTE_W | PTE_U;
            invlpg(TEST_VA + 4096);
        }
        CHECK_EQ(call(from) >> 24, other ? 0x99 : 0x44);
    }
    *page_entry(TEST_VA + 4096) = (u64)page[1] | PTE_P | PTE_NX;
    invlpg(TEST_VA + 4096);
    CHECK_EQ(TRY("call *%0", : : "r"(from) : "rax", TRY_CLOBBERS), 14);
    CHECK_EQ(caught.cr2, TEST_VA + 4096);
    CHECK_EQ(caught.rip, at);
}

void guest_main(void)
{
    u64 behind = TEST_VA + 2 * 4096;
    *page_entry(behind) = (u64)page[3] | PTE_P | PTE_W | PTE_U;
    invlpg(behind);
    for (unsigned before = 1; before < 5; before++) {
        u64 at = put(before);
        second_page_faults(at);
        either_half_changes(at, before);
        joined(TEST_VA, page[0], at, before);
        joined(behind, page[3], at, before);
    }
}
