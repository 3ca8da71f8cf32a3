/* SPDX-License-Identifier: BSD-2-Clause */
/* Two processors and the order in which each sees the other's stores [SDM3 8.2]. A test runs over
 * many cells after one meeting, so that the two really run beside each other; what total store
 * order forbids must not be found in any cell. Then locked instructions that fight for one operand,
 * in all the places where it may lie. */
#include "lib/smp.h"

enum { CELLS = 512, REPEATS = 8, COUNT = 2000 };

/* Each variable has a cache line of its own. */
static struct cell {
    volatile u32 x;
    u32 pad_x[15];
    volatile u32 y;
    u32 pad_y[15];
} cell[CELLS] __attribute__((aligned(64)));
static volatile u32 seen[2][CELLS], first[CELLS];
static volatile u32 step[2];

static void meet(unsigned me, u32 n)
{
    __asm__ volatile("mfence" : : : "memory");
    step[me] = n;
    while (step[!me] < n)
        __asm__ volatile("pause");
}

static void fence(void)
{
    __asm__ volatile("mfence" : : : "memory");
}

/* --- What each of the two does with a cell --- */

static void message_writer(unsigned i)
{
    cell[i].x = 1;
    cell[i].y = 1;
}
static void message_reader(unsigned i)
{
    first[i] = cell[i].y;
    seen[1][i] = cell[i].x;
}
static bool message_bad(unsigned i)
{
    return first[i] == 1 && seen[1][i] == 0;
}

static void buffer_0(unsigned i)
{
    cell[i].x = 1;
    fence();
    seen[0][i] = cell[i].y;
}
/* A locked instruction orders like a fence. */
static void buffer_1(unsigned i)
{
    u32 one = 1;
    __asm__ volatile("xchg %0, %1" : "+r"(one), "+m"(cell[i].y) : : "memory");
    seen[1][i] = cell[i].x;
}
static bool buffer_bad(unsigned i)
{
    return !seen[0][i] && !seen[1][i];
}

static void load_first_0(unsigned i)
{
    seen[0][i] = cell[i].x;
    cell[i].y = 1;
}
static void load_first_1(unsigned i)
{
    seen[1][i] = cell[i].y;
    cell[i].x = 1;
}
static bool load_first_bad(unsigned i)
{
    return seen[0][i] && seen[1][i];
}

static void two_stores_0(unsigned i)
{
    cell[i].x = 1;
    cell[i].y = 2;
}
static void two_stores_1(unsigned i)
{
    cell[i].y = 1;
    cell[i].x = 2;
}
static bool two_stores_bad(unsigned i)
{
    return cell[i].x == 1 && cell[i].y == 1;
}

static void store_after_load_0(unsigned i)
{
    cell[i].x = 2;
    cell[i].y = 1;
}
static void store_after_load_1(unsigned i)
{
    seen[1][i] = cell[i].y;
    cell[i].x = 1;
}
static bool store_after_load_bad(unsigned i)
{
    return seen[1][i] == 1 && cell[i].x == 2;
}

static void overtaken_0(unsigned i)
{
    cell[i].x = 1;
    cell[i].y = 1;
}
static void overtaken_1(unsigned i)
{
    cell[i].y = 2;
    fence();
    seen[1][i] = cell[i].x;
}
static bool overtaken_bad(unsigned i)
{
    return cell[i].y == 2 && seen[1][i] == 0;
}

/* One location: what was read once is not unread. */
static void coherence_writer(unsigned i)
{
    cell[i].x = 1;
    cell[i].x = 2;
}
static void coherence_reader(unsigned i)
{
    first[i] = cell[i].x;
    seen[1][i] = cell[i].x;
}
static bool coherence_bad(unsigned i)
{
    return first[i] > seen[1][i];
}

