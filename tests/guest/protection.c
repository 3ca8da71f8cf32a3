/* SPDX-License-Identifier: BSD-2-Clause */
/* Kernel and user pages apart: SMEP, SMAP, UMIP; PCID and INVPCID. The guest's image becomes
 * supervisor memory, and what runs in ring 3 does so through a user alias of it. */
#include "lib/guest.h"

enum {
    IMAGE = 0x100000,
    SMEP = 1 << 20,
    SMAP = 1 << 21,
    PCIDE = 1 << 17,
    ERR_P = 1,
    ERR_W = 2,
    ERR_U = 4,
    ERR_I = 16
};
#define OTHER_VA ((u64)0x20000000000)
#define NO_FLUSH ((u64)1 << 63)

extern u64 page_top[512], page_directories[2048];
static u32 features[4];

static u64 alias(const void *p)
{
    return (u64)p - IMAGE + TEST_VA;
}

static void separate(void)
{
    for (u64 a = IMAGE; a < (u64)guest_end; a += 4096)
        *page_entry(TEST_VA + a - IMAGE) = a | PTE_P | PTE_W | PTE_U;
    page_directories[0] &= ~(u64)PTE_U;
    WRITE_CR(3, READ_CR(3));
    user_offset = TEST_VA - IMAGE;
}

static u64 secret = 0x5ec7e7;
static u64 returns_five(void)
{
    return 5;
}
static u64 reads_alias(void)
{
    u64 v; /* relative to the alias that runs it */
    __asm__ volatile("mov secret(%%rip), %0" : "=r"(v));
    return v;
}
static u64 reads_kernel(void)
{
    u64 v;
    __asm__ volatile("mov secret, %0" : "=r"(v));
    return v;
}
static u64 calls_kernel(void)
{
    u64 v;
    __asm__ volatile("mov $returns_five, %0; call *%0" : "=a"(v));
    return v;
}
static u64 invalidates(void)
{
    u64 d[2] = {0, 0};
    __asm__ volatile("invpcid %0, %1" : : "m"(d), "r"((u64)2));
    return 0;
}

static void user_stays_out(void)
{
    secret++;
    CHECK_EQ(user_run(returns_five, 0), 5);
    CHECK_EQ(user_run(reads_alias, 0), secret);
    CHECK_EQ(user_run(reads_kernel, 0), ~(u64)0 - 14);
    CHECK_EQ(caught.cr2, (u64)&secret);
    CHECK_EQ(caught.error, ERR_P | ERR_U);
    CHECK_EQ(user_run(calls_kernel, 0), ~(u64)0 - 14);
    CHECK_EQ(caught.cr2, (u64)returns_five);
    CHECK_EQ(caught.error, ERR_P | ERR_U | ERR_I);
}

static int call_alias(void)
{
    return TRY("call *%0", : : "r"(alias(returns_five)) : "rax", TRY_CLOBBERS);
}

static void smep(void)
{
    CHECK_EQ(call_alias(), -1);
    WRITE_CR(4, READ_CR(4) | SMEP);
    CHECK_EQ(call_alias(), 14);
    CHECK_EQ(caught.error, ERR_P | ERR_I);
    CHECK_EQ(caught.cr2, alias(returns_five));
    CHECK_EQ(user_run(returns_five, 0), 5);
    CHECK_EQ(TRY("mov (%0), %%al", : : "r"(alias(&secret)) : "rax", TRY_CLOBBERS), -1);
    WRITE_CR(4, READ_CR(4) & ~(u64)SMEP);
    CHECK_EQ(call_alias(), -1);
}

static int read_alias(void)
{
    return TRY("mov (%0), %%al", : : "r"(alias(&secret)) : "rax", TRY_CLOBBERS);
}
static int write_alias(void)
{
    return TRY("movb $1, (%0)", : : "r"(alias(&secret)) : TRY_CLOBBERS);
}

