/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio-blk over a back-end in memory that completes inside submit, later, or from another
 * thread. */
#include "../unit/cmocka_all.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/bits.h"
#include "device/virtio/blk.h"
#include "virtio_driver.h"

#define FEATURES BIT(VIRTIO_F_VERSION_1)
enum { SECTORS = 128, HELD_MAX = 64 };
enum { T_IN = 0, T_OUT = 1, T_FLUSH = 4, T_GET_ID = 8, T_DISCARD = 11, T_WRITE_ZEROES = 13 };
enum { OK = 0, IOERR = 1, UNSUPP = 2, UNTOUCHED = 0xee };
enum completion { AT_ONCE, HELD, THREAD };

struct disk {
    struct block_backend backend;
    u8 data[SECTORS * 512];
    enum completion when;
    int fail; /* -errno of the next requests */
    struct block_request *held[HELD_MAX];
    unsigned held_count, flushes, drains;
    enum block_op last_op;
    u64 last_offset, last_length;
};

struct world {
    struct pci_machine *m;
    struct virtio_blk *blk;
    struct disk disk;
    struct driver d;
};

static int perform(struct disk *k, const struct block_request *r)
{
    u64 off = r->offset;
    k->last_op = r->op;
    k->last_offset = r->offset;
    k->last_length = r->length;
    k->flushes += r->op == BLOCK_FLUSH;
    if (k->fail)
        return k->fail;
    for (unsigned i = 0; i < r->segment_count; i++) {
        const struct block_segment *s = &r->segments[i];
        assert_true(range_inside(off, s->size, 0, sizeof k->data));
        if (r->op == BLOCK_WRITE)
            memcpy(k->data + off, s->base, s->size);
        else
            memcpy(s->base, k->data + off, s->size);
        off += s->size;
    }
    if (r->op == BLOCK_WRITE_ZEROES)
        memset(k->data + r->offset, 0, r->length);
    return 0;
}

static void *complete_on_thread(void *ctx)
{
    struct block_request *r = ctx;
    r->done(r);
    return NULL;
}

static void disk_submit(struct block_backend *b, struct block_request *r)
{
    struct disk *k = container_of(b, struct disk, backend);
    pthread_t t;
    switch (k->when) {
    case AT_ONCE:
        r->result = perform(k, r);
        r->done(r);
        break;
    case HELD: k->held[k->held_count++] = r; break;
    case THREAD:
        r->result = perform(k, r);
        assert_int_equal(pthread_create(&t, NULL, complete_on_thread, r), 0);
        pthread_detach(t);
        break;
    }
}

static void release_one(struct disk *k, unsigned i)
{
    struct block_request *r = k->held[i];
    k->held[i] = k->held[--k->held_count];
    r->result = perform(k, r);
    r->done(r);
}

static void disk_drain(struct block_backend *b)
{
    struct disk *k = container_of(b, struct disk, backend);
    k->drains++;
    while (k->held_count)
        release_one(k, 0);
}

static void make(struct world *w, bool read_only)
{
    static const struct block_ops ops = {.submit = disk_submit, .drain = disk_drain};
    w->m = pci_machine_create();
    w->disk.backend = (struct block_backend){
        .ops = &ops,
        .size = sizeof w->disk.data,
        .block_size = 512,
        .read_only = read_only,
        .id = "DISK-42",
    };
    for (unsigned i = 0; i < sizeof w->disk.data; i++)
        w->disk.data[i] = (u8)(i / 512);
    w->blk = (struct virtio_blk *)device_alloc(&virtio_blk_type, "disk0");
    w->blk->backend = &w->disk.backend;
    assert_int_equal(device_init(&w->blk->virtio.dev, NULL), 0);
    driver_attach(&w->d, w->m, &w->blk->virtio);
}

