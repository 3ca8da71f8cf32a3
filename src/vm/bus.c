/* SPDX-License-Identifier: BSD-2-Clause */
/* Address intervals to devices.
 *
 * Guests move BARs as often as they like, so the table is changed in place and memory stays
 * bounded. A reader takes the sequence number, finds its interval and takes what it needs of it;
 * when the number has changed (odd: a change is going on) it looks again. Fields are read and
 * written with relaxed atomics, the number orders them. */
#include "vm/bus.h"

#include "base/bits.h"
#include "base/mem.h"

#include <errno.h>

enum { BUS_SPANS_MAX = 256 };

struct span {
    u64 base, size;
    struct device *device;
    u64 region;
};

struct bus {
    char name[16];
    struct os_mutex lock; /* writers */
    u32 sequence;
    u32 count;
    struct span span[BUS_SPANS_MAX]; /* sorted by base */
};

int bus_create(struct bus **out, const char *name, struct err *e)
{
    struct bus *b = mem_alloc(sizeof *b);
    if (!b)
        return err_set(e, -ENOMEM, "making the %s bus: out of memory", name);
    str_copy(b->name, name, sizeof b->name);
    *out = b;
    return 0;
}

void bus_destroy(struct bus *b)
{
    mem_free(b);
}

static void change_begin(struct bus *b)
{
    __atomic_store_n(&b->sequence, b->sequence + 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
}

static void change_end(struct bus *b)
{
    __atomic_store_n(&b->sequence, b->sequence + 1, __ATOMIC_RELEASE);
}

static void span_put(struct bus *b, u32 i, const struct span *s)
{
    __atomic_store_n(&b->span[i].base, s->base, __ATOMIC_RELAXED);
    __atomic_store_n(&b->span[i].size, s->size, __ATOMIC_RELAXED);
    __atomic_store_n(&b->span[i].device, s->device, __ATOMIC_RELAXED);
    __atomic_store_n(&b->span[i].region, s->region, __ATOMIC_RELAXED);
}

int bus_map(struct bus *b, u64 base, u64 size, struct device *d, unsigned region, struct err *e)
{
    if (!size || base + size - 1 < base)
        return err_set(e, -EINVAL, "mapping %s on the %s bus: [%#llx, +%#llx) is no range", d->id,
                       b->name, (unsigned long long)base, (unsigned long long)size);
    with_lock(&b->lock);
    if (b->count == BUS_SPANS_MAX)
        return err_set(e, -ENOSPC, "mapping %s: more than %d ranges on the %s bus", d->id,
                       BUS_SPANS_MAX, b->name);
    u32 at = 0;
    for (u32 i = 0; i < b->count; i++) {
        const struct span *s = &b->span[i];
        if (base - s->base < s->size || s->base - base < size)
            return err_set(e, -EEXIST, "mapping %s at %#llx on the %s bus: %s is there", d->id,
                           (unsigned long long)base, b->name, s->device->id);
        if (s->base < base)
            at = i + 1;
    }
    change_begin(b);
    for (u32 i = b->count; i > at; i--)
        span_put(b, i, &b->span[i - 1]);
    span_put(b, at, &(struct span){base, size, d, region});
    __atomic_store_n(&b->count, b->count + 1, __ATOMIC_RELAXED);
    change_end(b);
    return 0;
}

void bus_unmap(struct bus *b, struct device *d, int region)
{
    with_lock(&b->lock);
    change_begin(b);
    u32 kept = 0;
    for (u32 i = 0; i < b->count; i++) {
        struct span s = b->span[i];
        if (s.device != d || (region >= 0 && s.region != (u64)region))
            span_put(b, kept++, &s);
    }
    __atomic_store_n(&b->count, kept, __ATOMIC_RELAXED);
    change_end(b);
}

/* The last span that starts at or below addr; torn data is possible, the caller checks. */
static struct span look(const struct bus *b, u64 addr)
{
    u32 lo = 0, hi = __atomic_load_n(&b->count, __ATOMIC_RELAXED);
    while (lo < hi) {
        u32 mid = (lo + hi) / 2;
        if (__atomic_load_n(&b->span[mid].base, __ATOMIC_RELAXED) <= addr)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (!lo)
        return (struct span){0};
    const struct span *s = &b->span[lo - 1];
    return (struct span){
        .base = __atomic_load_n(&s->base, __ATOMIC_RELAXED),
        .size = __atomic_load_n(&s->size, __ATOMIC_RELAXED),
        .device = __atomic_load_n(&s->device, __ATOMIC_RELAXED),
        .region = __atomic_load_n(&s->region, __ATOMIC_RELAXED),
    };
}

static struct span find(const struct bus *b, u64 addr)
{
    for (;;) {
        u32 before = __atomic_load_n(&b->sequence, __ATOMIC_ACQUIRE);
        struct span s = look(b, addr);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (!(before & 1) && before == __atomic_load_n(&b->sequence, __ATOMIC_RELAXED))
            return s;
    }
}

enum io_result bus_access(struct bus *b, u64 addr, struct io_access *a)
{
    struct span s = find(b, addr);
    enum io_result r = IO_UNCLAIMED;
    if (s.device && range_inside(addr, a->size, s.base, s.size)) {
        a->off = addr - s.base;
        r = device_io(s.device, (unsigned)s.region, a);
    }
    if (!a->write)
        a->val = r == IO_UNCLAIMED ? mask_low(a->size * 8u) : a->val & mask_low(a->size * 8u);
    return r;
}
