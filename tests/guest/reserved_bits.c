/* SPDX-License-Identifier: BSD-2-Clause */
/* Reserved bits and values of control registers and MSRs fault and change nothing. */
#include "lib/guest.h"

static void refuses_msr(u32 index, u64 v)
{
    u64 old = rdmsr(index);
    CHECK_EQ(TRY("wrmsr", : : "c"(index), "a"((u32)v), "d"((u32)(v >> 32)) : TRY_CLOBBERS), 13);
    CHECK_EQ(caught.error, 0);
    CHECK_EQ(rdmsr(index), old);
}

void guest_main(void)
{
    u64 cr0 = READ_CR(0), cr4 = READ_CR(4);
    CHECK_EQ(TRY("mov %0, %%cr0", : : "r"(cr0 | (u64)1 << 32) : TRY_CLOBBERS), 13);
    CHECK_EQ(TRY("mov %0, %%cr0", : : "r"(cr0 | 1 << 29) : TRY_CLOBBERS), 13); /* NW without CD */
    CHECK_EQ(READ_CR(0), cr0);
    CHECK_EQ(TRY("mov %0, %%cr4", : : "r"(cr4 | (u64)1 << 40) : TRY_CLOBBERS), 13);
    CHECK_EQ(TRY("mov %0, %%cr4", : : "r"(cr4 | 1 << 15) : TRY_CLOBBERS), 13);
    CHECK_EQ(READ_CR(4), cr4);
    CHECK_EQ(TRY("mov %0, %%cr3", : : "r"((u64)1 << 62) : TRY_CLOBBERS), 13);
    refuses_msr(0x277, 2);     /* PAT: a type that does not exist */
    refuses_msr(0x2ff, 0xc02); /* MTRRs: likewise, and reserved bits */
    refuses_msr(0x2ff, 0x1000);
    refuses_msr(0x200, 0xc0000003);
    refuses_msr(0x201, (u64)1 << 62);
    refuses_msr(0x250, 0x0606060606060602);
    refuses_msr(0x277, 0x0800000000000000); /* bits of an entry */
}
