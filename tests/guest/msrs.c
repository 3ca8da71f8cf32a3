/* SPDX-License-Identifier: BSD-2-Clause */
/* Model-specific registers: what they keep, what they refuse, by a table. */
#include "lib/guest.h"

enum { FAULTS = 1 };
static const struct row {
    u32 index, flags;
    u64 value; /* written, and read back unless it faults */
} rows[] = {
    {0xc0000081, 0, 0x001b000800000000},
    {0xc0000082, 0, 0xffff800000001000},
    {0xc0000082, 0, 0x00007ffffffff000},
    {0xc0000082, FAULTS, 0x0000800000000000},
    {0xc0000083, 0, 0xffffffffffffffff},
    {0xc0000083, FAULTS, 0xffff700000000000},
    {0xc0000084, 0, 0x47700},
    {0xc0000102, 0, 0xffff888000000000},
    {0xc0000102, FAULTS, 0x1000000000000000},
    {0xc0000100, 0, 0x123456789000},
    {0xc0000100, FAULTS, 0x8000000000000000},
    {0xc0000101, 0, 0xffffffff00000000},
    {0xc0000101, FAULTS, 0x0001000000000000},
    {0x174, 0, 0x8},
    {0x175, 0, 0xffff800000002000},
    {0x176, 0, 0xffff800000003000},
    {0x277, 0, 0x0007040600070406},
    {0x2ff, 0, 0xc06},
    {0x200, 0, 0xc0000000},
    {0x201, 0, 0xffc0000800},
    {0x250, 0, 0x0606060606060606},
    {0x268, 0, 0x0505050505050505},
    {0xc0000080, FAULTS, 0x100901},
    {0xc0000080, FAULTS, (u64)1 << 40 | 0xd01},
    {0x1b, FAULTS, (u64)1 << 62 | 0xfee00900},
    {0x1b, FAULTS, 0xfee00500}, /* x2APIC without the enable bit */
    {0x12345678, FAULTS, 0},
    {0xdeadbeef, FAULTS, 0},
};

static int write_msr(u32 index, u64 v)
{
    return TRY("wrmsr", : : "c"(index), "a"((u32)v), "d"((u32)(v >> 32)) : TRY_CLOBBERS);
}

static void table(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *r = &rows[i];
        bool there = TRY("rdmsr", : : "c"(r->index) : "rax", "rdx", TRY_CLOBBERS) < 0;
        u64 old = there ? rdmsr(r->index) : 0;
        int vector = write_msr(r->index, r->value);
        bool ok = vector == (r->flags & FAULTS ? 13 : -1);
        if (ok && there)
            ok = rdmsr(r->index) == (r->flags & FAULTS ? old : r->value);
        if (there && vector < 0)
            wrmsr(r->index, old);
        if (!ok) {
            print("register ");
            print_hex(r->index);
            print(" value ");
            print_hex(r->value);
            print("\n");
        }
        CHECK(ok);
        if (r->flags & FAULTS)
            CHECK_EQ(caught.error, 0);
    }
}

static u64 reads_efer(void)
{
    return rdmsr(0xc0000080);
}
static u64 writes_star(void)
{
    wrmsr(0xc0000081, 0);
    return 1;
}

/* What WRMSR loads is what instructions use. */
static void effects(void)
{
    static u64 word[2] = {0x1111, 0x2222};
    u64 got;
    wrmsr(0xc0000100, (u64)word);
    __asm__ volatile("mov %%fs:8, %0" : "=r"(got));
    CHECK_EQ(got, 0x2222);
    __asm__ volatile("mov %w0, %%fs" : : "r"(0)); /* a null selector: Intel clears the base */
    wrmsr(0xc0000101, (u64)(word + 1));
    __asm__ volatile("mov %%gs:0, %0" : "=r"(got));
    CHECK_EQ(got, 0x2222);
    wrmsr(0xc0000101, 0);
    wrmsr(0xc0000100, 0);
    u64 efer = rdmsr(0xc0000080);
    CHECK_EQ(efer & 0xd01, 0xd01);
    wrmsr(0xc0000080, efer & ~(u64)1); /* no SCE */
    CHECK_EQ(TRY("syscall", : : : "rcx", TRY_CLOBBERS), 6);
    wrmsr(0xc0000080, efer);
    CHECK_EQ(rdmsr(0x1b) & 0xfffff900, 0xfee00900); /* enabled, and this is the first processor */
}

void guest_main(void)
{
    table();
    effects();
    CHECK_EQ(user_run(reads_efer, 0), ~(u64)0 - 13);
    CHECK_EQ(user_run(writes_star, 0), ~(u64)0 - 13);
    CHECK_EQ(caught.error, 0);
}
