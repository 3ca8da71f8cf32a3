/* SPDX-License-Identifier: BSD-2-Clause */
/* A program without a library, built for 64-bit and for 32-bit processes: both print the same lines
 * when the processor works. `program ROUNDS [PART]` repeats what it does, or one part of it. */
#include <stdint.h>

/* --- The system --- */

#ifdef __i386__
static long system_call(long n, long a, long b, long c)
{
    long r;
    __asm__ volatile("int $0x80" : "=a"(r) : "a"(n), "b"(a), "c"(b), "d"(c) : "memory");
    return r;
}
enum { SYS_EXIT = 1, SYS_WRITE = 4, SYS_SET_THREAD_AREA = 243 };
__asm__(".globl _start\n_start: mov %esp, %eax\nand $-16, %esp\nsub $12, %esp\npush %eax\n"
        "call start\n");
#else
static long system_call(long n, long a, long b, long c)
{
    long r;
    __asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return r;
}
enum { SYS_EXIT = 60, SYS_WRITE = 1 };
__asm__(".globl _start\n_start: mov %rsp, %rdi\nand $-16, %rsp\ncall start\n");
#endif

/* What a thread keeps by GS in 32-bit programs. */
static struct {
    uint32_t number, calls;
} thread;

#ifdef __i386__
static void use_gs(void)
{
    static struct {
        uint32_t entry;
        void *base;
        uint32_t limit, flags;
    } d = {(uint32_t)-1, &thread, 0xfffff, 0x51}; /* 32-bit, limit in pages, usable */
    if (system_call(SYS_SET_THREAD_AREA, (long)&d, 0, 0) == 0)
        __asm__ volatile("mov %0, %%gs" : : "r"(d.entry * 8 + 3));
}
static void count_call(void)
{
    __asm__ volatile("incl %%gs:4" : : : "memory", "cc");
}
#else
static void use_gs(void)
{
}
static void count_call(void)
{
    thread.calls++;
}
#endif

/* --- The parts --- */

static uint32_t random_state;
static uint32_t next(void)
{
    count_call();
    return random_state = random_state * 1664525 + 1013904223;
}

static uint32_t sieve(void)
{
    static uint8_t composite[200000];
    uint32_t count = 0;
    for (uint32_t i = 0; i < sizeof composite; i++)
        composite[i] = 0;
    for (uint32_t i = 2; i < sizeof composite; i++) {
        if (composite[i])
            continue;
        count++;
        for (uint32_t k = 2 * i; k < sizeof composite; k += i)
            composite[k] = 1;
    }
    return count;
}

static uint32_t checksum(void)
{
    static uint32_t table[256];
    uint32_t crc = ~0u;
    for (uint32_t i = 0; i < 256; i++) {
        table[i] = i;
        for (int k = 0; k < 8; k++)
            table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0xedb88320 : 0);
    }
    for (uint32_t i = 0; i < 300000; i++)
        crc = table[(crc ^ i) & 255] ^ crc >> 8;
    return ~crc;
}

static int ascending(const uint32_t *a, const uint32_t *b)
{
    count_call();
    return *a < *b;
}
static int descending(const uint32_t *a, const uint32_t *b)
{
    return *a > *b;
}

static void sort(uint32_t *v, int low, int high, int (*before)(const uint32_t *, const uint32_t *))
{
    while (low < high) {
        uint32_t pivot = v[low + (high - low) / 2];
        int i = low, k = high;
        while (i <= k) {
            while (before(&v[i], &pivot))
                i++;
            while (before(&pivot, &v[k]))
                k--;
            if (i <= k) {
                uint32_t t = v[i];
                v[i++] = v[k];
                v[k--] = t;
            }
        }
        sort(v, low, k, before);
        low = i;
    }
}