static int setup(void **state)
{
    static struct world w;
    memset(&w, 0, sizeof w);
    make(&w, false);
    driver_start(&w.d, FEATURES, 1, 16);
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    driver_detach(&w->d);
    device_destroy(&w->blk->virtio.dev);
    pci_machine_destroy(w->m);
    return 0;
}

static u64 header(struct world *w, u32 type, u64 sector)
{
    u64 at = driver_ram(&w->d, 16);
    store32(test_ram(w->m, at), type);
    store64(test_ram(w->m, at + 8), sector);
    return at;
}

/* Offers header, data, status; returns where the status byte is. */
static u64 offer(struct world *w, u32 type, u64 sector, u64 data, u32 len, bool in)
{
    u64 status = driver_ram(&w->d, 1);
    *test_ram(w->m, status) = UNTOUCHED;
    struct part p[] = {{header(w, type, sector), 16, false}, {data, len, in}, {status, 1, true}};
    if (!len)
        p[1] = p[2];
    driver_add(&w->d, 0, p, len ? 3 : 2);
    return status;
}

static u8 request(struct world *w, u32 type, u64 sector, u64 data, u32 len, bool in, u32 *used)
{
    u64 status = offer(w, type, sector, data, len, in);
    u32 dummy;
    driver_kick(&w->d, 0);
    assert_true(driver_used(&w->d, 0, NULL, used ? used : &dummy));
    return *test_ram(w->m, status);
}

static void test_config(void **state)
{
    struct world *w = *state;
    u64 c = w->d.device;
    assert_int_equal(test_mmio_read(w->m, c, 8), SECTORS);
    assert_int_equal(test_mmio_read(w->m, c + 12, 4), 254);
    assert_int_equal(test_mmio_read(w->m, c + 20, 4), 512);
    assert_int_equal(test_mmio_read(w->m, c + 40, 4), 1); /* max_discard_seg */
    assert_int_equal(test_mmio_read(w->m, c + 56, 1), 1);
    assert_int_equal(driver_offered(&w->d) & mask_low(16),
                     BIT(2) | BIT(6) | BIT(9) | BIT(10) | BIT(13) | BIT(14));
    u8 generation = (u8)driver_common(&w->d, 0x15, 1);
    virtio_blk_resized(w->blk);
    assert_int_equal((u8)driver_common(&w->d, 0x15, 1), (u8)(generation + 1));
    assert_int_equal(test_mmio_read(w->m, w->d.isr, 1), 2);
}

static void test_read_write(void **state)
{
    struct world *w = *state;
    u64 data = driver_ram(&w->d, 2048);
    u32 used;
    assert_int_equal(request(w, T_IN, 5, data, 1024, true, &used), OK);
    assert_int_equal(used, 1025);
    assert_int_equal(*test_ram(w->m, data), 5);
    assert_int_equal(*test_ram(w->m, data + 1023), 6);
    assert_int_equal(*test_ram(w->m, data + 1024), 0);
    memset(test_ram(w->m, data), 0xab, 512);
    assert_int_equal(request(w, T_OUT, SECTORS - 1, data, 512, false, &used), OK);
    assert_int_equal(used, 1);
    assert_int_equal(w->disk.data[SECTORS * 512 - 1], 0xab);
    assert_int_equal(w->disk.data[SECTORS * 512 - 513], SECTORS - 2);
    assert_int_equal(request(w, T_FLUSH, 0, 0, 0, false, NULL), OK);
    assert_int_equal(w->disk.flushes, 1);
}

/* However the bytes are cut: header in two pieces with data behind it, the status byte at the end
 * of the data's descriptor [VIRTIO1.2 2.7.4.4]. */
