/* SPDX-License-Identifier: BSD-2-Clause */
/* Data access off the fast path: segment checks, page crossings, MMIO, code pages, alignment. */
#include "isa/x86/exec/memory.h"

#include "isa/x86/exec/place.h"
#include "isa/x86/exec/store_buffer.h"

static int segment_fault(struct x86_cpu *cpu, unsigned seg)
{
    return x86_raise_error(cpu, seg == X86_SS ? X86_SS_FAULT : X86_GP, 0);
}

/* Type checks of protected mode [SDM3 5.5]; real and virtual-8086 mode have none. */
static bool type_allows(const struct x86_segment *s, enum x86_access access)
{
    if (s->attr & X86_SEG_UNUSABLE)
        return false;
    bool code = s->attr & X86_SEG_CODE, rw = s->attr & X86_SEG_WRITABLE;
    return access == X86_WRITE ? !code && rw : !code || rw;
}

/* [SDM3 5.3]: an expand-down segment holds the offsets above its limit. */
static bool limit_allows(const struct x86_segment *s, u64 off, unsigned size)
{
    u64 last = off + (size ? size - 1 : 0);
    if ((s->attr & (X86_SEG_CODE | X86_SEG_CONFORMING)) == X86_SEG_CONFORMING)
        return off > s->limit && last <= (s->attr & X86_SEG_DB ? 0xffffffff : 0xffff);
    /* With a limit of 4 GiB an access may wrap: whether it faults is the processor's choice. */
    return last <= s->limit || (s->limit == 0xffffffff && off <= s->limit);
}

int x86_linear_checked(struct x86_cpu *cpu, unsigned seg, u64 off, unsigned size,
                       enum x86_access access, u64 *lin)
{
    const struct x86_segment *s = &cpu->s.seg[seg];
    if (cpu->mode == X86_MODE64) {
        *lin = off + (seg == X86_FS || seg == X86_GS ? s->base : 0);
        return X86_OK;
    }
    if (!cpu->real && !cpu->vm86 && !type_allows(s, access))
        return segment_fault(cpu, seg);
    if (!limit_allows(s, off, size))
        return segment_fault(cpu, seg);
    *lin = (u32)(s->base + off);
    return X86_OK;
}

/* Resolves both pages of [lin, lin+size); wide tells that linear addresses have 64 bits. */
static int resolve_pages(struct x86_cpu *cpu, u64 lin, unsigned size, enum x86_access access,
                         unsigned index, bool wide, struct x86_span *span)
{
    if (!wide)
        lin = (u32)lin;
    int r = x86_resolve(cpu, lin, access, index, &span->first);
    if (r)
        return r;
    span->split = MIN(size, 0x1000 - (unsigned)(lin & 0xfff));
    if (likely(span->split == size))
        return X86_OK;
    u64 next = lin + span->split;
    return x86_resolve(cpu, wide ? next : (u32)next, access, index, &span->second);
}

/* What an operand of up to eight bytes must be aligned to; far pointers of six bytes to four, the
 * x87 environment and state to their words [SDM3 table 6-7]. Vector operands: vector_run.c. */
static unsigned alignment_of(unsigned size)
{
    enum { ENV16 = 14, ENV32 = 28, SAVE16 = 94, SAVE32 = 108 };
    if (size > 8)
        return size == ENV16 || size == SAVE16 ? 2 : size == ENV32 || size == SAVE32 ? 4 : 1;
    return 1u << (31 - __builtin_clz(size));
}

int x86_span_resolve(struct x86_cpu *cpu, unsigned seg, u64 lin, unsigned size,
                     enum x86_access access, struct x86_span *span)
{
    bool wide = cpu->mode == X86_MODE64;
    if (wide && !(x86_canonical(lin) && x86_canonical(lin + size - 1)))
        return segment_fault(cpu, seg);
    int r = resolve_pages(cpu, lin, size, access, cpu->privilege, wide, span);
    if (r)
        return r;
    /* Lower in priority than #PF [SDM3 6.9]. */
    if (unlikely(cpu->align_check) && (lin & (alignment_of(size) - 1)))
        return x86_raise_error(cpu, X86_AC_FAULT, 0);
    if (unlikely(cpu->data_breaks))
        x86_debug_check_data(cpu, lin, size, access);
    return X86_OK;
}

/* Largest naturally aligned piece of [pa, pa+size), at most 8 bytes. */
static unsigned piece(u64 pa, unsigned size)
{
    unsigned n = 8;
    while (n > size || (pa & (n - 1)))
        n /= 2;
    return n;
}

