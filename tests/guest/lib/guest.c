/* SPDX-License-Identifier: BSD-2-Clause */
/* Console, checks, traps and ring 3 of the test guests. */
#include "guest.h"

static unsigned failures, checks;

void print(const char *s)
{
    for (; *s; s++) {
        while (!(in8(COM1 + 5) & 0x20))
            ;
        out8(COM1, (u8)*s);
    }
}

void print_hex(u64 v)
{
    char buf[19] = "0x";
    int n = 2;
    bool started = false;
    for (int i = 60; i >= 0; i -= 4) {
        unsigned d = v >> i & 15;
        if (d || started || !i) {
            buf[n++] = "0123456789abcdef"[d];
            started = true;
        }
    }
    buf[n] = 0;
    print(buf);
}

void end_machine(u8 status)
{
    out8(EXIT_PORT, status);
    for (;;)
        __asm__ volatile("cli; hlt");
}

void skip(const char *reason)
{
    print("skipped: ");
    print(reason);
    print("\n");
    end_machine(77);
}

static void failed(const char *text, const char *file, int line)
{
    failures++;
    print(file);
    print(":");
    print_hex((u64)line);
    print(": failed: ");
    print(text);
}

void check_at(bool ok, const char *text, const char *file, int line)
{
    checks++;
    if (ok)
        return;
    failed(text, file, line);
    print("\n");
}

void check_equal_at(u64 got, u64 want, const char *text, const char *file, int line)
{
    checks++;
    if (got == want)
        return;
    failed(text, file, line);
    print(" (");
    print_hex(got);
    print(" instead of ");
    print_hex(want);
    print(")\n");
}

/* The compiler may call these for copies and clears. */
void *memcpy(void *d, const void *s, size_t n);
void *memset(void *d, int c, size_t n);
void *memcpy(void *d, const void *s, size_t n)
{
    void *r = d;
    __asm__ volatile("rep movsb" : "+D"(d), "+S"(s), "+c"(n) : : "memory");
    return r;
}
void *memset(void *d, int c, size_t n)
{
    void *r = d;
    __asm__ volatile("rep stosb" : "+D"(d), "+c"(n) : "a"(c) : "memory");
    return r;
}

struct gate {
    u16 low, sel;
    u8 ist, type;
    u16 mid;
    u32 high, zero;
} __attribute__((packed));
static struct gate idt[256] __attribute__((aligned(16)));

struct tss {
    u32 reserved;
    u64 rsp0, rsp1, rsp2, reserved1, ist[7], reserved2;
    u16 reserved3, iomap;
} __attribute__((packed));
static struct tss tss;

extern char vector_entries[];
static trap_fn handlers[256];
struct caught caught;
u64 try_resume, try_stack;

void set_trap(unsigned vector, trap_fn fn)
{
    handlers[vector] = fn;
}

void user_return(u64 result) __attribute__((noreturn));
u64 user_call(u64 (*fn)(void), void *stack_top, u64 flags);
extern char user_exit[];
static bool in_user;
u64 user_offset;

void trap_dispatch(struct trap *t);
void trap_dispatch(struct trap *t)
{
    u64 cr2 = READ_CR(2);
    if (in_user && (t->cs & 3) == 3 && !handlers[t->vector]) {
        in_user = false;
        caught = (struct caught){(int)t->vector, t->error, t->rip, cr2};
        user_return(t->rip == (u64)user_exit ? t->rax : ~(u64)0 - t->vector);
    }
    if (handlers[t->vector]) {
        handlers[t->vector](t);
        return;
    }
    if (try_resume) {
        caught = (struct caught){(int)t->vector, t->error, t->rip, cr2};
        t->rip = try_resume;
        t->rsp = try_stack;
        t->flags &= ~(u64)0x100; /* TF */
        try_resume = 0;
        return;
    }
    print("unexpected trap ");
    print_hex(t->vector);
    print(" error ");
    print_hex(t->error);
    print(" at ");
    print_hex(t->rip);
    print(" cr2 ");
    print_hex(cr2);
    print("\n");
    end_machine(1);
}