static void test_framing(void **state)
{
    struct world *w = *state;
    u64 out = driver_ram(&w->d, 16 + 512), in = driver_ram(&w->d, 513);
    store32(test_ram(w->m, out), T_OUT);
    store64(test_ram(w->m, out + 8), 9);
    memset(test_ram(w->m, out + 16), 0x77, 512);
    struct part write[] = {
        {out, 5, false}, {out + 5, 100, false}, {out + 105, 423, false}, {in, 1, true}};
    driver_add(&w->d, 0, write, 4);
    driver_kick(&w->d, 0);
    assert_true(driver_used(&w->d, 0, NULL, NULL));
    assert_int_equal(*test_ram(w->m, in), OK);
    assert_int_equal(w->disk.data[9 * 512], 0x77);
    assert_int_equal(w->disk.data[10 * 512 - 1], 0x77);
    store32(test_ram(w->m, out), T_IN);
    *test_ram(w->m, in + 512) = UNTOUCHED;
    struct part read[] = {{out, 16, false}, {in, 100, true}, {in + 100, 413, true}};
    driver_add(&w->d, 0, read, 3);
    driver_kick(&w->d, 0);
    assert_true(driver_used(&w->d, 0, NULL, NULL));
    assert_int_equal(*test_ram(w->m, in + 511), 0x77);
    assert_int_equal(*test_ram(w->m, in + 512), OK);
}

static void test_get_id(void **state)
{
    struct world *w = *state;
    u64 data = driver_ram(&w->d, 32);
    u32 used;
    memset(test_ram(w->m, data), 0xff, 32);
    assert_int_equal(request(w, T_GET_ID, 0, data, 20, true, &used), OK);
    assert_int_equal(used, 21);
    assert_memory_equal(test_ram(w->m, data), "DISK-42\0\0\0\0\0\0\0\0\0\0\0\0\0\xff", 21);
    assert_int_equal(request(w, T_GET_ID, 0, data, 4, true, &used), OK);
    assert_int_equal(used, 5);
}

static u8 range(struct world *w, u32 type, u64 sector, u32 sectors, u32 flags)
{
    u64 data = driver_ram(&w->d, 16);
    store64(test_ram(w->m, data), sector);
    store32(test_ram(w->m, data + 8), sectors);
    store32(test_ram(w->m, data + 12), flags);
    return request(w, type, 0, data, 16, false, NULL);
}

static void test_ranges(void **state)
{
    struct world *w = *state;
    assert_int_equal(range(w, T_WRITE_ZEROES, 3, 2, 1), OK);
    assert_int_equal(w->disk.last_op, BLOCK_WRITE_ZEROES);
    assert_int_equal(w->disk.last_offset, 3 * 512);
    assert_int_equal(w->disk.last_length, 2 * 512);
    assert_int_equal(w->disk.data[3 * 512], 0);
    assert_int_equal(w->disk.data[5 * 512], 5);
    assert_int_equal(range(w, T_DISCARD, 8, 8, 0), OK);
    assert_int_equal(w->disk.last_op, BLOCK_DISCARD);
    assert_int_equal(range(w, T_DISCARD, 8, 8, 1), UNSUPP);
    assert_int_equal(range(w, T_WRITE_ZEROES, 8, 8, 2), UNSUPP);
    assert_int_equal(range(w, T_DISCARD, SECTORS - 1, 2, 0), IOERR);
    assert_int_equal(range(w, T_DISCARD, ~(u64)0, 2, 0), IOERR);
    assert_int_equal(range(w, T_WRITE_ZEROES, 0, 0xffffffff, 0), IOERR);
    u64 data = driver_ram(&w->d, 32);
    assert_int_equal(request(w, T_DISCARD, 0, data, 32, false, NULL), UNSUPP);
}

