/* SPDX-License-Identifier: BSD-2-Clause */
/* KVM's guest ABI on two processors: the clock against the PIT and between processors, the end of
 * interrupt by memory, interrupts by hypercall, waking from HLT, and the TLB flush a sleeping
 * processor is left a note for. */
#include "lib/guest.h"

enum {
    WALL_CLOCK = 0x4b564d00,
    SYSTEM_TIME,
    STEAL_TIME = 0x4b564d03,
    EOI_WORD,
    TSC_ADJUST = 0x3b,
    NOT_RAM = 0xf0000000,
    CALL_KICK = 5,
    CALL_IPI = 10,
    ROUNDS = 200,
};

struct system_time {
    volatile u32 version, pad;
    volatile u64 tsc, base;
    volatile u32 mul;
    volatile signed char shift;
    volatile u8 flags, reserved[2];
};
struct steal_time {
    volatile u64 steal;
    volatile u32 version, flags;
    volatile u8 preempted, reserved[47];
};

extern u8 ap_start[], ap_start_end[];
void *memcpy(void *d, const void *s, size_t n);
void ap_entry(void);

static struct system_time time_page[2] __attribute__((aligned(64)));
static struct steal_time steal __attribute__((aligned(64)));
static volatile u32 wall[3], eoi_word;
static volatile u32 by_word[256], by_apic[256], ap_taken, task, done;
static volatile u64 ap_value;
static u64 test_page[2][512] __attribute__((aligned(4096)));
static bool amd;

static u64 call(u64 number, u64 a, u64 b, u64 c, u64 d)
{
    u64 r;
    if (amd)
        __asm__ volatile("vmmcall"
                         : "=a"(r)
                         : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d)
                         : "memory");
    else
        __asm__ volatile("vmcall"
                         : "=a"(r)
                         : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d)
                         : "memory");
    return r;
}

static u64 call_from_ring_3(void)
{
    return call(CALL_KICK, 0, 0, 0, 0);
}

/* As a guest reads it: retried while the version is odd or moves. */
static u64 now(const struct system_time *t)
{
    u32 version;
    u64 ns;
    do {
        version = t->version & ~1u;
        __asm__ volatile("lfence" : : : "memory");
        u64 ticks = rdtsc() - t->tsc;
        ticks = t->shift < 0 ? ticks >> -t->shift : ticks << t->shift;
        ns = t->base + (u64)((unsigned __int128)ticks * t->mul >> 32);
        __asm__ volatile("lfence" : : : "memory");
    } while (t->version != version);
    return ns;
}

static u32 pit_read(void)
{
    out8(0x43, 0x80);
    u32 low = in8(0x42);
    return low | (u32)in8(0x42) << 8;
}

/* The same stretch of time by both clocks, one reading enclosing the other; the PIT counts down
 * from 65535 and OUT2 tells when it has wrapped. */
static void compare_with_pit(bool pit_outside)
{
    enum { STRETCH_NS = 10000000, TICK_NS = 839 };
    u64 clock, pit;
    do {
        out8(0x61, (in8(0x61) & ~2) | 1);
        out8(0x43, 0xb0);
        out8(0x42, 0xff);
        out8(0x42, 0xff);
        u64 t0 = now(&time_page[0]);
        u32 p0 = pit_read();
        if (pit_outside)
            t0 = now(&time_page[0]);
        while (now(&time_page[0]) - t0 < STRETCH_NS)
            ;
        u64 t1 = now(&time_page[0]);
        u32 p1 = pit_read();
        if (!pit_outside)
            t1 = now(&time_page[0]);
        clock = t1 - t0;
        pit = (u64)(p0 - p1) * 1000000000 / 1193182;
    } while (in8(0x61) & 0x20);
    if (pit_outside)
        CHECK(clock <= pit + pit / 64 + 2 * TICK_NS);
    else
        CHECK(clock + clock / 64 + 2 * TICK_NS >= pit);
}

static void clocks(void)
{
    wrmsr(WALL_CLOCK, (u64)wall);
    CHECK(wall[0] && !(wall[0] & 1));
    CHECK(wall[1] != 0);
    CHECK(wall[2] < 1000000000);
    wrmsr(SYSTEM_TIME, (u64)&time_page[0] | 1);
    CHECK_EQ(rdmsr(SYSTEM_TIME), (u64)&time_page[0] | 1);
    CHECK(time_page[0].mul != 0);
    compare_with_pit(true);
    compare_with_pit(false);
    u32 r[4];
    cpuid(7, 0, r);
    if (!(r[1] & 2))
        return;
    /* The guest moves its TSC by half an hour; time does not jump. */
    u64 before = now(&time_page[0]), adjust = rdmsr(TSC_ADJUST), jump = (u64)1 << 41;
    wrmsr(TSC_ADJUST, adjust + jump);
    u64 after = now(&time_page[0]);
    CHECK(after >= before && after - before < 300000000000);
    wrmsr(TSC_ADJUST, adjust);
    CHECK(now(&time_page[0]) >= after);
}

