/* SPDX-License-Identifier: BSD-2-Clause */
/* Function calls: deep recursion, and calls through a table of pointers. */
#include "bench.h"

/* The values are kept from the compiler, which would turn a call into a loop. */
static __attribute__((noinline)) uint64_t fibonacci(uint64_t n)
{
    if (n < 2)
        return n;
    uint64_t a = fibonacci(n - 1);
    BENCH_KEEP(a);
    uint64_t b = fibonacci(n - 2);
    BENCH_KEEP(b);
    return a + b;
}

static uint64_t recursion(uint64_t n)
{
    uint64_t sum = 0;
    while (n--)
        sum += fibonacci(15);
    return sum;
}

#define STEP(name, expression)                                                                     \
    static __attribute__((noinline)) uint64_t name(uint64_t x)                                     \
    {                                                                                              \
        return expression;                                                                         \
    }
STEP(step0, x + 1)
STEP(step1, x * 3)
STEP(step2, x ^ (x >> 7))
STEP(step3, x - 11)
STEP(step4, (x << 5) | (x >> 59))
STEP(step5, ~x)
STEP(step6, x + (x >> 3))
STEP(step7, x * 5 + 1)

static uint64_t (*volatile const steps[8])(uint64_t) = {step0, step1, step2, step3,
                                                        step4, step5, step6, step7};

static uint64_t indirect(uint64_t n)
{
    uint64_t x = 42;
    for (uint64_t i = 0; i < n * 1000; i++)
        x = steps[(i ^ (i >> 3)) & 7](x);
    return x;
}

const struct bench bench_calls[] = {
    {"calls", recursion, NULL}, {"indirect-calls", indirect, NULL}, {0}};
