/* SPDX-License-Identifier: BSD-2-Clause */
/* Page-fault error codes, accessed and dirty bits, INVLPG, no-execute, write protection. */
#include "lib/guest.h"

static u8 page[2][4096] __attribute__((aligned(4096)));
enum { WP = 1 << 16, ERR_P = 1, ERR_W = 2, ERR_U = 4, ERR_RSVD = 8, ERR_I = 16 };

static void set_page(u64 flags)
{
    *page_entry(TEST_VA) = flags ? (u64)page[0] | flags : 0;
    invlpg(TEST_VA);
}

static int read_page(void)
{
    return TRY("mov (%0), %%al", : : "r"(TEST_VA) : "rax", TRY_CLOBBERS);
}
static int write_page(void)
{
    return TRY("movb $1, (%0)", : : "r"(TEST_VA) : TRY_CLOBBERS);
}
static int fetch_page(void)
{
    return TRY("call *%0", : : "r"(TEST_VA) : "rax", TRY_CLOBBERS);
}
static u64 user_reads(void)
{
    return *(volatile u8 *)TEST_VA;
}
static u64 user_writes(void)
{
    *(volatile u8 *)TEST_VA = 2;
    return 7;
}
static u64 user_fetches(void)
{
    ((void (*)(void))TEST_VA)();
    return 7;
}

static void supervisor(void)
{
    set_page(0);
    CHECK_EQ(read_page(), 14);
    CHECK_EQ(caught.error, 0);
    CHECK_EQ(caught.cr2, TEST_VA);
    CHECK_EQ(write_page(), 14);
    CHECK_EQ(caught.error, ERR_W);
    CHECK_EQ(fetch_page(), 14);
    CHECK_EQ(caught.error, ERR_I); /* NXE is on */

    set_page(PTE_P | PTE_W | PTE_NX);
    CHECK_EQ(read_page(), -1);
    CHECK_EQ(write_page(), -1);
    CHECK_EQ(fetch_page(), 14);
    CHECK_EQ(caught.error, ERR_I | ERR_P);

    set_page(PTE_P);
    CHECK_EQ(write_page(), -1); /* CR0.WP is clear */
    WRITE_CR(0, READ_CR(0) | WP);
    set_page(PTE_P);
    CHECK_EQ(write_page(), 14);
    CHECK_EQ(caught.error, ERR_P | ERR_W);
    WRITE_CR(0, READ_CR(0) & ~(u64)WP);

    set_page(PTE_P | PTE_W | (u64)1 << 51);
    u32 r[4];
    cpuid(0x80000008, 0, r);
    if ((r[0] & 0xff) < 52) {
        CHECK_EQ(read_page(), 14);
        CHECK_EQ(caught.error, ERR_P | ERR_RSVD);
    }
}

static void user(void)
{
    set_page(0);
    CHECK_EQ(user_run(user_reads, 0), ~(u64)0 - 14);
    CHECK_EQ(caught.error, ERR_U);
    set_page(PTE_P | PTE_W);
    CHECK_EQ(user_run(user_reads, 0), ~(u64)0 - 14);
    CHECK_EQ(caught.error, ERR_U | ERR_P);
    set_page(PTE_P | PTE_U);
    CHECK_EQ(user_run(user_reads, 0), page[0][0]);
    CHECK_EQ(user_run(user_writes, 0), ~(u64)0 - 14);
    CHECK_EQ(caught.error, ERR_U | ERR_P | ERR_W);
    set_page(PTE_P | PTE_U | PTE_W);
    CHECK_EQ(user_run(user_writes, 0), 7);
    CHECK_EQ(page[0][0], 2);
    page[0][0] = 0xc3;
    CHECK_EQ(user_run(user_fetches, 0), 7);
    set_page(PTE_P | PTE_U | PTE_NX);
    CHECK_EQ(user_run(user_fetches, 0), ~(u64)0 - 14);
    CHECK_EQ(caught.error, ERR_U | ERR_P | ERR_I);
}

static void accessed_and_dirty(void)
{
    u64 *e = page_entry(TEST_VA);
    set_page(PTE_P | PTE_W);
    CHECK_EQ(*e & (PTE_A | PTE_D), 0);
    read_page();
    CHECK_EQ(*e & (PTE_A | PTE_D), PTE_A);
    write_page();
    CHECK_EQ(*e & (PTE_A | PTE_D), PTE_A | PTE_D);
    /* A write fault leaves D alone. */
    WRITE_CR(0, READ_CR(0) | WP);
    set_page(PTE_P);
    write_page();
    CHECK_EQ(*e & PTE_D, 0);
    WRITE_CR(0, READ_CR(0) & ~(u64)WP);
    /* Upper levels get A as well. */
    extern u64 page_top[512];
    CHECK_EQ(page_top[TEST_VA >> 39 & 511] & PTE_A, PTE_A);
}

static void invalidation(void)
{
    u64 *e = page_entry(TEST_VA);
    page[0][100] = 1;
    page[1][100] = 2;
    set_page(PTE_P | PTE_W);
    volatile u8 *p = (volatile u8 *)(TEST_VA + 100);
    CHECK_EQ(*p, 1);
    *e = (u64)page[1] | PTE_P | PTE_W;
    invlpg(TEST_VA + 5);
    CHECK_EQ(*p, 2);
    *e = (u64)page[0] | PTE_P | PTE_W;
    WRITE_CR(3, READ_CR(3));
    CHECK_EQ(*p, 1);
    /* A global page survives a CR3 load, not the end of CR4.PGE. */
    WRITE_CR(4, READ_CR(4) | 1 << 7);
    set_page(PTE_P | PTE_W | PTE_G);
    CHECK_EQ(*p, 1);
    *e = (u64)page[1] | PTE_P | PTE_W | PTE_G;
    WRITE_CR(4, READ_CR(4) & ~(u64)(1 << 7));
    CHECK_EQ(*p, 2);
}

void guest_main(void)
{
    supervisor();
    user();
    accessed_and_dirty();
    invalidation();
}
