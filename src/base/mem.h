/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory without libc: the core includes this instead of <string.h>. mem_copy and mem_fill use no
 * vector register and are safe while the guest's vector state is live on the host CPU. */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include "base/types.h"

static inline void mem_copy(void *dst, const void *src, size_t n)
{
#ifdef __clang_analyzer__ /* which knows nothing of assembly */
    __builtin_memcpy(dst, src, n);
#else
    __asm__ volatile("rep movsb" : "+D"(dst), "+S"(src), "+c"(n) : : "memory");
#endif
}

static inline void mem_fill(void *dst, u8 value, size_t n)
{
#ifdef __clang_analyzer__
    __builtin_memset(dst, value, n);
#else
    __asm__ volatile("rep stosb" : "+D"(dst), "+c"(n) : "a"(value) : "memory");
#endif
}

/* <0, 0, >0 as memcmp. */
int mem_compare(const void *a, const void *b, size_t n);
bool str_equal(const char *a, const char *b);
size_t str_length(const char *s);
/* Copies src with truncation; dst is always terminated when size > 0. */
void str_copy(char *dst, const char *src, size_t size);

/* Zeroed memory, NULL when the host has none. mem_free(NULL) is fine. */
void *mem_alloc(size_t n) __attribute__((malloc));
/* Zeroed array; NULL on overflow of n * size too. */
void *mem_alloc_array(size_t n, size_t size) __attribute__((malloc));
/* Zeroed and aligned to align, a power of two of at least 8. */
void *mem_alloc_aligned(size_t align, size_t n) __attribute__((malloc));
enum { MEM_HUGE_PAGE = 2 << 20 };
/* Zeroed, in huge pages if the host has any, from the start of one on: for what is used all over.
 * A huge page costs one fault, and one entry in the host's TLB, instead of 512. n is kept by who
 * asks, for mem_unmap(). */
void *mem_map(size_t n) __attribute__((malloc));
void mem_unmap(void *p, size_t n);
void *mem_resize(void *p, size_t n) must_check;
void mem_free(void *p);
/* Gives the host back what of [p, p+n) it can take; what is there afterwards is not defined. */
void mem_discard(void *p, size_t n);

static inline void auto_mem_free_(void *p)
{
    mem_free(*(void **)p);
}
/* Local pointer freed at end of scope. */
#define auto_free __attribute__((cleanup(auto_mem_free_)))

#endif
