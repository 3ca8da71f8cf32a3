/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests are descriptor chains: a 16-byte header, data, a status byte; how they are cut into
 * descriptors is the driver's affair [VIRTIO1.2 2.7.4.4]. Reads and writes go to the back-end as
 * the guest's own pages, many at a time; each completes when it completes.
 *
 * A back-end may call done() inside submit(), where we hold the lock, or on its own thread, where
 * we do not. Both set request->phase by exchange: who comes second finishes the request. */
#include "device/virtio/blk.h"
#include "base/bits.h"
#include "base/mem.h"
#include <errno.h>

enum { /* request types [VIRTIO1.2 5.2.6] */
       T_IN = 0,
       T_OUT = 1,
       T_FLUSH = 4,
       T_GET_ID = 8,
       T_DISCARD = 11,
       T_WRITE_ZEROES = 13,
};
enum { S_OK = 0, S_IOERR = 1, S_UNSUPP = 2 };
enum { /* feature bits [VIRTIO1.2 5.2.3] */
       F_SEG_MAX = 2,
       F_RO = 5,
       F_BLK_SIZE = 6,
       F_FLUSH = 9,
       F_TOPOLOGY = 10,
       F_DISCARD = 13,
       F_WRITE_ZEROES = 14,
};
enum { SECTOR = 512, HEADER_SIZE = 16, RANGE_SIZE = 16, ID_SIZE = 20, RANGE_UNMAP = 1 };
enum { RANGE_SECTORS_MAX = 1 << 22 };

struct config { /* [VIRTIO1.2 5.2.4] */
    u64 capacity;
    u32 size_max, seg_max;
    u16 cylinders;
    u8 heads, sectors;
    u32 blk_size;
    u8 physical_block_exp, alignment_offset;
    u16 min_io_size;
    u32 opt_io_size;
    u8 writeback, unused0;
    u16 num_queues;
    u32 max_discard_sectors, max_discard_seg, discard_sector_alignment;
    u32 max_write_zeroes_sectors, max_write_zeroes_seg;
    u8 write_zeroes_may_unmap, unused1[3];
};
_Static_assert(sizeof(struct config) == 64 && offsetof(struct config, max_discard_sectors) == 36 &&
                   offsetof(struct config, write_zeroes_may_unmap) == 56,
               "configuration layout");

struct header {
    u32 type, reserved;
    u64 sector;
};

enum phase { SUBMITTING, SUBMITTED, DONE };

struct request {
    struct list node; /* while idle */
    struct virtio_blk *blk;
    struct virtq_chain chain;
    struct block_segment segment[VIRTQ_SEGMENTS_MAX];
    struct block_request io;
    u64 data_in; /* bytes the device writes before the status byte */
    int phase;
};

static struct virtio_blk *blk_of(struct virtio_device *v)
{
    return container_of(v, struct virtio_blk, virtio);
}

static u64 blk_features(struct virtio_device *v)
{
    u64 f = BIT(F_SEG_MAX) | BIT(F_BLK_SIZE) | BIT(F_FLUSH) | BIT(F_TOPOLOGY);
    return f | (blk_of(v)->backend->read_only ? BIT(F_RO) : BIT(F_DISCARD) | BIT(F_WRITE_ZEROES));
}

static void blk_config_read(struct virtio_device *v, u8 *config)
{
    const struct block_backend *b = blk_of(v)->backend;
    struct config c = {
        .capacity = b->size / SECTOR,
        .seg_max = v->queue_size - 2u, /* header and status take a descriptor each */
        .blk_size = b->block_size,
        .min_io_size = 1,
        .num_queues = 1,
        .max_discard_sectors = RANGE_SECTORS_MAX,
        .max_discard_seg = 1,
        .discard_sector_alignment = b->block_size / SECTOR,
        .max_write_zeroes_sectors = RANGE_SECTORS_MAX,
        .max_write_zeroes_seg = 1,
        .write_zeroes_may_unmap = 1,
    };
    mem_copy(config, &c, sizeof c);
}

static struct request *take_request(struct virtio_blk *b)
{
    struct request *r;
    if (list_empty(&b->idle)) {
        r = mem_alloc(sizeof *r);
        if (r)
            list_init(&r->node);
        return r;
    }
    r = list_entry(b->idle.next, struct request, node);
    list_remove(&r->node);
    return r;
}

/* Gives the chain back with its status byte, the last byte the device may write. */
static void answer(struct request *r, u8 status, u64 data_written)
{
    struct virtio_device *v = &r->blk->virtio;
    struct virtq *q = &v->queue[0];
    virtq_chain_written(q, &r->chain, data_written);
    virtq_chain_write(q, &r->chain, r->chain.writable_len - 1, &status, 1);
    virtio_push(v, 0, r->chain.head, (u32)(data_written + 1));
    list_push_front(&r->blk->idle, &r->node);
}

