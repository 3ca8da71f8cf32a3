/* SPDX-License-Identifier: BSD-2-Clause */
/* The store buffer: an open-addressed hash of aligned eight-byte groups with a mask of stored
 * bytes each. */
#include "isa/x86/exec/store_buffer.h"

#include "base/bits.h"

void x86_store_buffer_clear(struct x86_store_buffer *b)
{
    for (u32 i = 0; i < b->count; i++)
        b->slot[b->order[i]].mask = 0;
    b->count = 0;
    b->fills = 0;
    b->overflow = false;
}

/* The slot of a group, or the free one where it would go. The table is never full. */
static unsigned find(const struct x86_store_buffer *b, u64 group)
{
    unsigned i = (unsigned)((group >> 3) * 0x9e3779b97f4a7c15u >> 54) % X86_STORE_SLOTS;
    while (b->slot[i].mask && b->slot[i].group != group)
        i = (i + 1) % X86_STORE_SLOTS;
    return i;
}

static void write_byte(struct x86_store_buffer *b, u64 pa, u8 value)
{
    unsigned i = find(b, pa & ~(u64)7);
    struct x86_store_slot *s = &b->slot[i];
    if (!s->mask) {
        if (b->count == X86_STORE_MAX) {
            b->overflow = true;
            return;
        }
        b->order[b->count++] = (u16)i;
        s->group = pa & ~(u64)7;
        s->bytes = 0;
    }
    s->mask |= (u8)(1 << (pa & 7));
    s->bytes = bits_set(s->bytes, (unsigned)(pa & 7) * 8, 8, value);
}

void x86_store_buffer_write(struct x86_store_buffer *b, u64 pa, unsigned size, u64 value)
{
    for (unsigned i = 0; i < size; i++)
        write_byte(b, pa + i, (u8)(value >> 8 * i));
}

u64 x86_store_buffer_read(const struct x86_store_buffer *b, u64 pa, unsigned size, u64 under)
{
    if (!b->count)
        return under;
    for (unsigned i = 0; i < size; i++) {
        const struct x86_store_slot *s = &b->slot[find(b, (pa + i) & ~(u64)7)];
        unsigned byte = (pa + i) & 7;
        if (s->mask >> byte & 1)
            under = bits_set(under, 8 * i, 8, s->bytes >> 8 * byte & 0xff);
    }
    return under;
}

void x86_store_buffer_each(const struct x86_store_buffer *b,
                           void (*fn)(void *ctx, u64 pa, u8 value), void *ctx)
{
    for (u32 i = 0; i < b->count; i++) {
        const struct x86_store_slot *s = &b->slot[b->order[i]];
        for (unsigned k = 0; k < 8; k++)
            if (s->mask >> k & 1)
                fn(ctx, s->group + k, (u8)(s->bytes >> 8 * k));
    }
}
