/* SPDX-License-Identifier: BSD-2-Clause */
/* Bit fields, alignment, checked arithmetic, and unaligned little-endian loads and stores. */
#ifndef BASE_BITS_H
#define BASE_BITS_H

#include "base/types.h"

#define BIT(n) ((u64)1 << (n))

/* The n low bits set; n in 0..64. */
static inline u64 mask_low(unsigned n)
{
    return n >= 64 ? ~(u64)0 : BIT(n) - 1;
}

/* Bits [lo, lo+width) of v. */
static inline u64 bits_get(u64 v, unsigned lo, unsigned width)
{
    return (v >> lo) & mask_low(width);
}

static inline u64 bits_set(u64 v, unsigned lo, unsigned width, u64 field)
{
    u64 m = mask_low(width) << lo;
    return (v & ~m) | ((field << lo) & m);
}

static inline u64 sign_extend(u64 v, unsigned width)
{
    return (u64)((i64)(v << (64 - width)) >> (64 - width));
}

static inline u64 align_down(u64 v, u64 a)
{
    return v & ~(a - 1);
}

static inline u64 align_up(u64 v, u64 a)
{
    return (v + a - 1) & ~(a - 1);
}

static inline bool is_pow2(u64 v)
{
    return v && !(v & (v - 1));
}

/* True when [addr, addr+len) does not wrap and lies inside [base, base+size). */
static inline bool range_inside(u64 addr, u64 len, u64 base, u64 size)
{
    return addr >= base && len <= size && addr - base <= size - len;
}

#define load_le(type, p)                                                                           \
    ({                                                                                             \
        type load_v_;                                                                              \
        __builtin_memcpy(&load_v_, (p), sizeof(type));                                             \
        load_v_;                                                                                   \
    })
#define store_le(type, p, v)                                                                       \
    ({                                                                                             \
        type store_v_ = (type)(v);                                                                 \
        __builtin_memcpy((p), &store_v_, sizeof(type));                                            \
    })

static inline u16 load16(const void *p)
{
    return load_le(u16, p);
}
static inline u32 load32(const void *p)
{
    return load_le(u32, p);
}
static inline u64 load64(const void *p)
{
    return load_le(u64, p);
}
static inline void store16(void *p, u16 v)
{
    store_le(u16, p, v);
}
static inline void store32(void *p, u32 v)
{
    store_le(u32, p, v);
}
static inline void store64(void *p, u64 v)
{
    store_le(u64, p, v);
}

#endif