static u64 phys_load(struct x86_cpu *cpu, u64 pa, unsigned size)
{
    bool whole = size == 1 || size == 2 || size == 4 || size == 8;
    u64 value = 0;
    for (unsigned done = 0; done < size;) {
        u64 part = ~(u64)0;
        unsigned n = whole ? size : piece(pa + done, size - done);
        x86_note_stop(cpu, cpu->ops->phys_read(cpu, pa + done, n, &part));
        value |= (part & mask_low(8 * n)) << 8 * done;
        done += n;
    }
    return value;
}

static void phys_store(struct x86_cpu *cpu, u64 pa, unsigned size, u64 value)
{
    bool whole = size == 1 || size == 2 || size == 4 || size == 8;
    for (unsigned done = 0; done < size;) {
        unsigned n = whole ? size : piece(pa + done, size - done);
        x86_note_stop(cpu,
                      cpu->ops->phys_write(cpu, pa + done, n, value >> 8 * done & mask_low(8 * n)));
        done += n;
    }
}

u64 x86_place_load(struct x86_cpu *cpu, const struct x86_place *p, unsigned size)
{
    u64 v = 0;
    if (p->host) {
        switch (size) {
        case 1: return *p->host;
        case 2: return __atomic_load_n((u16 *)p->host, __ATOMIC_RELAXED);
        case 4: return __atomic_load_n((u32 *)p->host, __ATOMIC_RELAXED);
        case 8: return __atomic_load_n((u64 *)p->host, __ATOMIC_RELAXED);
        default:
            for (unsigned i = 0; i < size; i++)
                v |= (u64)p->host[i] << 8 * i;
            return v;
        }
    }
    v = phys_load(cpu, p->pa, size);
    return cpu->stores ? x86_store_buffer_read(cpu->stores, p->pa, size, v) : v;
}

void x86_place_store(struct x86_cpu *cpu, const struct x86_place *p, unsigned size, u64 value)
{
    if (cpu->stores) {
        x86_store_buffer_write(cpu->stores, p->pa, size, value);
        return;
    }
    if (!p->host) {
        phys_store(cpu, p->pa, size, value);
        return;
    }
    switch (size) {
    case 1: *p->host = (u8)value; break;
    case 2: __atomic_store_n((u16 *)p->host, (u16)value, __ATOMIC_RELAXED); break;
    case 4: __atomic_store_n((u32 *)p->host, (u32)value, __ATOMIC_RELAXED); break;
    case 8: __atomic_store_n((u64 *)p->host, value, __ATOMIC_RELAXED); break;
    default:
        for (unsigned i = 0; i < size; i++)
            p->host[i] = (u8)(value >> 8 * i);
    }
}

static u64 span_load(struct x86_cpu *cpu, const struct x86_span *s, unsigned size)
{
    if (likely(s->split == size))
        return x86_place_load(cpu, &s->first, size);
    return x86_place_load(cpu, &s->first, s->split) |
           x86_place_load(cpu, &s->second, size - s->split) << 8 * s->split;
}

static void span_store(struct x86_cpu *cpu, const struct x86_span *s, unsigned size, u64 value)
{
    if (likely(s->split == size)) {
        x86_place_store(cpu, &s->first, size, value);
        return;
    }
    x86_place_store(cpu, &s->first, s->split, value);
    x86_place_store(cpu, &s->second, size - s->split, value >> 8 * s->split);
}

int x86_load_slow(struct x86_cpu *cpu, unsigned seg, u64 lin, unsigned size, u64 *value)
{
    struct x86_span s;
    int r = x86_span_resolve(cpu, seg, lin, size, X86_READ, &s);
    if (r == X86_OK)
        *value = span_load(cpu, &s, size);
    return r;
}

int x86_store_slow(struct x86_cpu *cpu, unsigned seg, u64 lin, unsigned size, u64 value)
{
    struct x86_span s;
    int r = x86_span_resolve(cpu, seg, lin, size, X86_WRITE, &s);
    if (r == X86_OK)
        span_store(cpu, &s, size, value);
    return r;
}

static void place_load_bytes(struct x86_cpu *cpu, struct x86_place p, u8 *dst, unsigned n)
{
    for (unsigned i = 0; i < n;) {
        unsigned k = p.host ? MIN(n - i, 8u) : piece(p.pa, n - i);
        u64 v = x86_place_load(cpu, &p, k);
        for (unsigned b = 0; b < k; b++)
            dst[i + b] = (u8)(v >> 8 * b);
        i += k;
        p.pa += k;
        p.host = p.host ? p.host + k : NULL;
    }
}