static void test_bad_requests(void **state)
{
    struct world *w = *state;
    u64 data = driver_ram(&w->d, 2048);
    assert_int_equal(request(w, T_IN, SECTORS, data, 512, true, NULL), IOERR);
    assert_int_equal(request(w, T_IN, SECTORS - 1, data, 1024, true, NULL), IOERR);
    assert_int_equal(request(w, T_OUT, ~(u64)0, data, 512, false, NULL), IOERR);
    assert_int_equal(request(w, T_OUT, (u64)1 << 55, data, 512, false, NULL), IOERR);
    assert_int_equal(request(w, T_IN, 0, data, 100, true, NULL), IOERR);
    assert_int_equal(request(w, 99, 0, data, 512, true, NULL), UNSUPP);
    w->disk.fail = -ENOSPC;
    assert_int_equal(request(w, T_OUT, 0, data, 512, false, NULL), IOERR);
    assert_int_equal(request(w, T_FLUSH, 0, 0, 0, false, NULL), IOERR);
    w->disk.fail = 0;
    assert_int_equal(driver_status(&w->d) & VIRTIO_NEEDS_RESET, 0);
    /* No status byte; half a header. */
    driver_add(&w->d, 0, &(struct part){header(w, T_IN, 0), 16, false}, 1);
    driver_kick(&w->d, 0);
    assert_int_equal(driver_status(&w->d) & VIRTIO_NEEDS_RESET, VIRTIO_NEEDS_RESET);
    driver_start(&w->d, FEATURES, 1, 16);
    struct part half[] = {{header(w, T_IN, 0), 8, false}, {driver_ram(&w->d, 1), 1, true}};
    driver_add(&w->d, 0, half, 2);
    driver_kick(&w->d, 0);
    assert_int_equal(driver_status(&w->d) & VIRTIO_NEEDS_RESET, VIRTIO_NEEDS_RESET);
}

static void test_read_only(void **state)
{
    struct world *w = *state;
    teardown(state);
    memset(w, 0, sizeof *w);
    make(w, true);
    assert_int_equal(driver_offered(&w->d) & (BIT(5) | BIT(13) | BIT(14)), BIT(5));
    driver_start(&w->d, FEATURES | BIT(5), 1, 16);
    u64 data = driver_ram(&w->d, 512);
    assert_int_equal(request(w, T_OUT, 0, data, 512, false, NULL), IOERR);
    assert_int_equal(range(w, T_WRITE_ZEROES, 0, 1, 0), IOERR);
    assert_int_equal(request(w, T_IN, 7, data, 512, true, NULL), OK);
    assert_int_equal(*test_ram(w->m, data), 7);
}

static void test_out_of_order(void **state)
{
    struct world *w = *state;
    u64 data = driver_ram(&w->d, 4096), status[4];
    u32 id, first = 0;
    w->disk.when = HELD;
    for (unsigned i = 0; i < 4; i++)
        status[i] = offer(w, T_IN, i, data + 512 * i, 512, true);
    driver_kick(&w->d, 0);
    assert_int_equal(w->disk.held_count, 4);
    assert_false(driver_used(&w->d, 0, NULL, NULL));
    release_one(&w->disk, 2);
    assert_true(driver_used(&w->d, 0, &id, NULL));
    assert_int_equal(id, 6);
    assert_int_equal(*test_ram(w->m, status[2]), OK);
    assert_int_equal(*test_ram(w->m, status[0]), UNTOUCHED);
    assert_int_equal(test_mmio_read(w->m, w->d.isr, 1), 1);
    virtio_blk_type.quiesce(&w->blk->virtio.dev, true);
    assert_int_equal(w->disk.drains, 1);
    for (unsigned i = 0; i < 3; i++)
        assert_true(driver_used(&w->d, 0, &first, NULL));
    assert_int_equal(*test_ram(w->m, status[0]), OK);
}