/* The table itself in user memory: an implicit access, which AC does not allow [SDM3 4.6.1]. */
static int load_descriptor(void)
{
    struct {
        u16 limit;
        u64 base;
    } __attribute__((packed)) there = {0x57, alias(gdt)}, back = {0x57, (u64)gdt};
    __asm__ volatile("lgdt %0" : : "m"(there));
    int v = TRY("mov %w0, %%es", : : "r"(0x10) : TRY_CLOBBERS);
    __asm__ volatile("lgdt %0" : : "m"(back));
    return v;
}

static void smap(void)
{
    CHECK_EQ(load_descriptor(), -1);
    WRITE_CR(4, READ_CR(4) | SMAP);
    __asm__ volatile("clac" : : : "cc");
    CHECK_EQ(read_alias(), 14);
    CHECK_EQ(caught.error, ERR_P);
    CHECK_EQ(caught.cr2, alias(&secret));
    CHECK_EQ(write_alias(), 14);
    CHECK_EQ(caught.error, ERR_P | ERR_W);
    __asm__ volatile("stac" : : : "cc");
    CHECK_EQ(read_flags() >> 18 & 1, 1);
    CHECK_EQ(read_alias(), -1);
    CHECK_EQ(write_alias(), -1);
    __asm__ volatile("clac" : : : "cc");
    CHECK_EQ(call_alias(), -1); /* fetches are SMEP's */
    WRITE_CR(4, READ_CR(4) & ~(u64)SMAP);
    CHECK_EQ(read_alias(), -1);
}

static u64 other_top[512] __attribute__((aligned(4096)));
static u64 tables[3][512] __attribute__((aligned(4096)));
static u64 page[3][512] __attribute__((aligned(4096)));

static void invpcid(u64 type, u64 pcid, u64 va)
{
    u64 d[2] = {pcid, va};
    __asm__ volatile("invpcid %0, %1" : : "m"(d), "r"(type) : "memory");
}
static int invpcid_faults(u64 type, u64 pcid, u64 va)
{
    u64 d[2] = {pcid, va};
    return TRY("invpcid %0, %1", : : "m"(d), "r"(type) : TRY_CLOBBERS);
}

static u64 other_value(void)
{
    return *(volatile u64 *)OTHER_VA;
}

/* OTHER_VA is page 0 in the first address space and page 1 in the second. */
static void two_spaces(void)
{
    for (int i = 0; i < 512; i++)
        other_top[i] = page_top[i];
    other_top[OTHER_VA >> 39 & 511] = (u64)tables[0] | PTE_P | PTE_W;
    tables[0][0] = (u64)tables[1] | PTE_P | PTE_W;
    tables[1][0] = (u64)tables[2] | PTE_P | PTE_W;
    tables[2][0] = (u64)page[1] | PTE_P | PTE_W;
    *page_entry(OTHER_VA) = (u64)page[0] | PTE_P | PTE_W;
    for (u64 i = 0; i < 3; i++)
        page[i][0] = 100 + i;
}

static u64 call_other(void)
{
    u64 v = 0;
    for (int i = 0; i < 30; i++) /* so that it gets as quick as it can */
        v += ((u64(*)(void))OTHER_VA)();
    return v / 30;
}

