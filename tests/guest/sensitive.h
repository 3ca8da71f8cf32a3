/* SPDX-License-Identifier: BSD-2-Clause */
/* The instructions that show or change machine state without trapping on the plain architecture
 * (the sensitive, unprivileged ones of Popek and Goldberg's theorem), one function each. */
#ifndef TESTS_GUEST_SENSITIVE_H
#define TESTS_GUEST_SENSITIVE_H

#include "lib/guest.h"

struct table {
    u16 limit;
    u64 base;
} __attribute__((packed));

static inline u64 sgdt_base(void)
{
    struct table t;
    __asm__ volatile("sgdt %0" : "=m"(t));
    return t.base;
}
static inline u64 sgdt_limit(void)
{
    struct table t;
    __asm__ volatile("sgdt %0" : "=m"(t));
    return t.limit;
}
static inline u64 sidt_base(void)
{
    struct table t;
    __asm__ volatile("sidt %0" : "=m"(t));
    return t.base;
}
static inline u64 sldt(void)
{
    u64 r = 0;
    __asm__ volatile("sldt %w0" : "+r"(r));
    return r;
}
static inline u64 str(void)
{
    u64 r = 0;
    __asm__ volatile("str %w0" : "+r"(r));
    return r;
}
static inline u64 smsw(void)
{
    u64 r = 0;
    __asm__ volatile("smsw %w0" : "+r"(r));
    return r;
}
static inline u64 flags(void)
{
    return read_flags();
}
/* POPF below IOPL leaves IF alone and does not fault. */
static inline u64 popf_if(void)
{
    __asm__ volatile("pushfq; xorq $0x200, (%%rsp); popfq" : : : "memory", "cc");
    return read_flags() & 0x200;
}
static inline u64 lar_code(void)
{
    u64 r = 0;
    u8 ok;
    __asm__ volatile("lar %2, %0; setz %1" : "+r"(r), "=q"(ok) : "r"((u64)0x28) : "cc");
    return ok ? r & 0xf0ff00 : 0; /* limit bits 19:16 are undefined in the result */
}
static inline u64 lar_absent(void)
{
    u64 r = 0;
    u8 ok;
    __asm__ volatile("lar %2, %0; setz %1" : "+r"(r), "=q"(ok) : "r"((u64)0x7f8) : "cc");
    return ok;
}
static inline u64 lsl_tss(void)
{
    u64 r = 0;
    u8 ok;
    __asm__ volatile("lsl %2, %0; setz %1" : "+r"(r), "=q"(ok) : "r"((u64)0x40) : "cc");
    return ok ? r : ~(u64)0;
}
static inline u64 lsl_data(void)
{
    u64 r = 0;
    u8 ok;
    __asm__ volatile("lsl %2, %0; setz %1" : "+r"(r), "=q"(ok) : "r"((u64)0x20) : "cc");
    return ok ? r : 0;
}
static inline u64 verr_kernel(void)
{
    u8 ok;
    __asm__ volatile("verr %w1; setz %0" : "=q"(ok) : "r"(0x10) : "cc");
    return ok;
}
static inline u64 verw_user(void)
{
    u8 ok;
    __asm__ volatile("verw %w1; setz %0" : "=q"(ok) : "r"(0x23) : "cc");
    return ok;
}
static inline u64 mov_cs(void)
{
    u64 r = 0;
    __asm__ volatile("mov %%cs, %0" : "=r"(r));
    return r;
}
static inline u64 mov_ss(void)
{
    u64 r = 0;
    __asm__ volatile("mov %%ss, %0" : "=r"(r));
    return r;
}
static inline u64 push_pop_fs(void)
{
    u64 r;
    __asm__ volatile("mov %w1, %%fs; push %%fs; pop %0; push $0; pop %%fs"
                     : "=&r"(r)
                     : "r"(0x23)
                     : "memory");
    return r;
}
static inline u64 far_return(void)
{
    u64 r;
    __asm__ volatile("mov %%cs, %%eax; push %%rax; lea 1f(%%rip), %%rax; push %%rax; lretq;"
                     "1: mov %%cs, %0"
                     : "=r"(r)
                     :
                     : "rax", "memory");
    return r;
}
static inline u64 far_call(void)
{
    u64 r;
    __asm__ volatile("sub $16, %%rsp; lea 1f(%%rip), %%rax; mov %%eax, (%%rsp);"
                     "mov %%cs, %%eax; mov %%ax, 4(%%rsp); lcall *(%%rsp); jmp 2f;"
                     "1: mov 4(%%rsp), %%eax; lretl; 2: add $16, %%rsp"
                     : "=&a"(r)
                     :
                     : "memory", "cc");
    return r & 0xffff;
}
static inline u64 int_n(void)
{
    u64 r = 0x77;
    __asm__ volatile("int $0x80" : "+a"(r) : : "memory");
    return r;
}

/* For vector 0x80: gives int_n() the selector and IF it came with. */
static inline void on_int80(struct trap *t)
{
    t->rax = t->cs << 16 | (t->flags & 0x200);
}

#endif
