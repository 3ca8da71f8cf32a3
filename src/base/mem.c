/* SPDX-License-Identifier: BSD-2-Clause */
/* Heap and memory helpers over the hosted C library. */
#include "base/mem.h"

#include "base/bits.h"
#include <stdlib.h>
#include <sys/mman.h>

int mem_compare(const void *a, const void *b, size_t n)
{
    const u8 *p = a, *q = b;
    for (size_t i = 0; i < n; i++)
        if (p[i] != q[i])
            return p[i] < q[i] ? -1 : 1;
    return 0;
}

size_t str_length(const char *s)
{
    size_t n = 0;
    while (s[n])
        n++;
    return n;
}

bool str_equal(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

void str_copy(char *dst, const char *src, size_t size)
{
    if (!size)
        return;
    size_t n = MIN(str_length(src), size - 1);
    mem_copy(dst, src, n);
    dst[n] = '\0';
}

void *mem_alloc(size_t n)
{
    return calloc(1, n ? n : 1);
}

void *mem_alloc_array(size_t n, size_t size)
{
    size_t bytes;
    return __builtin_mul_overflow(n, size, &bytes) ? NULL : mem_alloc(bytes);
}

void *mem_alloc_aligned(size_t align, size_t n)
{
    if (n > SIZE_MAX - align)
        return NULL;
    n = align_up(n ? n : 1, align);
    void *p = aligned_alloc(align, n);
    if (p)
        mem_fill(p, 0, n);
    return p;
}

static size_t mapped_size(size_t n)
{
    return align_up(n, MEM_HUGE_PAGE);
}

void *mem_map(size_t n)
{
    if (n > SIZE_MAX / 2)
        return NULL;
    n = mapped_size(n);
    u8 *p = mmap(NULL, n + MEM_HUGE_PAGE, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    u8 *start = (u8 *)(uintptr_t)align_up((u64)(uintptr_t)p, MEM_HUGE_PAGE);
    if (start > p)
        munmap(p, (size_t)(start - p));
    munmap(start + n, (size_t)(p + MEM_HUGE_PAGE - start));
    madvise(start, n, MADV_HUGEPAGE); /* refusal is harmless */
    return start;
}

void mem_unmap(void *p, size_t n)
{
    if (p)
        munmap(p, mapped_size(n));
}

void *mem_resize(void *p, size_t n)
{
    return realloc(p, n ? n : 1);
}

void mem_free(void *p)
{
    free(p);
}

void mem_discard(void *p, size_t n)
{
    enum { HOST_PAGE = 4096 };
    uintptr_t first = align_up((uintptr_t)p, HOST_PAGE);
    uintptr_t end = ((uintptr_t)p + n) & ~(uintptr_t)(HOST_PAGE - 1);
    if (first < end)
        madvise((void *)first, end - first, MADV_DONTNEED);
}
