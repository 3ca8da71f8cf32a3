/* SPDX-License-Identifier: BSD-2-Clause */
/* The sieve of Eratosthenes: byte stores at growing strides. */
#include "bench.h"
#include <string.h>

enum { LIMIT = 32768 };

static uint64_t sieve(uint64_t n)
{
    static unsigned char composite[LIMIT];
    uint64_t primes = 0;
    while (n--) {
        memset(composite, 0, sizeof composite);
        primes = 0;
        for (unsigned i = 2; i < LIMIT; i++) {
            if (composite[i])
                continue;
            primes++;
            for (unsigned j = i * 2; j < LIMIT; j += i)
                composite[j] = 1;
        }
        BENCH_KEEP(primes);
    }
    return primes;
}

const struct bench bench_sieve[] = {{"sieve", sieve, NULL}, {0}};
