/* SPDX-License-Identifier: BSD-2-Clause */
/* The C library's sort with a call-back for each comparison. */
#include "bench.h"
#include <stdlib.h>

enum { COUNT = 2048 };

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static uint64_t sort(uint64_t n)
{
    static uint32_t value[COUNT];
    uint64_t state = 0x2545f4914f6cdd1du, sum = 0;
    while (n--) {
        for (unsigned i = 0; i < COUNT; i++)
            value[i] = (uint32_t)bench_random(&state);
        qsort(value, COUNT, sizeof *value, compare);
        sum += value[COUNT / 2];
    }
    return sum;
}

const struct bench bench_sort[] = {{"sort", sort, NULL}, {0}};
