/* SPDX-License-Identifier: BSD-2-Clause */
/* The C library's string functions, and a scanner that looks at each byte. */
#include "bench.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>

static const char *text(void)
{
    static char t[4096];
    if (!t[0]) {
        size_t used = 0;
        for (unsigned i = 0; used < sizeof t - 64; i++)
            used += (size_t)snprintf(t + used, sizeof t - used, "word%u %x,", i * 7919, i * i);
    }
    return t;
}

static uint64_t library(uint64_t n)
{
    static char copy[4096];
    uint64_t sum = 0;
    while (n--) {
        const char *t = text();
        size_t length = strlen(t);
        memcpy(copy, t, length + 1);
        sum += length + (uint64_t)(memcmp(copy, t, length) == 0);
        for (char *p = copy; (p = strchr(p, ',')); p++)
            sum++;
        sum += strstr(copy, "word791900 ") != NULL;
        sum += (uint64_t)(strrchr(copy, 'w') - copy);
    }
    return sum;
}

static uint64_t scanner(uint64_t n)
{
    uint64_t numbers = 0, words = 0;
    while (n--)
        for (const char *p = text(); *p;) {
            if (isalpha((unsigned char)*p)) {
                while (isalnum((unsigned char)*p))
                    p++;
                words++;
            } else if (isdigit((unsigned char)*p)) {
                for (; isdigit((unsigned char)*p); p++)
                    numbers = numbers * 10 + (uint64_t)(*p - '0');
            } else {
                p++;
            }
        }
    return numbers ^ words;
}

const struct bench bench_strings[] = {{"strings", library, NULL}, {"scanner", scanner, NULL}, {0}};