static void end_interrupt(u64 vector)
{
    u8 was_set;
    __asm__ volatile("btrl $0, %0; setc %1" : "+m"(eoi_word), "=q"(was_set));
    (was_set ? by_word : by_apic)[vector]++;
    if (!was_set)
        apic_eoi();
}

static void self_ipi(u8 vector)
{
    apic_write(0x310, 0);
    apic_write(0x300, 0x40000 | vector);
}

static void on_interrupt(struct trap *t)
{
    if (apic_read(0x20) >> 24) {
        ap_taken++;
        apic_eoi();
        return;
    }
    if (t->vector == 0x62)
        self_ipi(0x52);      /* waits behind this one */
    if (t->vector == 0x43) { /* is interrupted */
        self_ipi(0x63);
        __asm__ volatile("sti; nop; nop; cli" : : : "memory");
    }
    end_interrupt(t->vector);
}

static u32 ends(u8 vector)
{
    for (int i = 0; i < 1000 && !by_word[vector] && !by_apic[vector]; i++) {
        __asm__ volatile("sti" : : : "memory");
        delay_us(100);
        __asm__ volatile("cli" : : : "memory");
    }
    return by_word[vector] + by_apic[vector];
}

static bool nothing_in_service(void)
{
    u32 any = 0;
    for (u32 reg = 0x100; reg < 0x180; reg += 0x10)
        any |= apic_read(reg);
    return !any;
}

static void end_of_interrupt(void)
{
    static const u8 vectors[] = {0x43, 0x50, 0x51, 0x52, 0x53, 0x61, 0x62, 0x63};
    for (unsigned i = 0; i < sizeof vectors; i++)
        set_trap(vectors[i], on_interrupt);
    CHECK_EQ(TRY("wrmsr", : : "c"(EOI_WORD), "a"(3), "d"(0) : TRY_CLOBBERS), 13);
    wrmsr(EOI_WORD, (u64)&eoi_word | 1);
    CHECK_EQ(rdmsr(EOI_WORD), (u64)&eoi_word | 1);

    self_ipi(0x61);
    CHECK_EQ(ends(0x61), 1);
    CHECK_EQ(by_word[0x61], 1);
    self_ipi(0x50); /* of a lower class: the first one is over */
    CHECK_EQ(ends(0x50), 1);
    CHECK_EQ(by_word[0x50], 1);
    self_ipi(0x62);
    CHECK_EQ(ends(0x62), 1);
    CHECK_EQ(ends(0x52), 1);
    self_ipi(0x43);
    CHECK_EQ(ends(0x43), 1);
    CHECK_EQ(ends(0x63), 1);
    CHECK(nothing_in_service());

    (void)TRY("wrmsr", : : "c"(EOI_WORD), "a"(NOT_RAM | 1), "d"(0) : TRY_CLOBBERS);
    self_ipi(0x51);
    CHECK_EQ(ends(0x51), 1);
    wrmsr(EOI_WORD, 0);
    self_ipi(0x53);
    CHECK_EQ(ends(0x53), 1);
    CHECK_EQ(by_apic[0x53], 1);
    CHECK(nothing_in_service());
}

static void hypercalls(void)
{
    CHECK_EQ(call(12345, 0, 0, 0, 0), (u64)-1000);
    CHECK_EQ(user_run(call_from_ring_3, 0x202), (u64)-1);
    CHECK_EQ(call(CALL_IPI, 1, 0, 0, 0x855), (u64)-22); /* logical destinations are not for it */
}

/* What the second processor does, by number; interrupts are off while it waits for one. */
enum { TASK_NONE, TASK_HALT, TASK_HALT_DEAF, TASK_CLOCK, TASK_SLEEP, TASK_READ };

static void ap_do(u32 what)
{
    switch (what) {
    case TASK_HALT: __asm__ volatile("sti; hlt; cli" : : : "memory"); break;
    case TASK_HALT_DEAF: __asm__ volatile("hlt" : : : "memory"); break;
    case TASK_CLOCK:
        if (!rdmsr(SYSTEM_TIME))
            wrmsr(SYSTEM_TIME, (u64)&time_page[1] | 1);
        ap_value = now(&time_page[1]);
        break;
    case TASK_SLEEP:
        wrmsr(STEAL_TIME, (u64)&steal | 1);
        ap_value = *(volatile u64 *)TEST_VA;
        __asm__ volatile("sti; hlt; cli" : : : "memory");
        ap_value = *(volatile u64 *)TEST_VA;
        break;
    default: break;
    }
}

u64 boot_idt_base;

void ap_entry(void)
{
    struct {
        u16 limit;
        u64 base;
    } __attribute__((packed)) idt = {0xfff, boot_idt_base};
    __asm__ volatile("lidt %0" : : "m"(idt));
    apic_enable();
    done = 1;
    for (u32 seen = 0;;) {
        while (task == seen)
            __asm__ volatile("pause");
        seen = task;
        ap_do(seen & 15);
        done = seen;
    }
}

/* Tasks are numbered, so that the same one can be given twice. */
static void give(u32 what)
{
    task = (task & ~15u) + 16 + what;
}

static void await(void)
{
    while (done != task)
        __asm__ volatile("pause");
}

