/* SPDX-License-Identifier: BSD-2-Clause */
/* Exceptions of the vectors a program can raise, their error codes and saved instruction
 * pointers, and INT n to every vector. */
#include "lib/guest.h"

static void contributory(void)
{
    CHECK_EQ(TRY("xor %%ecx, %%ecx; xor %%edx, %%edx; mov $1, %%eax; div %%ecx",
                 :
                 :
                 : "rax", "rcx", "rdx", TRY_CLOBBERS),
             0);
    CHECK_EQ(TRY("ud2", : : : TRY_CLOBBERS), 6);
    CHECK_EQ(TRY(".byte 0xf0, 0x01, 0xc1", : : : "rcx", TRY_CLOBBERS), 6); /* lock add ecx, eax */
    CHECK_EQ(TRY("mov %0, %%cr4", : : "r"((u64)1 << 40) : TRY_CLOBBERS), 13);
    CHECK_EQ(caught.error, 0);
    CHECK_EQ(TRY("mov (%0), %%al", : : "r"((u64)1 << 47) : "rax", TRY_CLOBBERS), 13);
    CHECK_EQ(TRY("mov %0, %%rsp; push %%rax; ", : : "r"((u64)1 << 62) : TRY_CLOBBERS), 12);
    CHECK_EQ(TRY("mov %w0, %%ds", : : "r"(0xfff8) : TRY_CLOBBERS), 13);
    CHECK_EQ(caught.error, 0xfff8);
    CHECK_EQ(TRY("int3", : : : TRY_CLOBBERS), 3);
    CHECK_EQ(TRY("int $4", : : : TRY_CLOBBERS), 4);
    CHECK_EQ(TRY(".byte 0xf1", : : : TRY_CLOBBERS), 1);
}

static void saved_pointers(void)
{
    u64 at;
    TRY("lea 7f(%%rip), %0; 7: ud2", : "=&r"(at) : : TRY_CLOBBERS);
    CHECK_EQ(caught.rip, at); /* a fault: at the instruction */
    TRY("lea 7f(%%rip), %0; int3; 7:", : "=&r"(at) : : TRY_CLOBBERS);
    CHECK_EQ(caught.rip, at); /* a trap: after it */
}

static void segment_not_present(void)
{
    u64 *slot = (u64 *)(gdt + 0x50), old = *slot;
    *slot &= ~((u64)1 << 47);
    CHECK_EQ(TRY("mov %w0, %%es", : : "r"(0x50) : TRY_CLOBBERS), 11);
    CHECK_EQ(caught.error, 0x50);
    CHECK_EQ(TRY("mov %w0, %%ss", : : "r"(0x50) : TRY_CLOBBERS), 12);
    CHECK_EQ(caught.error, 0x50);
    *slot = old;
    CHECK_EQ(TRY("ltr %w0", : : "r"(0x40) : TRY_CLOBBERS), 13); /* busy */
    CHECK_EQ(caught.error, 0x40);
}

static void floating_point(void)
{
    u32 cr0_ts = 8;
    WRITE_CR(0, READ_CR(0) | cr0_ts);
    CHECK_EQ(TRY("fld1", : : : TRY_CLOBBERS), 7);
    CHECK_EQ(TRY("movaps %%xmm0, %%xmm1", : : : TRY_CLOBBERS), 7);
    WRITE_CR(0, READ_CR(0) & ~(u64)cr0_ts);

    u16 control = 0x37b; /* zero divide unmasked */
    __asm__ volatile("fninit; fldcw %0; fld1; fldz; fdivrp" : : "m"(control));
    CHECK_EQ(TRY("fwait", : : : TRY_CLOBBERS), 16);
    __asm__ volatile("fnclex; fninit");

    u64 word[4];
    CHECK_EQ(TRY("movaps %%xmm0, 8(%0)", : : "r"((u64)word & ~(u64)15) : TRY_CLOBBERS), 13);
}

static u64 unaligned_access(void)
{
    static u64 two[2];
    volatile u32 *p = (volatile u32 *)((char *)two + 1);
    return *p;
}
static u64 halts(void)
{
    __asm__ volatile("hlt");
    return 1;
}
static u64 reads_cr0(void)
{
    return READ_CR(0);
}
static u64 uses_port(void)
{
    return in8(0x80);
}
static u64 disables_interrupts(void)
{
    __asm__ volatile("cli");
    return 1;
}
static void from_ring_3(void)
{
    enum { AC = 1 << 18 };
    WRITE_CR(0, READ_CR(0) | 1 << 18);
    CHECK_EQ(user_run(unaligned_access, AC), ~(u64)0 - 17);
    CHECK_EQ(caught.error, 0);
    CHECK_EQ(user_run(unaligned_access, 0), 0);
    WRITE_CR(0, READ_CR(0) & ~(u64)(1 << 18));
    CHECK_EQ(user_run(halts, 0), ~(u64)0 - 13);
    CHECK_EQ(user_run(reads_cr0, 0), ~(u64)0 - 13);
    CHECK_EQ(user_run(uses_port, 0), ~(u64)0 - 13);
    CHECK_EQ(user_run(disables_interrupts, 0), ~(u64)0 - 13);
}

static volatile unsigned last_vector;
static void note_vector(struct trap *t)
{
    last_vector = (unsigned)t->vector;
}

/* int n; ret for every vector, made at run time. */
static void every_interrupt(void)
{
    static u8 code[4] __attribute__((aligned(16))) = {0xcd, 0, 0xc3};
    for (unsigned v = 32; v < 256; v++) {
        set_trap(v, note_vector);
        last_vector = 0;
        code[1] = (u8)v;
        ((void (*)(void))(u64)code)();
        CHECK_EQ(last_vector, v);
        set_trap(v, 0);
    }
}

void guest_main(void)
{
    contributory();
    saved_pointers();
    segment_not_present();
    floating_point();
    from_ring_3();
    every_interrupt();
}
