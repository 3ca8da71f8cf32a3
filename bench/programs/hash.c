/* SPDX-License-Identifier: BSD-2-Clause */
/* Hashing of strings byte by byte, and a table with open addressing. */
#include "bench.h"
#include <string.h>

enum { SLOTS = 4096, KEYS = 2500 };

static uint64_t fnv(uint64_t n)
{
    static const char text[] = "A virtual machine is an efficient, isolated duplicate of the real "
                               "machine: most instructions run on the real processor.";
    uint64_t h = 0xcbf29ce484222325u;
    while (n--)
        for (const char *p = text; *p; p++)
            h = (h ^ (unsigned char)*p) * 0x100000001b3u;
    return h;
}

static uint64_t table(uint64_t n)
{
    static struct {
        uint64_t key, value;
    } slot[SLOTS];
    uint64_t sum = 0;
    while (n--) {
        memset(slot, 0, sizeof slot);
        uint64_t state = 0x853c49e6748fea9bu;
        for (unsigned k = 0; k < KEYS * 2; k++) { /* every key twice: insert, then find */
            if (k == KEYS)
                state = 0x853c49e6748fea9bu;
            uint64_t key = bench_random(&state) | 1;
            unsigned i = (unsigned)(key * 0x9e3779b97f4a7c15u >> 52);
            while (slot[i].key && slot[i].key != key)
                i = (i + 1) % SLOTS;
            slot[i].key = key;
            sum += ++slot[i].value;
        }
    }
    return sum;
}

const struct bench bench_hash[] = {{"hash-bytes", fnv, NULL}, {"hash-table", table, NULL}, {0}};