/* Other code at the same address in each space, and elsewhere after INVLPG. */
static void pcid_code(u64 first, u64 second)
{
    enum { PGE = 0x80 };
    for (u64 i = 0; i < 3; i++) {
        page[i][0] = 0xb8 | (100 + i) << 8; /* mov eax, 100 + i */
        page[i][1] = 0;
        ((u8 *)page[i])[5] = 0xc3;
    }
    tables[2][0] = (u64)page[1] | PTE_P | PTE_W;
    WRITE_CR(3, second);
    for (int round = 0; round < 4; round++)
        for (int i = 0; i < 6; i++) {
            WRITE_CR(3, (i & 1 ? second : first) | NO_FLUSH);
            CHECK_EQ(call_other(), 100 + (i & 1));
        }
    for (u64 i = 0; i < 6; i++) { /* running in the second */
        tables[2][0] = (u64)page[i % 3] | PTE_P | PTE_W;
        invlpg(OTHER_VA);
        CHECK_EQ(call_other(), 100 + i % 3);
        WRITE_CR(3, first | NO_FLUSH);
        CHECK_EQ(call_other(), 100);
        WRITE_CR(3, second | NO_FLUSH);
        CHECK_EQ(call_other(), 100 + i % 3);
    }
    /* A global translation of one space may be met in all, until INVLPG in any. */
    u64 cr4 = READ_CR(4);
    WRITE_CR(4, cr4 | PGE);
    for (u64 i = 0; i < 6; i++) {
        tables[2][0] = (u64)page[i % 3] | PTE_P | PTE_W | PTE_G;
        *page_entry(OTHER_VA) = (u64)page[i % 3] | PTE_P | PTE_W | PTE_G;
        invlpg(OTHER_VA);
        CHECK_EQ(call_other(), 100 + i % 3);
        WRITE_CR(3, (i & 1 ? second : first) | NO_FLUSH);
        CHECK_EQ(call_other(), 100 + i % 3);
    }
    tables[2][0] = *page_entry(OTHER_VA) = (u64)page[2] | PTE_P | PTE_W;
    WRITE_CR(4, cr4); /* drops the global ones */
    CHECK_EQ(call_other(), 102);
}

static void pcid(void)
{
    u64 first = (u64)page_top | 1, second = (u64)other_top | 2;
    bool has_invpcid = features[1] >> 10 & 1;
    two_spaces();
    CHECK_EQ(TRY("mov %0, %%cr3", : : "r"((u64)page_top | NO_FLUSH) : TRY_CLOBBERS), 13);
    WRITE_CR(3, (u64)page_top | 0x18);
    CHECK_EQ(TRY("mov %0, %%cr4", : : "r"(READ_CR(4) | PCIDE) : TRY_CLOBBERS), 13);
    WRITE_CR(3, page_top);
    WRITE_CR(4, READ_CR(4) | PCIDE);
    WRITE_CR(3, first);
    CHECK_EQ(READ_CR(3), first);
    CHECK_EQ(other_value(), 100);
    WRITE_CR(3, second);
    CHECK_EQ(other_value(), 101);
    for (int i = 0; i < 4; i++) {
        WRITE_CR(3, (i & 1 ? second : first) | NO_FLUSH);
        CHECK_EQ(READ_CR(3), i & 1 ? second : first); /* bit 63 is not kept */
        CHECK_EQ(other_value(), 100 + (i & 1));
    }
    /* A change in the second space, made from the first. */
    for (u64 type = 0; has_invpcid && type < 4; type++) {
        WRITE_CR(3, first | NO_FLUSH);
        u64 n = type & 1 ? 1 : 2;
        tables[2][0] = (u64)page[n] | PTE_P | PTE_W;
        invpcid(type, type < 2 ? 2 : 0, type ? 0 : OTHER_VA);
        CHECK_EQ(other_value(), 100);
        WRITE_CR(3, second | NO_FLUSH);
        CHECK_EQ(other_value(), 100 + n);
    }
    if (has_invpcid) {
        CHECK_EQ(invpcid_faults(4, 0, 0), 13);
        CHECK_EQ(invpcid_faults(1, 4096, 0), 13);
        CHECK_EQ(invpcid_faults(0, 1, (u64)1 << 47), 13);
        CHECK_EQ(user_run(invalidates, 0), ~(u64)0 - 13);
    }
    pcid_code(first, second);
    CHECK_EQ(TRY("mov %0, %%cr0", : : "r"(READ_CR(0) & 0x7fffffff) : TRY_CLOBBERS), 13);
    WRITE_CR(3, page_top);
    WRITE_CR(4, READ_CR(4) & ~(u64)PCIDE);
}

void guest_main(void)
{
    u32 r[4];
    cpuid(7, 0, features);
    cpuid(1, 0, r);
    separate();
    user_stays_out();
    if (features[1] >> 7 & 1)
        smep();
    if (features[1] >> 20 & 1)
        smap();
    if (r[2] >> 17 & 1)
        pcid();
}