/* A reset waits for what is in flight: the status stays, and the answer goes nowhere. */
static void test_reset_in_flight(void **state)
{
    struct world *w = *state;
    u64 data = driver_ram(&w->d, 1024);
    w->disk.when = HELD;
    u64 status = offer(w, T_IN, 3, data, 512, true);
    offer(w, T_IN, 4, data + 512, 512, true);
    driver_kick(&w->d, 0);
    u64 used_ring = w->d.queue[0].used;
    driver_set_common(&w->d, 0x14, 1, 0);
    assert_int_not_equal(driver_status(&w->d), 0);
    driver_set_common(&w->d, 0x14, 1, VIRTIO_ACKNOWLEDGE);
    driver_kick(&w->d, 0);
    release_one(&w->disk, 0);
    assert_int_not_equal(driver_status(&w->d), 0);
    release_one(&w->disk, 0);
    assert_int_equal(driver_status(&w->d), 0);
    assert_int_equal(load16(test_ram(w->m, used_ring + 2)), 0);
    assert_int_equal(*test_ram(w->m, status), UNTOUCHED);
    w->disk.when = AT_ONCE;
    driver_start(&w->d, FEATURES, 1, 16);
    data = driver_ram(&w->d, 512);
    assert_int_equal(request(w, T_IN, 3, data, 512, true, NULL), OK);
}

/* One head published again and again while nothing completes. */
static void test_bounded_in_flight(void **state)
{
    struct world *w = *state;
    u64 data = driver_ram(&w->d, 512);
    driver_start(&w->d, FEATURES, 1, 8);
    w->disk.when = HELD;
    offer(w, T_IN, 3, data, 512, true);
    for (unsigned i = 0; i < 40; i++) {
        driver_kick(&w->d, 0);
        driver_publish(&w->d, 0, 0);
    }
    driver_kick(&w->d, 0);
    assert_in_range(w->disk.held_count, 8, HELD_MAX);
    disk_drain(&w->disk.backend);
    assert_int_equal(w->disk.held_count, 0);
}

/*
 * Waits for the n-th interrupt. A driver that offered the next request as soon as it saw the used
 * entry could have two of them answered by one interrupt, which the device may do.
 */
static void wait_interrupt(struct world *w, unsigned n)
{
    for (u64 end = os_clock_ns() + 60000000000; os_clock_ns() < end;)
        if (__atomic_load_n(&w->m->msi_count, __ATOMIC_ACQUIRE) >= n)
            return;
    fail_msg("interrupt %u of the block device never came", n);
}

static void test_threaded(void **state)
{
    struct world *w = *state;
    u64 data = driver_ram(&w->d, 512), h = header(w, T_IN, 1), status = driver_ram(&w->d, 1);
    w->disk.when = THREAD;
    driver_enable_msix(&w->d);
    for (unsigned i = 0; i < 300; i++) {
        struct part p[] = {{h, 16, false}, {data, 512, true}, {status, 1, true}};
        *test_ram(w->m, status) = UNTOUCHED;
        driver_add(&w->d, 0, p, 3);
        driver_kick(&w->d, 0);
        wait_interrupt(w, i + 1);
        assert_true(driver_used(&w->d, 0, NULL, NULL));
        assert_int_equal(*test_ram(w->m, status), OK);
    }
    assert_int_equal(w->m->msi_count, 300);
}

static void test_options(void **state)
{
    struct world *w = *state;
    const char *bad[] = {"queue-size=0", "queue-size=3", "queue-size=512", "queue-size=48"};
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        struct err e;
        struct device *d = device_alloc(&virtio_blk_type, "disk1");
        ((struct virtio_blk *)d)->backend = &w->disk.backend;
        assert_int_equal(device_set_options(d, bad[i], &e), 0);
        assert_int_equal(device_init(d, &e), -EINVAL);
        assert_non_null(strstr(e.text, "queue-size"));
        device_destroy(d);
    }
}

int main(void)
{
#define ROW(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        ROW(test_config),          ROW(test_read_write),
        ROW(test_framing),         ROW(test_get_id),
        ROW(test_ranges),          ROW(test_bad_requests),
        ROW(test_read_only),       ROW(test_out_of_order),
        ROW(test_reset_in_flight), ROW(test_bounded_in_flight),
        ROW(test_threaded),        ROW(test_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