static u8 status_of(int result)
{
    return result == 0 ? S_OK : result == -EOPNOTSUPP ? S_UNSUPP : S_IOERR;
}

static void finish(struct request *r)
{
    struct virtio_blk *b = r->blk;
    b->in_flight--;
    if (b->virtio.resetting)
        list_push_front(&b->idle, &r->node);
    else
        answer(r, status_of(r->io.result), r->io.result ? 0 : r->data_in);
}

static void start_requests(struct virtio_blk *b);

static void request_done(struct block_request *io)
{
    struct request *r = container_of(io, struct request, io);
    struct virtio_blk *b = r->blk;
    if (__atomic_exchange_n(&r->phase, DONE, __ATOMIC_ACQ_REL) == SUBMITTING)
        return;
    with_lock(b->virtio.lock);
    finish(r);
    if (b->virtio.resetting) {
        if (!b->in_flight)
            virtio_idle(&b->virtio);
        return;
    }
    start_requests(b); /* perhaps it waited for a free place */
    virtio_interrupt(&b->virtio, 0);
}

static void submit(struct request *r)
{
    struct virtio_blk *b = r->blk;
    r->phase = SUBMITTING;
    r->io.done = request_done;
    b->in_flight++;
    b->backend->ops->submit(b->backend, &r->io);
    /* After this exchange the request may be finished and used again by another thread. */
    if (__atomic_exchange_n(&r->phase, SUBMITTED, __ATOMIC_ACQ_REL) == DONE)
        finish(r);
}

/* Collects the chain's segments of [skip, skip+len), counted from the first one given. */
static unsigned collect(struct block_segment *out, const struct virtq_segment *s, unsigned count,
                        u64 skip, u64 len)
{
    unsigned n = 0;
    for (unsigned i = 0; i < count && len; i++) {
        u64 off = MIN(skip, (u64)s[i].len);
        u64 part = MIN(len, s[i].len - off);
        skip -= off;
        if (part)
            out[n++] = (struct block_segment){s[i].host + off, part};
        len -= part;
    }
    return n;
}

static bool in_disk(const struct virtio_blk *b, u64 sector, u64 bytes)
{
    return sector <= b->backend->size / SECTOR && bytes <= b->backend->size - sector * SECTOR;
}

static void start_transfer(struct request *r, const struct header *h)
{
    struct virtio_blk *b = r->blk;
    const struct virtq_chain *c = &r->chain;
    bool write = h->type == T_OUT;
    u64 len = write ? c->readable_len - HEADER_SIZE : c->writable_len - 1;
    if (len % SECTOR || !in_disk(b, h->sector, len) || (write && b->backend->read_only)) {
        answer(r, S_IOERR, 0);
        return;
    }
    r->io = (struct block_request){
        .op = write ? BLOCK_WRITE : BLOCK_READ,
        .offset = h->sector * SECTOR,
        .length = len,
        .segments = r->segment,
    };
    if (write)
        r->io.segment_count = collect(r->segment, c->segment, c->readable, HEADER_SIZE, len);
    else
        r->io.segment_count = collect(r->segment, c->segment + c->readable, c->writable, 0, len);
    r->data_in = write ? 0 : len;
    submit(r);
}

/* DISCARD and WRITE_ZEROES: one range of {sector, sectors, flags} [VIRTIO1.2 5.2.6]. */
static void start_range(struct request *r, const struct header *h)
{
    struct virtio_blk *b = r->blk;
    struct {
        u64 sector;
        u32 sectors, flags;
    } range;
    bool zeroes = h->type == T_WRITE_ZEROES;
    if (b->backend->read_only) {
        answer(r, S_IOERR, 0);
        return;
    }
    if (r->chain.readable_len != HEADER_SIZE + RANGE_SIZE ||
        virtq_chain_read(&r->chain, HEADER_SIZE, &range, sizeof range) != sizeof range ||
        range.flags & ~(u32)(zeroes ? RANGE_UNMAP : 0)) {
        answer(r, S_UNSUPP, 0);
        return;
    }
    u64 bytes = (u64)range.sectors * SECTOR;
    if (range.sectors > RANGE_SECTORS_MAX || !in_disk(b, range.sector, bytes)) {
        answer(r, S_IOERR, 0);
        return;
    }
    r->io = (struct block_request){
        .op = zeroes ? BLOCK_WRITE_ZEROES : BLOCK_DISCARD,
        .offset = range.sector * SECTOR,
        .length = bytes,
    };
    r->data_in = 0;
    submit(r);
}

