/* SPDX-License-Identifier: BSD-2-Clause */
/* Integer names, the three address types that do not mix, and small compiler helpers. */
#ifndef BASE_TYPES_H
#define BASE_TYPES_H

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t i8;
typedef int16_t i16;
typedef int32_t i32;
typedef int64_t i64;
typedef unsigned __int128 u128;
typedef __int128 i128;

/* Guest virtual (linear) and guest physical addresses are structs so that passing one for the
 * other, or for a host pointer, does not compile. A host virtual address is a pointer. */
typedef struct {
    u64 v;
} gva_t;
typedef struct {
    u64 v;
} gpa_t;

static inline gva_t gva(u64 v)
{
    return (gva_t){v};
}

static inline gpa_t gpa(u64 v)
{
    return (gpa_t){v};
}

/* Built with a sanitizer's runtime, which uses memory, registers and system calls of its own. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define BUILT_WITH_SANITIZER 1
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define BUILT_WITH_SANITIZER 1
#endif
#ifndef BUILT_WITH_SANITIZER
#define BUILT_WITH_SANITIZER 0
#endif

#define ARRAY_LEN(a)                    (sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#define MIN(a, b)                                                                                  \
    ({                                                                                             \
        __typeof__(a) min_a_ = (a);                                                                \
        __typeof__(b) min_b_ = (b);                                                                \
        min_a_ < min_b_ ? min_a_ : min_b_;                                                         \
    })
#define MAX(a, b)                                                                                  \
    ({                                                                                             \
        __typeof__(a) max_a_ = (a);                                                                \
        __typeof__(b) max_b_ = (b);                                                                \
        max_a_ > max_b_ ? max_a_ : max_b_;                                                         \
    })

#define likely(x)         __builtin_expect(!!(x), 1)
#define unlikely(x)       __builtin_expect(!!(x), 0)
#define must_check        __attribute__((warn_unused_result))
#define noinline          __attribute__((noinline))
#define always_inline     inline __attribute__((always_inline))
#define cold              __attribute__((__cold__, __noinline__))
#define printf_like(f, a) __attribute__((format(printf, f, a)))

#define KiB ((u64)1 << 10)
#define MiB ((u64)1 << 20)
#define GiB ((u64)1 << 30)

#endif