static uint32_t sorting(void)
{
    static uint32_t v[10000];
    enum { COUNT = sizeof v / sizeof v[0] };
    uint32_t sum = 0;
    for (int i = 0; i < COUNT; i++)
        v[i] = next() >> 4;
    sort(v, 0, COUNT - 1, ascending);
    for (int i = 0; i < COUNT; i++)
        sum = sum * 31 + v[i];
    sort(v, 0, COUNT - 1, descending);
    for (int i = 0; i < COUNT; i++)
        sum = sum * 31 + v[i];
    return sum;
}

static __attribute__((noinline)) uint32_t fibonacci(uint32_t n)
{
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}
static uint32_t recursion(void)
{
    return fibonacci(22);
}

/* What looks at AH to DH, at 16-bit words and at carries. */
static uint32_t small_words(void)
{
    static uint16_t words[4096];
    uint32_t sum = 0;
    for (uint32_t i = 0; i < 4096; i++)
        words[i] = (uint16_t)next();
    for (uint32_t round = 0; round < 16; round++)
        for (uint32_t i = 0; i < 4096; i++) {
            uint16_t w = words[i];
            uint8_t high = (uint8_t)(w >> 8), low = (uint8_t)w;
            words[i] = (uint16_t)(high + low * 256 + (high < low));
            uint64_t wide = (uint64_t)sum << 7;
            wide += 0xffffffffu - words[i];
            sum = (uint32_t)wide ^ (uint32_t)(wide >> 32);
        }
    return sum;
}

static uint32_t matrices(void)
{
    enum { N = 40 };
    static double a[N][N], b[N][N], c[N][N];
    double trace = 0;
    for (int i = 0; i < N; i++)
        for (int k = 0; k < N; k++) {
            a[i][k] = (i * 7 + k) % 13;
            b[i][k] = (i + k * 5) % 11;
        }
    for (int i = 0; i < N; i++)
        for (int k = 0; k < N; k++) {
            double s = 0;
            for (int j = 0; j < N; j++)
                s += a[i][j] * b[j][k];
            c[i][k] = s;
        }
    for (int i = 0; i < N; i++)
        for (int k = 0; k < N; k++)
            trace += c[i][k] * (i - k);
    return (uint32_t)(int32_t)trace;
}

/* --- The program --- */

static const struct {
    char name[12];
    uint32_t (*run)(void);
} parts[] = {
    {"sieve       ", sieve},     {"checksum    ", checksum},    {"sorting     ", sorting},
    {"recursion   ", recursion}, {"small words ", small_words}, {"matrices    ", matrices},
};
enum { PARTS = sizeof parts / sizeof parts[0] };

static void print(const char *name, uint32_t value)
{
    char line[22];
    for (int k = 0; k < 12; k++)
        line[k] = name[k];
    for (int k = 0; k < 8; k++)
        line[12 + k] = "0123456789abcdef"[value >> (28 - 4 * k) & 15];
    line[20] = '\n';
    system_call(SYS_WRITE, 1, (long)line, 21);
}

static uint32_t number(const char *text)
{
    uint32_t n = 0;
    for (; *text >= '0' && *text <= '9'; text++)
        n = n * 10 + (uint32_t)(*text - '0');
    return n;
}

void start(const long *stack) __attribute__((noreturn, used)); /* from _start */
void start(const long *stack)
{
    const char *const *argv = (const char *const *)(stack + 1);
    uint32_t rounds = stack[0] > 1 ? number(argv[1]) : 1;
    uint32_t only = stack[0] > 2 ? number(argv[2]) : PARTS;
    use_gs();
    for (uint32_t k = 0; k < PARTS; k++) {
        uint32_t sum = 0;
        if (only < PARTS && only != k)
            continue;
        random_state = 1;
        for (uint32_t r = 0; r < rounds; r++)
            sum = sum * 17 + parts[k].run();
        print(parts[k].name, sum);
    }
    print("calls       ", thread.calls);
    for (;;)
        system_call(SYS_EXIT, 0, 0, 0);
}
