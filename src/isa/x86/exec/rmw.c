/* SPDX-License-Identifier: BSD-2-Clause */
/* Read-modify-write. Locked operations on RAM inside one cache line are the host's own locked
 * compare-exchange; the others (crossing a line or a page, where the host would lock its bus or
 * nothing at all) compare and store while all other processors stand still. */
#include "isa/x86/exec/memory.h"
#include "isa/x86/exec/place.h"
#include "isa/x86/exec/store_buffer.h"

enum { CACHE_LINE = 64 };

static bool host_cmpxchg(u8 *host, unsigned size, u64 expect, u64 value, u64 *seen)
{
    bool ok;
    switch (size) {
#define CASE(n, type)                                                                              \
    case n: {                                                                                      \
        type e = (type)expect;                                                                     \
        ok = __atomic_compare_exchange_n((type *)host, &e, (type)value, false, __ATOMIC_SEQ_CST,   \
                                         __ATOMIC_SEQ_CST);                                        \
        *seen = e;                                                                                 \
        return ok;                                                                                 \
    }
        CASE(1, u8)
        CASE(2, u16)
        CASE(4, u32)
    default: CASE(8, u64)
#undef CASE
    }
}

bool x86_place_cmpxchg(struct x86_cpu *cpu, const struct x86_place *p, unsigned size, u64 expect,
                       u64 value, u64 *seen)
{
    expect &= mask_low(8 * size);
    value &= mask_low(8 * size);
    if (cpu->stores) {
        struct x86_place under = {p->pa, NULL};
        *seen = x86_place_load(cpu, &under, size);
        if (*seen == expect)
            x86_store_buffer_write(cpu->stores, p->pa, size, value);
        return *seen == expect;
    }
    if (p->host)
        return host_cmpxchg(p->host, size, expect, value, seen);
    bool writable;
    *seen = expect;
    if (!cpu->ops->phys_page(cpu, p->pa & ~(u64)0xfff, false, &writable)) {
        /* A device compares nothing, and a register that counts would never be equal: the read was
         * made before, this is the write [SDM3 8.1.2.2]. */
        x86_place_store(cpu, p, size, value);
        return true;
    }
    x86_note_stop(cpu, cpu->ops->phys_cmpxchg(cpu, p->pa, size, expect, value, seen));
    return *seen == expect;
}

static u64 load_both(struct x86_cpu *cpu, const struct x86_rmw *m)
{
    struct x86_place a = {m->pa, m->host}, b = {m->pa2, m->host2};
    u64 v = x86_place_load(cpu, &a, m->first);
    if (m->first < m->size)
        v |= x86_place_load(cpu, &b, m->size - m->first) << 8 * m->first;
    return v;
}

static void store_both(struct x86_cpu *cpu, const struct x86_rmw *m, u64 value)
{
    struct x86_place a = {m->pa, m->host}, b = {m->pa2, m->host2};
    x86_place_store(cpu, &a, m->first, value);
    if (m->first < m->size)
        x86_place_store(cpu, &b, m->size - m->first, value >> 8 * m->first);
}

int x86_rmw_begin(struct x86_cpu *cpu, struct x86_rmw *m, unsigned seg, u64 off, unsigned size,
                  bool locked)
{
    int r = x86_linear(cpu, seg, off, size, X86_WRITE, &m->lin);
    if (r)
        return r;
    m->size = (u8)size;
    m->first = (u8)size;
    m->locked = locked;
    m->seg = (u8)seg;
    m->host = x86_tlb_host(cpu, m->lin, size, X86_WRITE);
    if (likely(m->host != NULL)) {
        m->pa = 0; /* a direct place needs none */
    } else {
        struct x86_span s;
        r = x86_span_resolve(cpu, seg, m->lin, size, X86_WRITE, &s);
        if (r)
            return r;
        m->pa = s.first.pa;
        m->host = s.first.host;
        m->first = (u8)s.split;
        m->pa2 = s.split < size ? s.second.pa : 0;
        m->host2 = s.split < size ? s.second.host : NULL;
    }
    m->old = load_both(cpu, m);
    return X86_OK;
}

/* Other processors stand still, if there are any. */
static bool exclusive_cmpxchg(struct x86_cpu *cpu, struct x86_rmw *m, u64 value)
{
    if (cpu->ops->exclusive_begin)
        cpu->ops->exclusive_begin(cpu);
    u64 now = load_both(cpu, m);
    bool ok = now == m->old;
    if (ok)
        store_both(cpu, m, value);
    else
        m->old = now;
    if (cpu->ops->exclusive_end)
        cpu->ops->exclusive_end(cpu);
    return ok;
}

int x86_rmw_end(struct x86_cpu *cpu, struct x86_rmw *m, u64 value, bool *done)
{
    if (!m->locked) {
        store_both(cpu, m, value);
        *done = true;
        return X86_OK;
    }
    u64 where = m->host ? (u64)(uintptr_t)m->host : m->pa;
    bool one_line = m->first == m->size && (where & (CACHE_LINE - 1)) + m->size <= CACHE_LINE;
    if (one_line) {
        struct x86_place p = {m->pa, m->host};
        u64 seen;
        *done = x86_place_cmpxchg(cpu, &p, m->size, m->old, value, &seen);
        m->old = seen;
    } else {
        *done = exclusive_cmpxchg(cpu, m, value);
    }
    return X86_OK;
}

static bool host_cmpxchg16(u8 *host, u64 seen[2], const u64 desired[2])
{
    bool equal;
    __asm__ volatile("lock cmpxchg16b %1"
                     : "=@ccz"(equal), "+m"(*(u8(*)[16])host), "+a"(seen[0]), "+d"(seen[1])
                     : "b"(desired[0]), "c"(desired[1])
                     : "memory");
    return equal;
}

int x86_cmpxchg16(struct x86_cpu *cpu, unsigned seg, u64 off, const u64 expect[2],
                  const u64 desired[2], bool locked, u64 seen[2], bool *equal)
{
    u64 lin;
    struct x86_span s;
    int r = x86_linear(cpu, seg, off, 16, X86_WRITE, &lin);
    if (r)
        return r;
    if (lin & 15)
        return x86_gp0(cpu);
    r = x86_span_resolve(cpu, seg, lin, 16, X86_WRITE, &s);
    if (r)
        return r;
    seen[0] = expect[0];
    seen[1] = expect[1];
    if (s.first.host) {
        *equal = host_cmpxchg16(s.first.host, seen, desired);
        return X86_OK;
    }
    struct x86_place low = s.first, high = {s.first.pa + 8, NULL};
    if (locked && cpu->ops->exclusive_begin)
        cpu->ops->exclusive_begin(cpu);
    seen[0] = x86_place_load(cpu, &low, 8);
    seen[1] = x86_place_load(cpu, &high, 8);
    *equal = seen[0] == expect[0] && seen[1] == expect[1];
    x86_place_store(cpu, &low, 8, *equal ? desired[0] : seen[0]);
    x86_place_store(cpu, &high, 8, *equal ? desired[1] : seen[1]);
    if (locked && cpu->ops->exclusive_end)
        cpu->ops->exclusive_end(cpu);
    return X86_OK;
}
