/* SPDX-License-Identifier: BSD-2-Clause */
/* The library of the test guests: console, checks, traps, ring 3, page tables, local APIC. A guest
 * is one file with guest_main(); it runs on every engine, and on any machine that can boot a PVH
 * kernel. It ends the machine with 0 when every check held, else 1; 77 skips. */
#ifndef TESTS_GUEST_GUEST_H
#define TESTS_GUEST_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

enum { EXIT_PORT = 0xf4, COM1 = 0x3f8 };

void guest_main(void);
void print(const char *s);
void print_hex(u64 v);
void end_machine(u8 status) __attribute__((noreturn));
void skip(const char *reason) __attribute__((noreturn));

/* Checks go on after a failure, so that one run shows all. */
void check_at(bool ok, const char *text, const char *file, int line);
void check_equal_at(u64 got, u64 want, const char *text, const char *file, int line);
#define CHECK(c)       check_at((c), #c, __FILE__, __LINE__)
#define CHECK_EQ(a, b) check_equal_at((u64)(a), (u64)(b), #a " == " #b, __FILE__, __LINE__)

#define IO(bits, suffix, type)                                                                     \
    static inline void out##bits(u16 port, type v)                                                 \
    {                                                                                              \
        __asm__ volatile("out" suffix " %0, %1" : : "a"(v), "Nd"(port));                           \
    }                                                                                              \
    static inline type in##bits(u16 port)                                                          \
    {                                                                                              \
        type v;                                                                                    \
        __asm__ volatile("in" suffix " %1, %0" : "=a"(v) : "Nd"(port));                            \
        return v;                                                                                  \
    }
IO(8, "b", u8)
IO(16, "w", u16)
IO(32, "l", u32)

#define MMIO(bits)                                                                                 \
    static inline u##bits mmio_read##bits(u64 addr)                                                \
    {                                                                                              \
        return *(volatile u##bits *)addr;                                                          \
    }                                                                                              \
    static inline void mmio_write##bits(u64 addr, u##bits v)                                       \
    {                                                                                              \
        *(volatile u##bits *)addr = v;                                                             \
    }
MMIO(8)
MMIO(16)
MMIO(32)
MMIO(64)

static inline u64 rdmsr(u32 index)
{
    u32 lo, hi;
    __asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(index));
    return (u64)hi << 32 | lo;
}
static inline void wrmsr(u32 index, u64 v)
{
    __asm__ volatile("wrmsr" : : "c"(index), "a"((u32)v), "d"((u32)(v >> 32)) : "memory");
}
static inline u64 rdtsc(void)
{
    u32 lo, hi;
    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
    return (u64)hi << 32 | lo;
}
static inline void cpuid(u32 leaf, u32 sub, u32 r[4])
{
    __asm__ volatile("cpuid"
                     : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3])
                     : "a"(leaf), "c"(sub));
}
#define READ_CR(n)                                                                                 \
    ({                                                                                             \
        u64 v_;                                                                                    \
        __asm__ volatile("mov %%cr" #n ", %0" : "=r"(v_));                                         \
        v_;                                                                                        \
    })
#define WRITE_CR(n, v) __asm__ volatile("mov %0, %%cr" #n : : "r"((u64)(v)) : "memory")
static inline u64 read_flags(void)
{
    u64 f;
    __asm__ volatile("pushfq; pop %0" : "=r"(f));
    return f;
}
static inline void invlpg(u64 va)
{
    __asm__ volatile("invlpg (%0)" : : "r"(va) : "memory");
}

/* What trap_dispatch gets: the registers trap_common pushes, then the processor's frame. */
struct trap {
    u64 r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
    u64 vector, error;
    u64 rip, cs, flags, rsp, ss;
};
typedef void (*trap_fn)(struct trap *);
/* Called for a vector instead of the default, which ends the machine with a message. */
void set_trap(unsigned vector, trap_fn fn);

/* The last fault that TRY caught. */
struct caught {
    int vector; /* -1: none */
    u64 error, rip, cr2;
};
extern struct caught caught;
extern u64 try_resume, try_stack;
/* Runs one assembler statement that may fault and gives the vector, or -1. Operands as in asm. */
#define TRY(text, ...)                                                                             \
    ({                                                                                             \
        caught.vector = -1;                                                                        \
        __asm__ volatile("lea 771f(%%rip), %%r11\n\tmov %%r11, try_resume(%%rip)\n\t"              \
                         "mov %%rsp, try_stack(%%rip)\n\t" text "\n771:\n\t"                       \
                         "movq $0, try_resume(%%rip)" __VA_ARGS__);                                \
        caught.vector;                                                                             \
    })
#define TRY_CLOBBERS "r11", "memory", "cc"

extern u8 gdt[], gdt_tss[];
/* Runs fn in ring 3 with the given EFLAGS; its value, or ~0 minus the vector when it faulted. */
u64 user_run(u64 (*fn)(void), u64 flags);
/* Added to fn and its stack: where ring 3 has an alias of the guest's image. */
extern u64 user_offset;

/* A 4 KiB page mapped at an address of its own above 4 GiB, for tests that change its entry. */
u64 *page_entry(u64 va); /* the page-table entry; makes the tables */
enum { PTE_P = 1, PTE_W = 2, PTE_U = 4, PTE_A = 0x20, PTE_D = 0x40, PTE_G = 0x100 };
#define PTE_NX  ((u64)1 << 63)
#define TEST_VA ((u64)0x10000000000)

/* Local APIC in xAPIC mode at its default address. */
void apic_enable(void);
u32 apic_read(u32 reg);
void apic_write(u32 reg, u32 v);
static inline void apic_eoi(void)
{
    apic_write(0xb0, 0);
}
void delay_us(u64 us); /* by the PIT: at least this long */

extern char guest_end[];

#endif
