/* SPDX-License-Identifier: BSD-2-Clause */
/* System instructions that run so often that an engine has a quick way for them: they still do the
 * same, and fault when they should, each time. */
#include "lib/guest.h"

enum { ROUNDS = 50, GP = 13, PF = 14, UD = 6, FSGSBASE = 1 << 16, SMAP = 1 << 21 };
#define STATUS ((u64)0x8d5)
#define DF     ((u64)0x400)

extern u64 page_directories[2048];
static u32 features[4];

static void flags_are_kept(void)
{
    for (u64 k = 0; k < 2048; k++) {
        u64 want = ((k * 0x9e3779b97f4a7c15u >> 20) & (STATUS | DF)) | 2, seen, after, cleared;
        __asm__ volatile("push %3; popfq; pushfq; cld; pushfq; pop %1; pop %0; pushfq; pop %2"
                         : "=&r"(seen), "=&r"(cleared), "=&r"(after)
                         : "r"(want)
                         : "cc", "memory");
        CHECK_EQ(seen, want);
        CHECK_EQ(cleared, want & ~DF);
        CHECK_EQ(after, want & ~DF);
    }
    for (u64 k = 0; k < ROUNDS; k++) { /* CLI and STI leave them alone */
        u64 want = (k * 0x9e3779b97f4a7c15u >> 20 & STATUS) | 2, on, off;
        __asm__ volatile("push %2; popfq; sti; nop; pushfq; cli; pushfq; pop %0; pop %1"
                         : "=&r"(off), "=&r"(on)
                         : "r"(want)
                         : "cc", "memory");
        CHECK_EQ(on, want | 0x200);
        CHECK_EQ(off, want);
    }
}

static volatile u64 interrupted_at, taken;
static void on_interrupt(struct trap *t)
{
    interrupted_at = t->rip;
    taken++;
    apic_eoi();
}

/* One that waits comes behind the instruction behind STI. */
static void shadow(void)
{
    set_trap(0x51, on_interrupt);
    for (u64 k = 0; k < ROUNDS; k++) {
        u64 n = 0, behind;
        taken = 0;
        apic_write(0x310, 0);
        apic_write(0x300, 0x40000 | 0x51);
        delay_us(20);
        __asm__ volatile("lea 1f(%%rip), %1\n\tsti\n\tinc %0\n1:\tinc %0\n\tcli"
                         : "+r"(n), "=&r"(behind)
                         :
                         : "cc", "memory");
        CHECK_EQ(taken, 1);
        CHECK_EQ(interrupted_at, behind);
        CHECK_EQ(n, 2);
    }
}

static int reads(u64 *p)
{
    return TRY("mov (%0), %%rax", : : "r"(p) : "rax", TRY_CLOBBERS);
}
static int reads_between(u64 *p)
{
    return TRY("stac; mov (%0), %%rax; clac", : : "r"(p) : "rax", TRY_CLOBBERS);
}
static int reads_behind(u64 *p)
{
    return TRY("stac; mov (%0), %%rax; clac; mov 8(%0), %%rax", : : "r"(p) : "rax", TRY_CLOBBERS);
}

static void user_memory(void)
{
    static u64 page[512] __attribute__((aligned(4096)));
    *page_entry(TEST_VA) = (u64)page | PTE_P | PTE_W | PTE_U;
    invlpg(TEST_VA);
    u64 *p = (u64 *)TEST_VA;
    page_directories[0] &= ~(u64)PTE_U; /* the image becomes the supervisor's */
    WRITE_CR(4, READ_CR(4) | SMAP);
    for (int k = 0; k < ROUNDS; k++) {
        CHECK_EQ(reads(p), PF);
        CHECK_EQ(caught.cr2, (u64)p);
        CHECK_EQ(READ_CR(2), (u64)p);
        CHECK_EQ(reads_between(p), -1);
        CHECK_EQ(reads(p + 1), PF);
        CHECK_EQ(reads_behind(p), PF);
        CHECK_EQ(caught.cr2, (u64)(p + 1));
    }
    WRITE_CR(4, READ_CR(4) & ~(u64)SMAP); /* the same code */
    page_directories[0] |= PTE_U;
    WRITE_CR(3, READ_CR(3));
    for (int k = 0; k < ROUNDS; k++) {
        CHECK_EQ(reads(p), -1);
        CHECK_EQ(reads_between(p), -1);
        CHECK_EQ(reads_behind(p), -1);
    }
}

