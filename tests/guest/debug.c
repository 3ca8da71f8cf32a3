/* SPDX-License-Identifier: BSD-2-Clause */
/* Single step, breakpoints and watchpoints in ring 0 and ring 3, and who may touch debug registers.
 */
#include "lib/guest.h"

enum {
    BS = 1 << 14,
    BD = 1 << 13,
    TF = 1 << 8,
    RF = 1 << 16,
    DR7_NONE = 0x400,
    DR6_NONE = 0xffff0ff0
};
#define READ_DR(n)                                                                                 \
    ({                                                                                             \
        u64 v_;                                                                                    \
        __asm__ volatile("mov %%dr" #n ", %0" : "=r"(v_));                                         \
        v_;                                                                                        \
    })
#define WRITE_DR(n, v) __asm__ volatile("mov %0, %%dr" #n : : "r"((u64)(v)) : "memory")

static volatile unsigned hits, stop_after;
static volatile u64 hit_rip, hit_dr6, hit_cs;

static void on_debug(struct trap *t)
{
    hit_dr6 = READ_DR(6);
    WRITE_DR(6, DR6_NONE);
    hit_rip = t->rip;
    hit_cs = t->cs;
    if (++hits == stop_after)
        t->flags &= ~(u64)TF;
    if (hit_dr6 & 1 && (READ_DR(7) >> 16 & 3) == 0)
        t->flags |= RF; /* an instruction breakpoint must not hit again */
}

static void expect(unsigned n)
{
    hits = 0;
    stop_after = n;
}

static u64 steps_and_ends(void)
{
    __asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq; nop; nop; nop; nop" : : : "cc", "memory");
    return 5;
}

static void single_step(void)
{
    expect(3);
    steps_and_ends();
    CHECK_EQ(hits, 3);
    CHECK_EQ(hit_dr6 & BS, BS);
    expect(3);
    CHECK_EQ(user_run(steps_and_ends, 0), 5);
    CHECK_EQ(hits, 3);
    CHECK_EQ(hit_dr6 & BS, BS);
    CHECK_EQ(hit_cs & 3, 3);
}

static u32 watched[2];
static u64 stores(void)
{
    u64 after;
    __asm__ volatile("lea 7f(%%rip), %0; movl $1, %1; 7:" : "=&r"(after), "=m"(watched[0]));
    return after;
}
static u64 loads(void)
{
    return *(volatile u32 *)watched;
}
static u64 stores_beside(void)
{
    *(volatile u32 *)&watched[1] = 1;
    return 0;
}

static void watchpoint(u64 (*fn)(void), bool user, unsigned want)
{
    expect(0);
    u64 after = user ? user_run(fn, 0) : fn();
    CHECK_EQ(hits, want);
    if (!want)
        return;
    CHECK_EQ(hit_dr6 & 15, 1);
    if (fn == stores)
        CHECK_EQ(hit_rip, after); /* data breakpoints are traps */
}

static void watchpoints(bool user)
{
    WRITE_DR(0, watched);
    WRITE_DR(7, DR7_NONE | 2 | 1 << 16 | 3 << 18); /* writes of four bytes */
    watchpoint(stores, user, 1);
    watchpoint(loads, user, 0);
    watchpoint(stores_beside, user, 0);
    WRITE_DR(7, DR7_NONE | 2 | 3 << 16 | 3 << 18); /* reads as well */
    watchpoint(loads, user, 1);
    WRITE_DR(7, DR7_NONE);
    watchpoint(stores, user, 0);
}

static u64 passes_breakpoint(void)
{
    return 6;
}

static void instruction_breakpoints(bool user)
{
    WRITE_DR(0, passes_breakpoint);
    WRITE_DR(7, DR7_NONE | 2);
    expect(0);
    u64 (*volatile fn)(void) = passes_breakpoint;
    CHECK_EQ(user ? user_run(fn, 0) : fn(), 6);
    CHECK_EQ(hits, 1);
    CHECK_EQ(hit_rip, (u64)passes_breakpoint); /* a fault: before it */
    WRITE_DR(7, DR7_NONE);
}

static u64 reads_dr0(void)
{
    return READ_DR(0);
}
static u64 writes_dr7(void)
{
    WRITE_DR(7, 0);
    return 0;
}

static void registers(void)
{
    CHECK_EQ(user_run(reads_dr0, 0), ~(u64)0 - 13);
    CHECK_EQ(user_run(writes_dr7, 0), ~(u64)0 - 13);
    for (unsigned i = 0; i < 2; i++) { /* DR4 is DR6 unless CR4.DE */
        WRITE_CR(4, i ? READ_CR(4) | 8 : READ_CR(4) & ~(u64)8);
        CHECK_EQ(TRY("mov %%dr4, %%rax", : : : "rax", TRY_CLOBBERS), i ? 6 : -1);
    }
    WRITE_CR(4, READ_CR(4) & ~(u64)8);
    CHECK_EQ(TRY("mov %0, %%dr7", : : "r"((u64)1 << 32) : TRY_CLOBBERS), 13);
    CHECK_EQ(TRY("mov %0, %%dr6", : : "r"((u64)1 << 32) : TRY_CLOBBERS), 13);
    WRITE_DR(1, 0x123456789abc);
    WRITE_DR(2, ~(u64)0);
    CHECK_EQ(READ_DR(1), 0x123456789abc);
    CHECK_EQ(READ_DR(2), ~(u64)0);
    /* General detect: the next access traps, before it happens, and clears GD. */
    expect(0);
    WRITE_DR(7, DR7_NONE | 1 << 13);
    (void)READ_DR(1);
    CHECK_EQ(hits, 1);
    CHECK_EQ(hit_dr6 & BD, BD);
    CHECK_EQ(READ_DR(7), DR7_NONE);
}

void guest_main(void)
{
    set_trap(1, on_debug);
    WRITE_DR(6, DR6_NONE);
    WRITE_DR(7, DR7_NONE);
    single_step();
    for (int user = 0; user < 2; user++) {
        watchpoints(user);
        instruction_breakpoints(user);
    }
    registers();
}