u64 user_run(u64 (*fn)(void), u64 flags)
{
    static u8 stack[8192] __attribute__((aligned(16)));
    static u8 trap_stack[8192] __attribute__((aligned(16)));
    in_user = true;
    tss.rsp0 = (u64)(trap_stack + sizeof trap_stack);
    u64 r = user_call((u64(*)(void))((u64)fn + user_offset),
                      stack + sizeof stack - 64 + user_offset, flags);
    in_user = false;
    return r;
}

static void set_gate(unsigned v, u8 type)
{
    u64 at = (u64)vector_entries + v * 16;
    idt[v] = (struct gate){
        .low = (u16)at, .sel = 8, .type = type, .mid = (u16)(at >> 16), .high = (u32)(at >> 32)};
}

static void load_tables(void)
{
    for (unsigned v = 0; v < 256; v++)
        set_gate(v, 0x8e);
    /* A bad stack pointer needs another stack for its own exception. */
    static u8 spare_stack[4096] __attribute__((aligned(16)));
    tss.ist[0] = (u64)(spare_stack + sizeof spare_stack);
    idt[8].ist = idt[12].ist = 1;
    set_gate(3, 0xee);
    set_gate(4, 0xee);
    set_gate(0x80, 0xee);
    struct {
        u16 limit;
        u64 base;
    } __attribute__((packed)) p = {sizeof idt - 1, (u64)idt};
    __asm__ volatile("lidt %0" : : "m"(p));

    tss.iomap = sizeof tss;
    u64 base = (u64)&tss;
    ((u64 *)gdt_tss)[0] =
        (sizeof tss - 1) | (base & 0xffffff) << 16 | (u64)0x89 << 40 | (base >> 24 & 0xff) << 56;
    ((u64 *)gdt_tss)[1] = base >> 32;
    __asm__ volatile("ltr %w0" : : "r"(0x40));
}

void guest_start(void);
void guest_start(void)
{
    out8(COM1 + 3, 3);
    out8(0x21, 0xff); /* both PICs masked: tests unmask what they use */
    out8(0xa1, 0xff);
    load_tables();
    guest_main();
    print(failures ? "FAILED\n" : "passed ");
    if (!failures) {
        print_hex(checks);
        print(" checks\n");
    }
    end_machine(failures || !checks);
}

extern u64 page_top[512];
u64 *page_entry(u64 va)
{
    static u64 pool[16][512] __attribute__((aligned(4096)));
    static unsigned used;
    u64 *table = page_top;
    for (int level = 3; level > 0; level--) {
        u64 *e = &table[va >> (12 + 9 * level) & 511];
        if (!(*e & PTE_P))
            *e = (u64)pool[used++] | PTE_P | PTE_W | PTE_U;
        table = (u64 *)(*e & 0xffffffffff000);
    }
    return &table[va >> 12 & 511];
}

enum { APIC = 0xfee00000 };
u32 apic_read(u32 reg)
{
    return mmio_read32(APIC + reg);
}
void apic_write(u32 reg, u32 v)
{
    mmio_write32(APIC + reg, v);
}
void apic_enable(void)
{
    apic_write(0xf0, 0x1ff); /* enabled, spurious vector 0xff */
    apic_write(0x80, 0);
}

void delay_us(u64 us)
{
    /* Channel 2, mode 0: OUT2 goes high when it has counted down. */
    while (us) {
        u64 step = us > 50000 ? 50000 : us;
        u32 count = (u32)(step * 1193182 / 1000000 + 1);
        out8(0x61, (in8(0x61) & ~2) | 1);
        out8(0x43, 0xb0);
        out8(0x42, (u8)count);
        out8(0x42, (u8)(count >> 8));
        while (!(in8(0x61) & 0x20))
            ;
        us -= step;
    }
}