static int write_fs(u64 v)
{
    return TRY("wrfsbase %0", : : "r"(v) : TRY_CLOBBERS);
}
static int write_fs_low(u64 v)
{
    return TRY("wrfsbase %k0", : : "r"(v) : TRY_CLOBBERS);
}
static int read_fs(u64 *v)
{
    return TRY("rdfsbase %0", : "=r"(*v) : : TRY_CLOBBERS);
}
static int read_fs_low(u64 *v)
{
    return TRY("rdfsbase %k0", : "=r"(*v) : : TRY_CLOBBERS);
}

static void bases(void)
{
    u64 v = 0, gs = rdmsr(0xc0000101);
    for (u64 k = 0; k < ROUNDS; k++) {
        u64 a = k << 12 | 0x12345, b = k << 20 | (u64)0xffff800000000000;
        wrmsr(0xc0000101, a);
        wrmsr(0xc0000102, b);
        __asm__ volatile("swapgs" : : : "memory");
        CHECK_EQ(rdmsr(0xc0000101), b);
        CHECK_EQ(rdmsr(0xc0000102), a);
    }
    wrmsr(0xc0000101, gs);
    if (!(features[1] & 1))
        return;
    WRITE_CR(4, READ_CR(4) | FSGSBASE);
    for (u64 k = 0; k < ROUNDS; k++) {
        u64 a = k << 33 | 0x80000001;
        CHECK_EQ(write_fs(a), -1);
        CHECK_EQ(read_fs(&v), -1);
        CHECK_EQ(v, a);
        CHECK_EQ(read_fs_low(&v), -1);
        CHECK_EQ(v, (u32)a);
        CHECK_EQ(write_fs((u64)1 << 47 | k), GP);
        CHECK_EQ(rdmsr(0xc0000100), a);
        CHECK_EQ(write_fs_low((u64)1 << 47 | k), -1);
        CHECK_EQ(rdmsr(0xc0000100), k);
    }
    WRITE_CR(4, READ_CR(4) & ~(u64)FSGSBASE);
    CHECK_EQ(write_fs(0), UD);
    CHECK_EQ(write_fs_low(0), UD);
    CHECK_EQ(read_fs(&v), UD);
    CHECK_EQ(read_fs_low(&v), UD);
    wrmsr(0xc0000100, 0);
}

static u64 masks_interrupts(void)
{
    __asm__ volatile("cli");
    return 0;
}
static u64 swaps(void)
{
    __asm__ volatile("swapgs");
    return 0;
}
static u64 reads_cr(void)
{
    return READ_CR(2);
}

static void not_for_users(void)
{
    for (int k = 0; k < ROUNDS; k++) {
        CHECK_EQ(user_run(masks_interrupts, 0), ~(u64)0 - GP);
        CHECK_EQ(user_run(swaps, 0), ~(u64)0 - GP);
        CHECK_EQ(user_run(reads_cr, 0), ~(u64)0 - GP);
    }
}

