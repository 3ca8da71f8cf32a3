/* SPDX-License-Identifier: BSD-2-Clause */
/* Four processors: two write, each its own variable; the other two must not disagree about which
 * was first [SDM3 8.2.3.7]. What one processor passes on is seen by a third with what came before
 * [SDM3 8.2.3.6]. */
#include "lib/smp.h"

enum { CELLS = 512, REPEATS = 6 };

static struct cell {
    volatile u32 x;
    u32 pad_x[15];
    volatile u32 y;
    u32 pad_y[15];
} cell[CELLS] __attribute__((aligned(64)));
static volatile u32 first[4][CELLS], second[4][CELLS];
static volatile u32 step[4];

static void meet(unsigned me, u32 n)
{
    __asm__ volatile("mfence" : : : "memory");
    step[me] = n;
    for (unsigned p = 0; p < 4; p++)
        while (step[p] < n)
            __asm__ volatile("pause");
}

static void read_both(unsigned me, unsigned i, volatile u32 *one, volatile u32 *other)
{
    first[me][i] = *one;
    second[me][i] = *other;
}

static void independent(unsigned me, unsigned i)
{
    switch (me) {
    case 0: cell[i].x = 1; break;
    case 1: cell[i].y = 1; break;
    case 2: read_both(2, i, &cell[i].x, &cell[i].y); break;
    case 3: read_both(3, i, &cell[i].y, &cell[i].x); break;
    }
}
static bool independent_bad(unsigned i)
{
    return first[2][i] && !second[2][i] && first[3][i] && !second[3][i];
}

static void causal(unsigned me, unsigned i)
{
    switch (me) {
    case 0: cell[i].x = 1; break;
    case 1:
        first[1][i] = cell[i].x;
        cell[i].y = 1;
        break;
    case 2: read_both(2, i, &cell[i].y, &cell[i].x); break;
    }
}
static bool causal_bad(unsigned i)
{
    return first[1][i] && first[2][i] && !second[2][i];
}

static void run(void (*test)(unsigned, unsigned), bool (*bad)(unsigned), u32 n)
{
    unsigned me = processor();
    for (unsigned r = 0; r < REPEATS; r++) {
        for (unsigned i = 0; me == 0 && i < CELLS; i++) {
            cell[i].x = cell[i].y = 0;
            for (unsigned p = 0; p < 4; p++)
                first[p][i] = second[p][i] = 0;
        }
        meet(me, ++n);
        for (unsigned i = 0; i < CELLS; i++)
            test(me, i);
        meet(me, ++n);
        for (unsigned i = 0; me == 0 && i < CELLS; i++)
            if (bad(i))
                CHECK(!bad(i));
    }
}

void ap_main(void)
{
    run(independent, independent_bad, 0);
    run(causal, causal_bad, 1000);
}

void guest_main(void)
{
    CHECK_EQ(ap_begin_all(), 4);
    run(independent, independent_bad, 0);
    run(causal, causal_bad, 1000);
}
