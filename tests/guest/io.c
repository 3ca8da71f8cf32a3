/* SPDX-License-Identifier: BSD-2-Clause */
/* Port and memory-mapped I/O of every size, through registers whose value is known. */
#include "lib/guest.h"

enum { HPET = 0xfed00000 };

static void ports(void)
{
    out32(0xcf8, 0x80000000);
    CHECK_EQ(in32(0xcf8), 0x80000000);
    CHECK_EQ(in32(0xcfc), 0x29c08086);
    CHECK_EQ(in16(0xcfc), 0x8086);
    CHECK_EQ(in16(0xcfe), 0x29c0);
    CHECK_EQ(in8(0xcfd), 0x80);
    CHECK_EQ(in8(0xcff), 0x29);
    CHECK_EQ(in8(0x1ff7), 0xff); /* nobody there: all ones */
    CHECK_EQ(in32(0x1ff0), 0xffffffff);
}

static void string_ports(void)
{
    u8 buf[4] = {1, 2, 3, 4};
    void *p = buf;
    u64 n = 4;
    out32(0xcf8, 0x80000000);
    __asm__ volatile("rep insb" : "+D"(p), "+c"(n) : "d"(0xcfc) : "memory");
    CHECK_EQ(n, 0);
    CHECK_EQ((u64)p - (u64)buf, 4);
    CHECK_EQ(buf[0], 0x86);
    CHECK_EQ(buf[3], 0x86); /* the same port each time */
    u32 words[2] = {0x80000004, 0x80000000};
    const void *s = words;
    n = 2;
    __asm__ volatile("rep outsl" : "+S"(s), "+c"(n) : "d"(0xcf8) : "memory");
    CHECK_EQ(in32(0xcf8), 0x80000000);
}

static void memory_mapped(void)
{
    out32(0xcf8, 0x80000060); /* PCIEXBAR */
    u32 bar = in32(0xcfc);
    if (bar & 1) {
        u64 ecam = bar & 0xf0000000;
        CHECK_EQ(mmio_read32(ecam), 0x29c08086);
        CHECK_EQ(mmio_read16(ecam + 2), 0x29c0);
        CHECK_EQ(mmio_read8(ecam + 1), 0x80);
    }
    u64 id = mmio_read64(HPET);
    CHECK_EQ(id >> 16 & 0xffff, 0x8086);
    CHECK_EQ(mmio_read32(HPET), (u32)id);
    CHECK_EQ(mmio_read32(HPET + 4), id >> 32);
    mmio_write64(HPET + 0xf0, 0);
    mmio_write64(HPET + 0x10, 1);
    u64 a = mmio_read64(HPET + 0xf0);
    delay_us(100);
    u64 b = mmio_read64(HPET + 0xf0);
    CHECK(b > a);
    mmio_write64(HPET + 0x10, 0);
    /* Instructions other than MOV reach devices too. */
    u32 v = 0;
    __asm__ volatile("addl (%1), %0" : "+r"(v) : "r"((u64)HPET) : "cc");
    CHECK_EQ(v, (u32)id);
    u8 wide[8];
    void *d = wide;
    const void *s = (void *)HPET;
    u64 n = 1;
    __asm__ volatile("rep movsq" : "+D"(d), "+S"(s), "+c"(n) : : "memory");
    CHECK_EQ(*(u64 *)wide, id);
}

void guest_main(void)
{
    ports();
    string_ports();
    memory_mapped();
}
