/* SPDX-License-Identifier: BSD-2-Clause */
/* Split virtqueues. Order of memory accesses: the driver publishes entries before its index, so
 * the index is loaded with acquire; we publish used entries before our index with release. A full
 * fence stands between storing an event index and looking whether the other side moved, and
 * between storing the used index and reading the driver's wish for interrupts; both sides do the
 * same, so that one of them sees the other [VIRTIO1.2 2.7.7, 2.7.10]. */
#include "device/virtio/virtqueue.h"
#include "base/bits.h"
#include "base/mem.h"
#include <errno.h>

enum {
    DESC_SIZE = 16,
    DESC_NEXT = 1,
    DESC_WRITE = 2,
    DESC_INDIRECT = 4,
    AVAIL_NO_INTERRUPT = 1,
    RING_HEADER = 4,
    USED_ENTRY = 8,
    PAGE = 4096,
};

struct desc {
    u64 addr;
    u32 len;
    u16 flags, next;
};
_Static_assert(sizeof(struct desc) == DESC_SIZE, "descriptor layout");

static u64 avail_size(const struct virtq *q)
{
    return RING_HEADER + 2u * q->regs.size + 2;
}

static u64 used_size(const struct virtq *q)
{
    return RING_HEADER + (u64)USED_ENTRY * q->regs.size + 2;
}

static u8 *avail_ring(const struct virtq *q)
{
    return dma_ptr(q->dma, gpa(q->regs.driver), avail_size(q));
}

static u8 *used_ring(const struct virtq *q)
{
    return dma_ptr(q->dma, gpa(q->regs.device), used_size(q));
}

static u16 load_acquire16(const u8 *p)
{
    return __atomic_load_n((const u16 *)(const void *)p, __ATOMIC_ACQUIRE);
}

static void store_release16(u8 *p, u16 v)
{
    __atomic_store_n((u16 *)(void *)p, v, __ATOMIC_RELEASE);
}

bool virtq_valid(const struct virtq *q)
{
    const struct virtq_regs *r = &q->regs;
    return is_pow2(r->size) && r->size <= VIRTQ_SIZE_MAX && !(r->desc & 15) && !(r->driver & 1) &&
           !(r->device & 3) && dma_ptr(q->dma, gpa(r->desc), (u64)DESC_SIZE * r->size) &&
           avail_ring(q) && used_ring(q);
}

/* Adds [addr, addr+len) to the chain, in as many pieces as it has in host memory. */
static int add_segments(struct virtq *q, struct virtq_chain *c, u64 addr, u32 len, bool write)
{
    if (addr + len < addr)
        return -EPROTO;
    if (c->writable && !write) /* what the device writes comes last [VIRTIO1.2 2.7.4.2] */
        return -EPROTO;
    while (len) {
        u32 n = len;
        u8 *host = dma_ptr(q->dma, gpa(addr), n);
        if (!host) { /* perhaps two RAM blocks that touch: they do so at a page boundary */
            n = MIN(len, (u32)(PAGE - addr % PAGE));
            host = dma_ptr(q->dma, gpa(addr), n);
        }
        unsigned used = c->readable + c->writable;
        if (!host || used == VIRTQ_SEGMENTS_MAX)
            return -EPROTO;
        c->segment[used] = (struct virtq_segment){host, gpa(addr), n};
        if (write) {
            c->writable++;
            c->writable_len += n;
        } else {
            c->readable++;
            c->readable_len += n;
        }
        addr += n;
        len -= n;
    }
    /* The used ring counts in 32 bits, so no chain may hold more [VIRTIO1.2 2.7.4.2]. */
    return c->readable_len + c->writable_len > UINT32_MAX ? -EPROTO : 0;
}

/* Where descriptors come from: the queue's table or an indirect one. */
struct table {
    const u8 *host;
    u32 entries;
    bool indirect;
};

static int open_indirect(struct virtq *q, const struct desc *d, struct table *t)
{
    /* No table inside a table, and no chain goes on behind one [VIRTIO1.2 2.7.5.3.1]. */
    if (!q->indirect || t->indirect || d->flags & DESC_NEXT || !d->len || d->len % DESC_SIZE)
        return -EPROTO;
    const u8 *host = dma_ptr(q->dma, gpa(d->addr), d->len);
    if (!host)
        return -EPROTO;
    *t = (struct table){host, d->len / DESC_SIZE, true};
    return 0;
}