static const struct {
    const char *name;
    void (*run[2])(unsigned);
    bool (*bad)(unsigned);
} tests[] = {
    {"message passing", {message_writer, message_reader}, message_bad},
    {"store buffering", {buffer_0, buffer_1}, buffer_bad},
    {"load buffering", {load_first_0, load_first_1}, load_first_bad},
    {"2+2 writes", {two_stores_0, two_stores_1}, two_stores_bad},
    {"store after load", {store_after_load_0, store_after_load_1}, store_after_load_bad},
    {"overtaken store", {overtaken_0, overtaken_1}, overtaken_bad},
    {"coherence", {coherence_writer, coherence_reader}, coherence_bad},
};
enum { TESTS = sizeof tests / sizeof tests[0] };

static void ordering(unsigned me)
{
    u32 n = 0;
    for (unsigned t = 0; t < TESTS; t++)
        for (unsigned r = 0; r < REPEATS; r++) {
            for (unsigned i = 0; me == 0 && i < CELLS; i++)
                cell[i].x = cell[i].y = seen[0][i] = seen[1][i] = first[i] = 0;
            meet(me, ++n);
            /* One of them begins later, another one each time. */
            for (volatile unsigned w = 0; w < (r & 1 ? me : !me) * r * 16u; w++)
                ;
            for (unsigned i = 0; i < CELLS; i++)
                tests[t].run[me](i);
            meet(me, ++n);
            for (unsigned i = 0; me == 0 && i < CELLS; i++)
                if (tests[t].bad(i)) {
                    print(tests[t].name);
                    print("\n");
                    CHECK(!tests[t].bad(i));
                }
            meet(me, ++n);
        }
}

/* --- Locked operands --- */

static u8 area[3 * 4096] __attribute__((aligned(4096)));
/* In a line, across lines, across pages. */
static const u16 places[] = {192, 62, 124, 4094, 8189};
static u64 pair[2] __attribute__((aligned(16)));
static struct {
    u32 calls[2];
} won __attribute__((aligned(64)));

static void add_up(unsigned me)
{
    for (unsigned p = 0; p < sizeof places / sizeof places[0]; p++) {
        volatile u64 *v = (volatile u64 *)(area + places[p]);
        for (unsigned k = 0; k < COUNT; k++) {
            u64 one = 1, old;
            __asm__ volatile("lock incq %0" : "+m"(*v) : : "cc");
            __asm__ volatile("lock xaddq %0, %1" : "+r"(one), "+m"(*v) : : "cc");
            do
                old = *v;
            while (!__sync_bool_compare_and_swap(v, old, old + 1));
            /* Half of them, beside each other's feet. */
            __asm__ volatile("lock addl %1, %0" : "+m"(*(volatile u32 *)v) : "r"(1 + me) : "cc");
        }
    }
}

/* Both halves always move together. */
static void count_pairs(unsigned me)
{
    for (unsigned k = 0; k < COUNT; k++) {
        u64 low = 0, high = 0;
        bool done = false;
        while (!done) {
            u64 new_low = low + 1, new_high = high + 3;
            __asm__ volatile("lock cmpxchg16b %2; setz %3"
                             : "+a"(low), "+d"(high), "+m"(pair), "=qm"(done)
                             : "b"(new_low), "c"(new_high)
                             : "cc");
            if (!done && high != 3 * low)
                CHECK_EQ(high, 3 * low);
        }
        won.calls[me]++;
    }
}

void ap_main(void)
{
    ordering(1);
    add_up(1);
    count_pairs(1);
    meet(1, 1000000);
}

void guest_main(void)
{
    ap_begin();
    ordering(0);
    add_up(0);
    count_pairs(0);
    meet(0, 1000000);
    for (unsigned p = 0; p < sizeof places / sizeof places[0]; p++) {
        u64 sum;
        __builtin_memcpy(&sum, area + places[p], 8);

        CHECK_EQ(sum, (u64)COUNT * 2 * 3 + COUNT * 3);
    }
    CHECK_EQ(pair[0], 2 * COUNT);
    CHECK_EQ(pair[1], 6 * COUNT);
    CHECK_EQ(won.calls[0] + won.calls[1], 2 * COUNT);
    CHECK_EQ(TESTS, 7);
}