static void interrupts_by_call(void)
{
    u32 before = ap_taken;
    CHECK_EQ(call(CALL_IPI, 2, 0, 0, 0x51), 1);
    give(TASK_HALT);
    await();
    CHECK_EQ(ap_taken, before + 1);
    by_apic[0x53] = 0;
    CHECK_EQ(call(CALL_IPI, 3, 0, 0, 0x53), 2);
    give(TASK_HALT);
    await();
    CHECK_EQ(ap_taken, before + 2);
    CHECK_EQ(ends(0x53), 1);
    CHECK_EQ(call(CALL_IPI, 1, 0, 1, 0x51), 1); /* numbers count from the lowest ID */
    give(TASK_HALT);
    await();
    CHECK_EQ(ap_taken, before + 3);
    CHECK_EQ(call(CALL_IPI, ~(u64)0, ~(u64)0, 2, 0x51), 0);
    CHECK_EQ(call(CALL_IPI, ~(u64)0, ~(u64)0, ~(u64)0 - 200, 0x51), 0);
}

/* It halts with interrupts off; a kick that comes before the HLT counts. */
static void kicks(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        give(TASK_HALT_DEAF);
        for (volatile int spin = i * 20; spin; spin--)
            ;
        CHECK_EQ(call(CALL_KICK, 0, 1, 0, 0), 0);
        await();
    }
    CHECK_EQ(call(CALL_KICK, 0, 77, 0, 0), 0); /* nobody */
}

/* A time read there after one read here is not earlier, and the other way round. */
static void clock_is_one(void)
{
    u64 last = now(&time_page[0]);
    for (int i = 0; i < ROUNDS; i++) {
        give(TASK_CLOCK);
        await();
        if (i == 0 && !(time_page[0].flags & time_page[1].flags & 1))
            return; /* this machine does not promise it */
        CHECK(ap_value >= last);
        last = now(&time_page[0]);
        CHECK(last >= ap_value);
    }
}

static void flush_by_note(void)
{
    test_page[0][0] = 111;
    test_page[1][0] = 222;
    *page_entry(TEST_VA) = (u64)test_page[0] | PTE_P | PTE_W;
    give(TASK_SLEEP);
    while (!(steal.preempted & 1))
        __asm__ volatile("pause");
    CHECK_EQ(ap_value, 111);
    *page_entry(TEST_VA) = (u64)test_page[1] | PTE_P | PTE_W;
    CHECK(__sync_bool_compare_and_swap(&steal.preempted, 1, 3));
    call(CALL_IPI, 2, 0, 0, 0x51);
    await();
    CHECK_EQ(ap_value, 222);
    CHECK_EQ(steal.preempted, 0);
    CHECK(!(steal.version & 1));
    CHECK_EQ(TRY("wrmsr", : : "c"(STEAL_TIME), "a"(3), "d"(0) : TRY_CLOBBERS), 13);
    wrmsr(STEAL_TIME, NOT_RAM | 1);
    wrmsr(SYSTEM_TIME, NOT_RAM | 1);
    wrmsr(WALL_CLOCK, NOT_RAM);
    __asm__ volatile("sti; nop; cli" : : : "memory");
    wrmsr(STEAL_TIME, 0);
    wrmsr(SYSTEM_TIME, 0);
}

static bool start_ap(void)
{
    struct {
        u16 limit;
        u64 base;
    } __attribute__((packed)) idt;
    __asm__ volatile("sidt %0" : "=m"(idt));
    boot_idt_base = idt.base;
    memcpy((void *)0x8000, ap_start, (size_t)(ap_start_end - ap_start));
    apic_write(0x310, 1 << 24);
    apic_write(0x300, 0x4500); /* INIT */
    delay_us(10000);
    apic_write(0x310, 1 << 24);
    apic_write(0x300, 0x4608); /* start-up at 0x8000 */
    for (int i = 0; i < 2000 && !done; i++)
        delay_us(1000);
    return done;
}

void guest_main(void)
{
    enum {
        CLOCK = 1 << 3,
        STEAL = 1 << 5,
        EOI = 1 << 6,
        UNHALT = 1 << 7,
        FLUSH = 1 << 9,
        IPI = 1 << 11
    };
    u32 r[4];
    cpuid(0, 0, r);
    amd = r[2] == 0x444d4163;
    cpuid(0x40000000, 0, r);
    if (r[1] != 0x4b4d564b || r[2] != 0x564b4d56 || r[3] != 0x4d)
        skip("no KVM interface");
    CHECK(r[0] >= 0x40000001);
    cpuid(0x40000001, 0, r);
    u32 has = r[0];
    apic_enable();
    hypercalls();
    if (has & CLOCK)
        clocks();
    if (has & EOI)
        end_of_interrupt();
    if (!start_ap())
        skip("this machine has one processor");
    if (has & IPI)
        interrupts_by_call();
    if (has & UNHALT)
        kicks();
    if (has & CLOCK)
        clock_is_one();
    if ((has & STEAL) && (has & FLUSH) && (has & IPI))
        flush_by_note();
}
