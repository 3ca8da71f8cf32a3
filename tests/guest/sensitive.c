/* SPDX-License-Identifier: BSD-2-Clause */
/* The instructions that show or change machine state without trapping on the plain architecture
 * (the sensitive, unprivileged ones of Popek and Goldberg's theorem): each must show the guest the
 * virtual machine's value, in ring 0 and in ring 3, and never the host's. */
#include "lib/guest.h"

struct table {
    u16 limit;
    u64 base;
} __attribute__((packed));

static u64 sgdt_base(void)
{
    struct table t;
    __asm__ volatile("sgdt %0" : "=m"(t));
    return t.base;
}
static u64 sgdt_limit(void)
{
    struct table t;
    __asm__ volatile("sgdt %0" : "=m"(t));
    return t.limit;
}
static u64 sidt_base(void)
{
    struct table t;
    __asm__ volatile("sidt %0" : "=m"(t));
    return t.base;
}
static u64 sldt(void)
{
    u64 r = 0;
    __asm__ volatile("sldt %w0" : "+r"(r));
    return r;
}
static u64 str(void)
{
    u64 r = 0;
    __asm__ volatile("str %w0" : "+r"(r));
    return r;
}
static u64 smsw(void)
{
    u64 r = 0;
    __asm__ volatile("smsw %w0" : "+r"(r));
    return r;
}
static u64 flags(void)
{
    return read_flags();
}
/* POPF below IOPL leaves IF alone and does not fault. */
static u64 popf_if(void)
{
    __asm__ volatile("pushfq; xorq $0x200, (%%rsp); popfq" : : : "memory", "cc");
    return read_flags() & 0x200;
}
static u64 lar_code(void)
{
    u64 r = 0;
    u8 ok;
    __asm__ volatile("lar %2, %0; setz %1" : "+r"(r), "=q"(ok) : "r"((u64)0x28) : "cc");
    return ok ? r & 0xf0ff00 : 0; /* limit bits 19:16 are undefined in the result */
}
static u64 lar_absent(void)
{
    u64 r = 0;
    u8 ok;
    __asm__ volatile("lar %2, %0; setz %1" : "+r"(r), "=q"(ok) : "r"((u64)0x7f8) : "cc");
    return ok;
}
static u64 lsl_tss(void)
{
    u64 r = 0;
    u8 ok;
    __asm__ volatile("lsl %2, %0; setz %1" : "+r"(r), "=q"(ok) : "r"((u64)0x40) : "cc");
    return ok ? r : ~(u64)0;
}
static u64 lsl_data(void)
{
    u64 r = 0;
    u8 ok;
    __asm__ volatile("lsl %2, %0; setz %1" : "+r"(r), "=q"(ok) : "r"((u64)0x20) : "cc");
    return ok ? r : 0;
}
static u64 verr_kernel(void)
{
    u8 ok;
    __asm__ volatile("verr %w1; setz %0" : "=q"(ok) : "r"(0x10) : "cc");
    return ok;
}
static u64 verw_user(void)
{
    u8 ok;
    __asm__ volatile("verw %w1; setz %0" : "=q"(ok) : "r"(0x23) : "cc");
    return ok;
}
static u64 mov_cs(void)
{
    u64 r = 0;
    __asm__ volatile("mov %%cs, %0" : "=r"(r));
    return r;
}
static u64 mov_ss(void)
{
    u64 r = 0;
    __asm__ volatile("mov %%ss, %0" : "=r"(r));
    return r;
}
static u64 push_pop_fs(void)
{
    u64 r;
    __asm__ volatile("mov %w1, %%fs; push %%fs; pop %0; push $0; pop %%fs"
                     : "=&r"(r) : "r"(0x23) : "memory");
    return r;
}
static u64 far_return(void)
{
    u64 r;
    __asm__ volatile("mov %%cs, %%eax; push %%rax; lea 1f(%%rip), %%rax; push %%rax; lretq;"
                     "1: mov %%cs, %0" : "=r"(r) : : "rax", "memory");
    return r;
}
static u64 far_call(void)
{
    u64 r;
    __asm__ volatile("sub $16, %%rsp; lea 1f(%%rip), %%rax; mov %%eax, (%%rsp);"
                     "mov %%cs, %%eax; mov %%ax, 4(%%rsp); lcall *(%%rsp); jmp 2f;"
                     "1: mov 4(%%rsp), %%eax; lretl; 2: add $16, %%rsp"
                     : "=&a"(r) : : "memory", "cc");
    return r & 0xffff;
}
static u64 int_n(void)
{
    u64 r = 0x77;
    __asm__ volatile("int $0x80" : "+a"(r) : : "memory");
    return r;
}

static void on_int80(struct trap *t)
{
    t->rax = t->cs << 16 | (t->flags & 0x200);
}

static u64 gdt_base_want;

static void in_ring(u64 (*run)(u64 (*fn)(void)), u64 cs, u64 ss)
{
    CHECK_EQ(run(sgdt_base), gdt_base_want);
    CHECK_EQ(run(sgdt_limit), 0x57);
    CHECK(run(sidt_base) >= 0x100000 && run(sidt_base) < (u64)guest_end);
    CHECK_EQ(run(sldt), 0);
    CHECK_EQ(run(str), 0x40);
    CHECK_EQ(run(smsw), READ_CR(0) & 0xffff);
    CHECK_EQ(run(flags) & 0x3200, 0);
    CHECK_EQ(run(lar_code), 0xfb00 | (u64)0xa0 << 16);
    CHECK_EQ(run(lar_absent), 0);
    CHECK_EQ(run(lsl_data), 0xffffffff);
    CHECK_EQ(run(verw_user), 1);
    CHECK_EQ(run(mov_cs), cs);
    CHECK_EQ(run(mov_ss), ss);
    CHECK_EQ(run(push_pop_fs), 0x23);
    CHECK_EQ(run(far_return), cs);
    CHECK_EQ(run(far_call), cs);
    CHECK_EQ(run(int_n), cs << 16);
}

static u64 run_kernel(u64 (*fn)(void))
{
    return fn();
}
static u64 run_user(u64 (*fn)(void))
{
    return user_run(fn, 0);
}

void guest_main(void)
{
    gdt_base_want = (u64)gdt;
    set_trap(0x80, on_int80);
    u64 ss;
    __asm__ volatile("mov %%ss, %0" : "=r"(ss));
    in_ring(run_kernel, 8, ss);
    CHECK_EQ(verr_kernel(), 1);
    CHECK_EQ(lsl_tss(), 0x67);

    in_ring(run_user, 0x2b, 0x23);
    CHECK_EQ(user_run(verr_kernel, 0), 0);
    CHECK_EQ(user_run(lsl_tss, 0), ~(u64)0); /* DPL 0 */
    CHECK_EQ(user_run(popf_if, 0), 0);
    CHECK_EQ(user_run(flags, 0x3000) & 0x3000, 0x3000);
    u32 r[4];
    cpuid(7, 0, r);
    if (r[2] >> 2 & 1) { /* UMIP */
        WRITE_CR(4, READ_CR(4) | 1 << 11);
        CHECK_EQ(user_run(sgdt_base, 0), ~(u64)0 - 13);
        CHECK_EQ(user_run(smsw, 0), ~(u64)0 - 13);
        CHECK_EQ(user_run(str, 0), ~(u64)0 - 13);
        WRITE_CR(4, READ_CR(4) & ~(u64)(1 << 11));
    }
}