static void place_store_bytes(struct x86_cpu *cpu, struct x86_place p, const u8 *src, unsigned n)
{
    for (unsigned i = 0; i < n;) {
        unsigned k = p.host ? MIN(n - i, 8u) : piece(p.pa, n - i);
        u64 v = 0;
        for (unsigned b = 0; b < k; b++)
            v |= (u64)src[i + b] << 8 * b;
        x86_place_store(cpu, &p, k, v);
        i += k;
        p.pa += k;
        p.host = p.host ? p.host + k : NULL;
    }
}

/* Wide operands on a page in the TLB are moved in words: rep movsb costs tens of cycles to
 * start. */
static always_inline void copy_words(u8 *dst, const u8 *src, unsigned n)
{
    unsigned i = 0;
    for (; i + 8 <= n; i += 8)
        store64(dst + i, load64(src + i));
    for (; i < n; i++)
        dst[i] = src[i];
}

int x86_load_bytes(struct x86_cpu *cpu, unsigned seg, u64 off, void *dst, unsigned n)
{
    u64 lin;
    struct x86_span s;
    int r = x86_linear(cpu, seg, off, n, X86_READ, &lin);
    if (r)
        return r;
    const u8 *p = x86_tlb_host(cpu, lin, n, X86_READ);
    if (likely(p != NULL)) {
        copy_words(dst, p, n);
        return X86_OK;
    }
    r = x86_span_resolve(cpu, seg, lin, n, X86_READ, &s);
    if (r)
        return r;
    place_load_bytes(cpu, s.first, dst, s.split);
    if (s.split < n)
        place_load_bytes(cpu, s.second, (u8 *)dst + s.split, n - s.split);
    return X86_OK;
}

int x86_store_bytes(struct x86_cpu *cpu, unsigned seg, u64 off, const void *src, unsigned n)
{
    u64 lin;
    struct x86_span s;
    int r = x86_linear(cpu, seg, off, n, X86_WRITE, &lin);
    if (r)
        return r;
    u8 *p = x86_tlb_host(cpu, lin, n, X86_WRITE);
    if (likely(p != NULL)) {
        copy_words(p, src, n);
        return X86_OK;
    }
    r = x86_span_resolve(cpu, seg, lin, n, X86_WRITE, &s);
    if (r)
        return r;
    place_store_bytes(cpu, s.first, src, s.split);
    if (s.split < n)
        place_store_bytes(cpu, s.second, (const u8 *)src + s.split, n - s.split);
    return X86_OK;
}

int x86_probe_write(struct x86_cpu *cpu, unsigned seg, u64 off, unsigned size)
{
    u64 lin;
    struct x86_span s;
    int r = x86_linear(cpu, seg, off, size, X86_WRITE, &lin);
    if (r || x86_tlb_host(cpu, lin, size, X86_WRITE))
        return r;
    return x86_span_resolve(cpu, seg, lin, size, X86_WRITE, &s);
}

/* Accesses to system structures are supervisor accesses whatever CPL is [SDM3 4.6]. */
static int sys_resolve(struct x86_cpu *cpu, u64 lin, unsigned size, enum x86_access access,
                       struct x86_span *span)
{
    if (cpu->long_mode && !(x86_canonical(lin) && x86_canonical(lin + size - 1)))
        return x86_gp0(cpu);
    return resolve_pages(cpu, lin, size, access, X86_TLB_KERNEL, cpu->long_mode, span);
}

int x86_sys_load(struct x86_cpu *cpu, u64 lin, unsigned size, u64 *value)
{
    struct x86_span s;
    int r = sys_resolve(cpu, lin, size, X86_READ, &s);
    if (r == X86_OK)
        *value = span_load(cpu, &s, size);
    return r;
}

int x86_sys_store(struct x86_cpu *cpu, u64 lin, unsigned size, u64 value)
{
    struct x86_span s;
    int r = sys_resolve(cpu, lin, size, X86_WRITE, &s);
    if (r == X86_OK)
        span_store(cpu, &s, size, value);
    return r;
}

int x86_sys_probe_write(struct x86_cpu *cpu, u64 lin, unsigned size)
{
    struct x86_span s;
    return sys_resolve(cpu, lin, size, X86_WRITE, &s);
}

int x86_sys_set_bits(struct x86_cpu *cpu, u64 lin, u8 bits)
{
    struct x86_span s;
    int r = sys_resolve(cpu, lin, 1, X86_WRITE, &s);
    if (r)
        return r;
    u64 old = x86_place_load(cpu, &s.first, 1), seen;
    while (!x86_place_cmpxchg(cpu, &s.first, 1, old, old | bits, &seen))
        old = seen;
    return X86_OK;
}