static void answer_id(struct request *r)
{
    struct virtio_blk *b = r->blk;
    char id[ID_SIZE] = {0};
    mem_copy(id, b->backend->id, MIN(str_length(b->backend->id), sizeof id));
    u64 room = MIN(r->chain.writable_len - 1, (u64)ID_SIZE);
    virtq_chain_write(&b->virtio.queue[0], &r->chain, 0, id, room);
    answer(r, S_OK, room);
}

static void start_request(struct request *r)
{
    struct header h;
    /* No place for a status byte, or half a header: there is no defined answer. */
    if (!r->chain.writable_len || virtq_chain_read(&r->chain, 0, &h, sizeof h) != sizeof h) {
        virtio_fail(&r->blk->virtio, "a block request has no header or no status byte");
        list_push_front(&r->blk->idle, &r->node);
        return;
    }
    switch (h.type) {
    case T_IN:
    case T_OUT: start_transfer(r, &h); break;
    case T_FLUSH:
        r->io = (struct block_request){.op = BLOCK_FLUSH};
        r->data_in = 0;
        submit(r);
        break;
    case T_GET_ID: answer_id(r); break;
    case T_DISCARD:
    case T_WRITE_ZEROES: start_range(r, &h); break;
    default: answer(r, S_UNSUPP, 0);
    }
}

static void start_requests(struct virtio_blk *b)
{
    /* A driver may offer one descriptor again and again: the queue's size bounds what we hold. */
    while (b->in_flight < b->virtio.queue_size) {
        struct request *r = take_request(b);
        if (!r)
            return;
        r->blk = b;
        if (!virtio_pop(&b->virtio, 0, &r->chain)) {
            list_push_front(&b->idle, &r->node);
            return;
        }
        start_request(r);
    }
}

static void blk_queue_ready(struct virtio_device *v, unsigned q)
{
    start_requests(blk_of(v));
    virtio_interrupt(v, q);
}

static void blk_reset(struct virtio_device *v)
{
}

static bool blk_busy(struct virtio_device *v)
{
    return blk_of(v)->in_flight;
}

static void blk_detaching(struct virtio_device *v)
{
    struct virtio_blk *b = blk_of(v);
    b->backend->ops->drain(b->backend);
}

static const struct virtio_ops blk_ops = {
    .id = VIRTIO_ID_BLOCK,
    .pci_class = 0x010000,
    .features = blk_features,
    .config_read = blk_config_read,
    .detaching = blk_detaching,
    .queue_ready = blk_queue_ready,
    .reset = blk_reset,
    .busy = blk_busy,
};

static int blk_init(struct device *d, struct err *e)
{
    struct virtio_blk *b = container_of(d, struct virtio_blk, virtio.dev);
    if (!is_pow2(b->queue_size) || b->queue_size < 4 || b->queue_size > VIRTQ_SIZE_MAX) {
        err_set(e, -EINVAL, "queue-size: %llu", (unsigned long long)b->queue_size);
        err_hint(e, "a power of two from 4 to %d", VIRTQ_SIZE_MAX);
        return -EINVAL;
    }
    list_init(&b->idle);
    virtio_init(&b->virtio, &blk_ops, 1, (unsigned)b->queue_size, sizeof(struct config));
    return 0;
}

static void blk_quiesce(struct device *d, bool on)
{
    struct virtio_blk *b = container_of(d, struct virtio_blk, virtio.dev);
    if (!on)
        return;
    b->backend->ops->drain(b->backend);
    virtio_save(&b->virtio);
}

static int blk_post_load(struct device *d, struct err *e)
{
    return virtio_load(container_of(d, struct virtio_device, dev), e);
}

static void blk_fini(struct device *d)
{
    struct virtio_blk *b = container_of(d, struct virtio_blk, virtio.dev);
    list_for_each_safe (n, &b->idle)
        mem_free(list_entry(n, struct request, node));
}

void virtio_blk_resized(struct virtio_blk *b)
{
    with_lock(b->virtio.lock);
    virtio_config_changed(&b->virtio);
}

static const struct opt_desc blk_opts[] = {
    {"queue-size", OPT_U64, offsetof(struct virtio_blk, queue_size), "256",
     "descriptors in the request queue"},
    {NULL},
};
static const struct state_desc blk_state[] = {VIRTIO_STATE, STATE_END};

const struct device_type virtio_blk_type = {
    .name = "virtio-blk",
    .description = "virtio disk",
    .size = sizeof(struct virtio_blk),
    .opts = blk_opts,
    .state = blk_state,
    .init = blk_init,
    .post_load = blk_post_load,
    .quiesce = blk_quiesce,
    .fini = blk_fini,
};
