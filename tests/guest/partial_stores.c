/* SPDX-License-Identifier: BSD-2-Clause */
/* A store that crosses into a page where it faults changes nothing of the page before. */
#include "lib/guest.h"

static u8 page[2][4096] __attribute__((aligned(4096)));
static u64 second; /* flags of the second page's entry */

static void map(void)
{
    *page_entry(TEST_VA) = (u64)page[0] | PTE_P | PTE_W | PTE_U;
    *page_entry(TEST_VA + 4096) = second ? (u64)page[1] | second : 0;
    invlpg(TEST_VA);
    invlpg(TEST_VA + 4096);
    page[0][4095] = 0x55;
    page[1][0] = 0x66;
}

static u64 user_stores(void)
{
    *(volatile u32 *)(TEST_VA + 4095) = 0xffffffff;
    return 1;
}

static void faults(u64 error)
{
    map();
    CHECK_EQ(TRY("movl $-1, (%0)", : : "r"(TEST_VA + 4095) : TRY_CLOBBERS), 14);
    CHECK_EQ(caught.cr2, TEST_VA + 4096);
    CHECK_EQ(caught.error, error);
    CHECK_EQ(page[0][4095], 0x55);
    CHECK_EQ(user_run(user_stores, 0), ~(u64)0 - 14);
    CHECK_EQ(caught.cr2, TEST_VA + 4096);
    CHECK_EQ(caught.error, error | 4);
    CHECK_EQ(page[0][4095], 0x55);
    CHECK_EQ(page[1][0], 0x66);
}

void guest_main(void)
{
    faults(2);
    WRITE_CR(0, READ_CR(0) | 1 << 16); /* WP */
    second = PTE_P | PTE_U;
    faults(3);
    second = PTE_P | PTE_U | PTE_W;
    map();
    *(volatile u32 *)(TEST_VA + 4095) = 0x11223344;
    CHECK_EQ(page[0][4095], 0x44);
    CHECK_EQ(page[1][0], 0x33);
}