static int walk_chain(struct virtq *q, struct virtq_chain *c)
{
    struct table t = {dma_ptr(q->dma, gpa(q->regs.desc), (u64)DESC_SIZE * q->regs.size),
                      q->regs.size, false};
    u32 index = c->head, seen = 0;
    if (!t.host)
        return -EPROTO;
    for (;;) {
        struct desc d;
        /* A chain is never longer than the queue; a longer one is a loop [VIRTIO1.2 2.7.4.2]. In
         * an indirect table it may be as long: the descriptor of the table is none of it. */
        if (index >= t.entries || seen++ == q->regs.size)
            return -EPROTO;
        mem_copy(&d, t.host + (u64)index * DESC_SIZE, sizeof d);
        if (d.flags & DESC_INDIRECT) {
            int rc = open_indirect(q, &d, &t);
            if (rc)
                return rc;
            index = seen = 0;
            continue;
        }
        int rc = add_segments(q, c, d.addr, d.len, d.flags & DESC_WRITE);
        if (rc)
            return rc;
        if (!(d.flags & DESC_NEXT))
            return 0;
        index = d.next;
    }
}

/* Asks the driver to notify us of the entry at last_avail. */
static void publish_avail_event(struct virtq *q)
{
    u64 at = RING_HEADER + (u64)USED_ENTRY * q->regs.size;
    u8 *used = used_ring(q);
    if (!used)
        return;
    store_release16(used + at, q->regs.last_avail);
    dma_written(q->dma, gpa(q->regs.device + at), 2);
}

int virtq_pop(struct virtq *q, struct virtq_chain *c)
{
    const u8 *avail = avail_ring(q);
    if (!avail)
        return -EPROTO;
    u16 pending = (u16)(load_acquire16(avail + 2) - q->regs.last_avail);
    if (!pending && q->event_idx) {
        publish_avail_event(q);
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        pending = (u16)(load_acquire16(avail + 2) - q->regs.last_avail);
    }
    if (!pending)
        return 0;
    if (pending > q->regs.size)
        return -EPROTO;
    c->head = load16(avail + RING_HEADER + 2u * (q->regs.last_avail % q->regs.size));
    c->readable = c->writable = 0;
    c->readable_len = c->writable_len = 0;
    int rc = walk_chain(q, c);
    if (rc)
        return rc;
    q->regs.last_avail++;
    return 1;
}

void virtq_unpop(struct virtq *q)
{
    q->regs.last_avail--;
}

int virtq_push(struct virtq *q, u16 head, u32 written)
{
    u8 *used = used_ring(q);
    if (!used)
        return -EPROTO;
    u64 at = RING_HEADER + (u64)USED_ENTRY * (q->regs.used % q->regs.size);
    store32(used + at, head);
    store32(used + at + 4, written);
    q->regs.used++;
    store_release16(used + 2, q->regs.used);
    dma_written(q->dma, gpa(q->regs.device), 4);
    dma_written(q->dma, gpa(q->regs.device + at), USED_ENTRY);
    return 0;
}

bool virtq_wants_interrupt(struct virtq *q)
{
    const u8 *avail = avail_ring(q);
    u16 now = q->regs.used, before = q->regs.signalled;
    if (!avail || now == before)
        return false;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    q->regs.signalled = now;
    if (!q->event_idx)
        return !(load_acquire16(avail) & AVAIL_NO_INTERRUPT);
    /* Did the index step over the one the driver waits for [VIRTIO1.2 2.7.7.2]? */
    u16 event = load_acquire16(avail + RING_HEADER + 2u * q->regs.size);
    return (u16)(now - event - 1) < (u16)(now - before);
}

size_t virtq_chain_read(const struct virtq_chain *c, u64 off, void *dst, size_t n)
{
    size_t done = 0;
    for (unsigned i = 0; i < c->readable && done < n; i++) {
        const struct virtq_segment *s = &c->segment[i];
        if (off >= s->len) {
            off -= s->len;
            continue;
        }
        size_t part = MIN(n - done, (size_t)(s->len - off));
        mem_copy((u8 *)dst + done, s->host + off, part);
        done += part;
        off = 0;
    }
    return done;
}

size_t virtq_chain_write(struct virtq *q, const struct virtq_chain *c, u64 off, const void *src,
                         size_t n)
{
    size_t done = 0;
    for (unsigned i = 0; i < c->writable && done < n; i++) {
        const struct virtq_segment *s = &c->segment[c->readable + i];
        if (off >= s->len) {
            off -= s->len;
            continue;
        }
        size_t part = MIN(n - done, (size_t)(s->len - off));
        mem_copy(s->host + off, (const u8 *)src + done, part);
        dma_written(q->dma, gpa(s->addr.v + off), part);
        done += part;
        off = 0;
    }
    return done;
}

void virtq_chain_written(struct virtq *q, const struct virtq_chain *c, u64 n)
{
    for (unsigned i = 0; i < c->writable && n; i++) {
        const struct virtq_segment *s = &c->segment[c->readable + i];
        u64 part = MIN(n, (u64)s->len);
        dma_written(q->dma, s->addr, part);
        n -= part;
    }
}
