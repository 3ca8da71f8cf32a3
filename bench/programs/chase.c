/* SPDX-License-Identifier: BSD-2-Clause */
/* Pointer chasing: each load's address is the last load's value, in and out of the caches. */
#include "bench.h"
#include <stdlib.h>

enum { NODE = 64 };

/* One cycle through all nodes in random order (Sattolo's shuffle). */
static void **make_cycle(size_t bytes)
{
    size_t count = bytes / NODE;
    char *memory = aligned_alloc(4096, bytes);
    uint32_t *order = malloc(count * sizeof *order);
    uint64_t state = 0x9e3779b97f4a7c15u;
    if (!memory || !order)
        bench_fail("memory for pointers");
    for (size_t i = 0; i < count; i++)
        order[i] = (uint32_t)i;
    for (size_t i = count - 1; i > 0; i--) {
        size_t j = bench_random(&state) % i;
        uint32_t t = order[i];
        order[i] = order[j];
        order[j] = t;
    }
    for (size_t i = 0; i < count; i++)
        *(void **)(memory + (size_t)order[i] * NODE) =
            memory + (size_t)order[(i + 1) % count] * NODE;
    free(order);
    return (void **)memory;
}

static uint64_t chase(void **start, uint64_t steps)
{
    void **p = start;
    for (uint64_t i = 0; i < steps; i++)
        p = *p;
    BENCH_KEEP(p);
    return (uint64_t)((char *)p - (char *)start);
}

static uint64_t in_cache(uint64_t n)
{
    static void **cycle;
    if (!cycle)
        cycle = make_cycle(128 << 10);
    return chase(cycle, n * 1000);
}

static uint64_t out_of_cache(uint64_t n)
{
    static void **cycle;
    if (!cycle)
        cycle = make_cycle(64 << 20);
    return chase(cycle, n * 100);
}

const struct bench bench_chase[] = {
    {"chase-cache", in_cache, NULL}, {"chase-memory", out_of_cache, NULL}, {0}};
