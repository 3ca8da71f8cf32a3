/* SPDX-License-Identifier: BSD-2-Clause */
/* Page faults on fresh memory, and mappings made and removed with one page touched. */
#include "bench.h"
#include <sys/mman.h>

enum { PAGE = 4096, PAGES = 64 };

static char *map(size_t size)
{
    char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        bench_fail("mmap");
    return p;
}

/* An iteration is 64 faults; the mapping stays, its pages are given back. */
static uint64_t page_fault(uint64_t n)
{
    static char *p;
    if (!p) {
        p = map(PAGE * PAGES);
        madvise(p, PAGE * PAGES, MADV_NOHUGEPAGE);
    }
    while (n--) {
        for (unsigned i = 0; i < PAGES; i++)
            p[i * PAGE] = 1;
        if (madvise(p, PAGE * PAGES, MADV_DONTNEED))
            bench_fail("madvise");
    }
    return (uint64_t)p[0];
}

static uint64_t map_unmap(uint64_t n)
{
    while (n--) {
        char *p = map(16 * PAGE);
        p[0] = 1;
        if (munmap(p, 16 * PAGE))
            bench_fail("munmap");
    }
    return 0;
}

const struct bench bench_memory[] = {
    {"page-fault", page_fault, NULL}, {"mmap", map_unmap, NULL}, {0}};