/* A bit of a string of words, and what CF and ZF are. */
#define BIT_STRING(op, suffix, type)                                                               \
    static bool op##suffix(void *p, type n, bool zero)                                             \
    {                                                                                              \
        bool carry, still_zero;                                                                    \
        __asm__ volatile("cmp $1, %4\n\t" #op " %3, (%2)\n\tsetc %0\n\tsetz %1"                    \
                         : "=&q"(carry), "=&q"(still_zero)                                         \
                         : "r"(p), "r"(n), "r"((u32)zero)                                          \
                         : "cc", "memory");                                                        \
        CHECK_EQ(still_zero, zero);                                                                \
        return carry;                                                                              \
    }                                                                                              \
    static bool op##suffix##_alone(void *p, type n)                                                \
    {                                                                                              \
        bool carry;                                                                                \
        __asm__ volatile(#op " %2, (%1)\n\tsetc %0"                                                \
                         : "=q"(carry)                                                             \
                         : "r"(p), "r"(n)                                                          \
                         : "cc", "memory");                                                        \
        return carry;                                                                              \
    }
BIT_STRING(bt, 32, u32)
BIT_STRING(bts, 32, u32)
BIT_STRING(btr, 64, u64)
BIT_STRING(btc, 64, u64)

static void bit_strings(void)
{
    static u8 bytes[512];
    u8 *middle = bytes + 256;
    for (unsigned k = 0; k < 3000; k++) {
        int n = (int)((k * 0x9e3779b97f4a7c15u >> 40) % 3800) - 1900;
        u8 *at = middle + (n >> 3), bit = (u8)(1 << (n & 7));
        bool was = *at & bit, is = k & 1 ? !was : k & 2;
        switch (k % 7) {
        case 0: CHECK_EQ(bts32(middle, (u32)n, k & 8), was), is = true; break;
        case 1: CHECK_EQ(bts32_alone(middle, (u32)n), was), is = true; break;
        case 2: CHECK_EQ(btr64(middle, (u64)(long long)n, k & 8), was), is = false; break;
        case 3: CHECK_EQ(btc64_alone(middle, (u64)(long long)n), was), is = !was; break;
        case 4: CHECK_EQ(bt32_alone(middle, (u32)n), was), is = was; break;
        case 5: CHECK_EQ(btc64(middle, (u64)(long long)n, k & 8), was), is = !was; break;
        default: CHECK_EQ(btr64_alone(middle, (u64)(long long)n), was), is = false;
        }
        CHECK_EQ((*at & bit) != 0, is);
    }
    CHECK_EQ(bt32(bytes, 0, true), bytes[0] & 1);
}

static u64 pair[4] __attribute__((aligned(16)));
static int exchange16(u64 *p, u64 low, u64 high, u64 *seen)
{
    return TRY("mov %2, %%rbx; mov %3, %%rcx; xor %%eax, %%eax; xor %%edx, %%edx;"
               "lock cmpxchg16b (%1); mov %%rax, %0",
               : "=&r"(*seen)
               : "r"(p), "r"(low), "r"(high)
               : "rax", "rbx", "rcx", "rdx", TRY_CLOBBERS);
}

static void pairs(void)
{
    u64 seen;
    for (u64 k = 1; k < ROUNDS; k++) {
        pair[0] = pair[1] = 0;
        CHECK_EQ(exchange16(pair, k, ~k, &seen), -1);
        CHECK_EQ(seen, 0);
        CHECK_EQ(pair[0], k);
        CHECK_EQ(pair[1], ~k);
        CHECK_EQ(exchange16(pair, 5, 5, &seen), -1);
        CHECK_EQ(seen, k);
        CHECK_EQ(pair[0], k);
        CHECK_EQ(exchange16(pair + 1, 5, 5, &seen), GP);
    }
}

static void control_registers(void)
{
    for (u64 k = 0; k < ROUNDS; k++) {
        WRITE_CR(2, k << 40 | k);
        CHECK_EQ(READ_CR(2), k << 40 | k);
        CHECK_EQ(READ_CR(0) >> 31, 1);
        CHECK(READ_CR(4) & 0x20);
    }
}

void guest_main(void)
{
    u32 r[4];
    cpuid(7, 0, features);
    cpuid(1, 0, r);
    flags_are_kept();
    shadow();
    if (features[1] >> 20 & 1)
        user_memory();
    bases();
    not_for_users();
    bit_strings();
    if (r[2] >> 13 & 1)
        pairs();
    control_registers();
}
