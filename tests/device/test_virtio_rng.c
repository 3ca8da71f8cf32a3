/* SPDX-License-Identifier: BSD-2-Clause */
/* The virtio PCI transport and split virtqueues, driven through the entropy device; then every lie
 * a driver can tell about a descriptor chain. */
#include "../unit/cmocka_all.h"

#include <string.h>

#include "base/bits.h"
#include "device/virtio/rng.h"
#include "virtio_driver.h"

#define V1       BIT(VIRTIO_F_VERSION_1)
#define INDIRECT BIT(VIRTIO_F_INDIRECT_DESC)
#define EVENT    BIT(VIRTIO_F_EVENT_IDX)

struct world {
    struct pci_machine *m;
    struct virtio_rng *rng;
    struct driver d;
    struct entropy entropy;
};

/* Bytes 1, 2, 3 ... in each filling. */
static int count_up(struct entropy *s, void *dst, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((u8 *)dst)[i] = (u8)(i + 1);
    return 0;
}

static int setup(void **state)
{
    static struct world w;
    memset(&w, 0, sizeof w);
    w.m = pci_machine_create();
    w.rng = (struct virtio_rng *)device_alloc(&virtio_rng_type, "rng0");
    w.entropy.fill = count_up;
    w.rng->entropy = &w.entropy;
    assert_int_equal(device_init(&w.rng->virtio.dev, NULL), 0);
    driver_attach(&w.d, w.m, &w.rng->virtio);
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    driver_detach(&w->d);
    device_destroy(&w->rng->virtio.dev);
    pci_machine_destroy(w->m);
    return 0;
}

static void test_capabilities(void **state)
{
    struct world *w = *state;
    struct driver *d = &w->d;
    assert_int_equal(test_config_read(w->m, d->devfn, 0, 4), 0x10441af4);
    assert_int_not_equal(d->common, 0);
    assert_int_not_equal(d->isr, 0);
    assert_int_not_equal(d->notify, 0);
    assert_int_equal(d->device, 0); /* no device-specific configuration */
    assert_int_equal(driver_offered(d), V1 | INDIRECT | EVENT);
    assert_int_equal(driver_common(d, 0x12, 2), 1);
    assert_int_equal(driver_status(d), 0);
    assert_int_equal(driver_common(d, 0x10, 2), 0xffff);
}

static void test_field_widths(void **state)
{
    struct world *w = *state;
    struct driver *d = &w->d;
    u64 v = 0;
    assert_int_equal(test_mmio(w->m, d->common + 4, 1, false, &v), IO_UNCLAIMED);
    assert_int_equal(test_mmio(w->m, d->common + 5, 4, false, &v), IO_UNCLAIMED);
    assert_int_equal(test_mmio(w->m, d->common + 0x12, 4, false, &v), IO_UNCLAIMED);
    assert_int_equal(test_mmio(w->m, d->common + 0x38, 4, false, &v), IO_UNCLAIMED);
    driver_set_common(d, 0x20, 8, 0x1122334455667788);
    assert_int_equal(driver_common(d, 0x20, 4), 0x55667788);
    assert_int_equal(driver_common(d, 0x24, 4), 0x11223344);
    driver_set_common(d, 0x24, 4, 0xaabbccdd);
    assert_int_equal(driver_common(d, 0x20, 8), 0xaabbccdd55667788);
}

static void test_negotiation(void **state)
{
    struct world *w = *state;
    struct driver *d = &w->d;
    assert_false(driver_negotiate(d, INDIRECT));     /* not without VERSION_1 */
    assert_false(driver_negotiate(d, V1 | BIT(35))); /* not offered */
    driver_set_common(d, 0x14, 1, 0xff & ~VIRTIO_FAILED);
    assert_int_equal(driver_status(d) & VIRTIO_DRIVER_OK, 0);
    assert_true(driver_negotiate(d, V1));
    driver_set_common(d, 8, 4, 0);
    driver_set_common(d, 12, 4, (u32)INDIRECT); /* too late */
    assert_int_equal(driver_common(d, 12, 4), 0);
    /* Features beyond 63 read as zero and do not matter. */
    driver_set_common(d, 0, 4, 7);
    assert_int_equal(driver_common(d, 4, 4), 0);
    driver_set_common(d, 8, 4, 7);
    driver_set_common(d, 12, 4, 1);
    driver_reset(d);
    assert_int_equal(driver_status(d), 0);
}

static void test_queue_registers(void **state)
{
    struct world *w = *state;
    struct driver *d = &w->d;
    assert_true(driver_negotiate(d, V1));
    driver_set_common(d, 0x16, 2, 0);
    assert_int_equal(driver_common(d, 0x18, 2), 64);
    driver_set_common(d, 0x18, 2, 63);
    assert_int_equal(driver_common(d, 0x18, 2), 64);
    driver_set_common(d, 0x18, 2, 128);
    assert_int_equal(driver_common(d, 0x18, 2), 64);
    driver_set_common(d, 0x18, 2, 0);
    assert_int_equal(driver_common(d, 0x18, 2), 64);
    driver_set_common(d, 0x1a, 2, 2); /* vectors 0 and 1 exist */
    assert_int_equal(driver_common(d, 0x1a, 2), 0xffff);
    driver_set_common(d, 0x1a, 2, 1);
    assert_int_equal(driver_common(d, 0x1a, 2), 1);
    driver_queue_setup(d, 0, 8);
    assert_int_equal(driver_common(d, 0x1c, 2), 1);
    driver_set_common(d, 0x20, 8, 0); /* a live queue does not move */
    assert_int_equal(driver_common(d, 0x20, 8), d->queue[0].desc);
    driver_set_common(d, 0x16, 2, 9); /* no such queue */
    assert_int_equal(driver_common(d, 0x18, 2), 0);
    driver_set_common(d, 0x1c, 2, 1);
    assert_int_equal(driver_common(d, 0x1c, 2), 0);
}

static u64 offer(struct world *w, u32 len)
{
    u64 at = driver_ram(&w->d, len);
    driver_add(&w->d, 0, &(struct part){at, len, true}, 1);
    return at;
}

static void test_data_and_intx(void **state)
{
    struct world *w = *state;
    struct driver *d = &w->d;
    u32 id, len;
    driver_start(d, V1, 1, 8);
    u64 at = offer(w, 100);
    assert_false(driver_used(d, 0, NULL, NULL));
    driver_kick(d, 0);
    assert_true(driver_used(d, 0, &id, &len));
    assert_int_equal(len, 100);
    assert_int_equal(test_ram(w->m, at)[0], 1);
    assert_int_equal(test_ram(w->m, at)[99], 100);
    assert_in_range(w->m->dma_written_bytes, 100, 200);
    assert_true(w->m->pirq[pci_intx_pirq(3, 1)]);
    assert_int_equal(test_mmio_read(w->m, d->isr, 1), 1);
    assert_false(w->m->pirq[pci_intx_pirq(3, 1)]);
    assert_int_equal(test_mmio_read(w->m, d->isr, 1), 0);
    /* VIRTQ_AVAIL_F_NO_INTERRUPT */
    store16(test_ram(w->m, d->queue[0].avail), 1);
    offer(w, 4);
    driver_kick(d, 0);
    assert_true(driver_used(d, 0, NULL, NULL));
    assert_int_equal(test_mmio_read(w->m, d->isr, 1), 0);
}

static void test_many_wrap(void **state)
{
    struct world *w = *state;
    struct driver *d = &w->d;
    driver_start(d, V1, 1, 4);
    driver_enable_msix(d);
    u64 at = driver_ram(d, 16);
    for (unsigned i = 0; i < 70000; i++) { /* both indices pass 65535 */
        u32 id, len;
        u16 head = driver_add(d, 0, &(struct part){at, 16, true}, 1);
        driver_kick(d, 0);
        assert_true(driver_used(d, 0, &id, &len));
        assert_int_equal(id, head);
        assert_int_equal(len, 16);
    }
    assert_int_equal(w->m->msi_count, 70000);
    assert_int_equal(w->m->msi_data[0], DRIVER_VECTOR_BASE + 1);
    assert_false(w->m->pirq[pci_intx_pirq(3, 1)]);
}

static void test_before_driver_ok(void **state)
{
    struct world *w = *state;
    struct driver *d = &w->d;
    assert_true(driver_negotiate(d, V1));
    driver_queue_setup(d, 0, 8);
    offer(w, 8);
    driver_kick(d, 0);
    assert_false(driver_used(d, 0, NULL, NULL));
    driver_ok(d);
    assert_true(driver_used(d, 0, NULL, NULL));
}

static void test_event_index(void **state)
{
    struct world *w = *state;
    struct driver *d = &w->d;
    driver_start(d, V1 | EVENT, 1, 8);
    driver_enable_msix(d);
    u8 *used_event = test_ram(w->m, d->queue[0].avail + 4 + 2 * 8);
    u8 *avail_event = test_ram(w->m, d->queue[0].used + 4 + 8 * 8);
    store16(used_event, 2); /* interrupt when entry 2 is used */
    for (unsigned i = 0; i < 5; i++) {
        offer(w, 8);
        driver_kick(d, 0);
        assert_int_equal(load16(avail_event), i + 1); /* the next one it wants to hear of */
    }
    assert_int_equal(w->m->msi_count, 1);
}

static void test_indirect_and_seam(void **state)
{
    struct world *w = *state;
    struct driver *d = &w->d;
    u32 len;
    driver_start(d, V1 | INDIRECT, 1, 8);
    u64 table = driver_ram(d, 16 * 3), at = driver_ram(d, 64);
    driver_set_desc(d, table, 0, at, 10, DESC_F_WRITE | DESC_F_NEXT, 2);
    driver_set_desc(d, table, 2, at + 10, 10, DESC_F_WRITE | DESC_F_NEXT, 1);
    /* Across two RAM blocks that touch. */
    driver_set_desc(d, table, 1, TEST_RAM_SEAM - 5, 10, DESC_F_WRITE, 0);
    driver_set_desc(d, d->queue[0].desc, 0, table, 48, DESC_F_INDIRECT, 0);
    driver_publish(d, 0, 0);
    driver_kick(d, 0);
    assert_true(driver_used(d, 0, NULL, &len));
    assert_int_equal(len, 30);
    assert_int_equal(driver_status(d) & VIRTIO_NEEDS_RESET, 0);
    assert_int_equal(*test_ram(w->m, TEST_RAM_SEAM - 5), 1);
    assert_int_equal(*test_ram(w->m, TEST_RAM_SEAM - 1), 5);
    assert_int_equal(*test_ram(w->m, TEST_RAM_SEAM), 1);
    assert_int_equal(*test_ram(w->m, TEST_RAM_SEAM + 4), 5);
    assert_int_equal(*test_ram(w->m, TEST_RAM_SEAM + 5), 0);
}

/* As many descriptors in a table as the queue has: the longest chain there is. */
static void test_longest_indirect(void **state)
{
    struct world *w = *state;
    struct driver *d = &w->d;
    enum { SIZE = 8 };
    u32 len;
    driver_start(d, V1 | INDIRECT, 1, SIZE);
    u64 table = driver_ram(d, 16 * SIZE), at = driver_ram(d, SIZE);
    for (u16 i = 0; i < SIZE; i++)
        driver_set_desc(d, table, i, at + i, 1, DESC_F_WRITE | (i < SIZE - 1 ? DESC_F_NEXT : 0),
                        i + 1);
    driver_set_desc(d, d->queue[0].desc, 0, table, 16 * SIZE, DESC_F_INDIRECT, 0);
    driver_publish(d, 0, 0);
    driver_kick(d, 0);
    assert_true(driver_used(d, 0, NULL, &len));
    assert_int_equal(len, SIZE);
    assert_int_equal(driver_status(d) & VIRTIO_NEEDS_RESET, 0);
}

/* Readable buffers are skipped, a chain without room is answered with nothing, and a request is
 * bounded. */
static void test_odd_requests(void **state)
{
    struct world *w = *state;
    struct driver *d = &w->d;
    u32 len;
    driver_start(d, V1, 1, 8);
    u64 at = driver_ram(d, 0x20000);
    driver_add(d, 0, (struct part[]){{at, 8, false}, {at + 8, 8, true}}, 2);
    driver_add(d, 0, &(struct part){at, 8, false}, 1);
    driver_add(d, 0, (struct part[]){{at, 0, true}, {at, 4, true}}, 2);
    driver_add(d, 0, &(struct part){at, 0x20000, true}, 1);
    driver_kick(d, 0);
    const u32 expect[] = {8, 0, 4, 0x10000};
    for (unsigned i = 0; i < 4; i++) {
        assert_true(driver_used(d, 0, NULL, &len));
        assert_int_equal(len, expect[i]);
    }
}

/* One lie a row: what is put into descriptor 0..2 and published. */
struct lie {
    const char *what;
    struct {
        u64 addr;
        u32 len;
        u16 flags, next;
    } desc[3];
    u16 head;
    u16 idx_jump; /* added to the available index */
    u64 features;
};
enum { N = DESC_F_NEXT, W = DESC_F_WRITE, I = DESC_F_INDIRECT };
#define RAM (TEST_RAM_BASE + 0xf0000u)
static const struct lie lies[] = {
    {"address outside RAM", {{0x1000, 8, W, 0}}, 0, 0, V1},
    {"buffer leaves RAM", {{TEST_RAM_BASE + TEST_RAM_SIZE - 4, 8, W, 0}}, 0, 0, V1},
    {"address wraps", {{~(u64)0 - 3, 8, W, 0}}, 0, 0, V1},
    {"length of 4 GiB", {{RAM, 0xffffffff, W, 0}}, 0, 0, V1},
    {"head beyond the table", {{RAM, 8, W, 0}}, 8, 0, V1},
    {"next beyond the table", {{RAM, 8, W | N, 8}}, 0, 0, V1},
    {"chain to itself", {{RAM, 8, W | N, 0}}, 0, 0, V1},
    {"loop of two", {{RAM, 8, W | N, 1}, {RAM, 8, W | N, 0}}, 0, 0, V1},
    {"readable behind writable", {{RAM, 8, W | N, 1}, {RAM, 8, 0, 0}}, 0, 0, V1},
    {"index jumps ahead", {{RAM, 8, W, 0}}, 0, 100, V1},
    {"index goes back", {{RAM, 8, W, 0}}, 0, 0xfffe, V1},
    {"indirect not negotiated", {{RAM, 16, I, 0}}, 0, 0, V1},
    {"indirect of odd length", {{RAM, 17, I, 0}}, 0, 0, V1 | INDIRECT},
    {"indirect of length zero", {{RAM, 0, I, 0}}, 0, 0, V1 | INDIRECT},
    {"indirect outside RAM", {{0, 16, I, 0}}, 0, 0, V1 | INDIRECT},
    {"indirect with next", {{RAM, 16, I | N, 1}, {RAM, 8, W, 0}}, 0, 0, V1 | INDIRECT},
    /* RAM + 0x100 holds a table whose entry is indirect, RAM + 0x200 one that loops, RAM + 0x300
     * one whose next leaves it. */
    {"indirect in indirect", {{RAM + 0x100, 16, I, 0}}, 0, 0, V1 | INDIRECT},
    {"indirect loops", {{RAM + 0x200, 32, I, 0}}, 0, 0, V1 | INDIRECT},
    {"indirect next leaves it", {{RAM + 0x300, 16, I, 0}}, 0, 0, V1 | INDIRECT},
};

static void test_lies(void **state)
{
    struct world *w = *state;
    struct driver *d = &w->d;
    for (unsigned i = 0; i < ARRAY_LEN(lies); i++) {
        const struct lie *l = &lies[i];
        print_message("    %s\n", l->what);
        driver_start(d, l->features, 1, 8);
        driver_set_desc(d, RAM + 0x100, 0, RAM, 16, I, 0);
        driver_set_desc(d, RAM + 0x200, 0, RAM, 1, W | N, 1);
        driver_set_desc(d, RAM + 0x200, 1, RAM, 1, W | N, 0);
        driver_set_desc(d, RAM + 0x300, 0, RAM, 1, W | N, 1);
        for (unsigned k = 0; k < 3; k++)
            driver_set_desc(d, d->queue[0].desc, k, l->desc[k].addr, l->desc[k].len,
                            l->desc[k].flags, l->desc[k].next);
        d->queue[0].avail_idx = (u16)(d->queue[0].avail_idx + l->idx_jump);
        driver_publish(d, 0, l->head);
        test_mmio_read(w->m, d->isr, 1);
        driver_kick(d, 0);
        assert_false(driver_used(d, 0, NULL, NULL));
        assert_int_equal(driver_status(d) & VIRTIO_NEEDS_RESET, VIRTIO_NEEDS_RESET);
        assert_int_equal(test_mmio_read(w->m, d->isr, 1), 2); /* told by a configuration change */
        driver_kick(d, 0);
        /* After a reset it works as before. */
        driver_start(d, V1, 1, 8);
        offer(w, 8);
        driver_kick(d, 0);
        assert_true(driver_used(d, 0, NULL, NULL));
    }
}

static void test_rings_outside_ram(void **state)
{
    struct world *w = *state;
    struct driver *d = &w->d;
    const u64 end = TEST_RAM_BASE + TEST_RAM_SIZE;
    const u64 bad[][3] = {
        {0, TEST_RAM_BASE, TEST_RAM_BASE},
        {TEST_RAM_BASE, 0, TEST_RAM_BASE},
        {TEST_RAM_BASE, TEST_RAM_BASE, 0},
        {end - 64, TEST_RAM_BASE, TEST_RAM_BASE},
        {TEST_RAM_BASE, end - 4, TEST_RAM_BASE},
        {TEST_RAM_BASE, TEST_RAM_BASE, end - 4},
        {TEST_RAM_BASE + 8, TEST_RAM_BASE, TEST_RAM_BASE},
        {TEST_RAM_BASE, TEST_RAM_BASE + 1, TEST_RAM_BASE},
        {TEST_RAM_BASE, TEST_RAM_BASE, TEST_RAM_BASE + 2},
        {~(u64)15, ~(u64)1, ~(u64)3},
    };
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        assert_true(driver_negotiate(d, V1));
        driver_set_common(d, 0x16, 2, 0);
        for (unsigned k = 0; k < 3; k++)
            driver_set_common(d, 0x20 + 8 * k, 8, bad[i][k]);
        driver_set_common(d, 0x1c, 2, 1);
        assert_int_equal(driver_common(d, 0x1c, 2), 0);
        driver_ok(d);
        driver_kick(d, 0);
        assert_int_equal(driver_status(d) & VIRTIO_NEEDS_RESET, VIRTIO_NEEDS_RESET);
    }
}

/* The capability in configuration space that reads and writes the BAR. */
static void test_config_access(void **state)
{
    struct world *w = *state;
    struct driver *d = &w->d;
    u8 cap = d->cfg_cap;
    test_config_write(w->m, d->devfn, cap + 4u, 1, 0);
    test_config_write(w->m, d->devfn, cap + 8u, 4, VIRTIO_PCI_COMMON + 0x14);
    test_config_write(w->m, d->devfn, cap + 12u, 4, 1);
    test_config_write(w->m, d->devfn, cap + 16u, 4, VIRTIO_ACKNOWLEDGE);
    assert_int_equal(driver_status(d), VIRTIO_ACKNOWLEDGE);
    assert_int_equal(test_config_read(w->m, d->devfn, cap + 16u, 4), VIRTIO_ACKNOWLEDGE);
    test_config_write(w->m, d->devfn, cap + 12u, 4, 3);
    test_config_write(w->m, d->devfn, cap + 16u, 4, 0);
    test_config_write(w->m, d->devfn, cap + 12u, 4, 4);
    test_config_write(w->m, d->devfn, cap + 8u, 4, 0xfffffffc);
    test_config_write(w->m, d->devfn, cap + 16u, 4, 0);
    assert_int_equal(driver_status(d), VIRTIO_ACKNOWLEDGE);
}

static void test_save_and_load(void **state)
{
    struct world *w = *state;
    struct driver *d = &w->d;
    static u8 rng[8192], transport[8192];
    driver_start(d, V1 | EVENT, 1, 8);
    offer(w, 8);
    driver_kick(d, 0);
    virtio_rng_type.quiesce(&w->rng->virtio.dev, true);
    size_t nr = device_save(&w->rng->virtio.dev, rng, sizeof rng);
    size_t nt = device_save(&d->pci->pci.dev, transport, sizeof transport);
    device_reset(&d->pci->pci.dev, RESET_COLD);
    assert_int_equal(device_load(&d->pci->pci.dev, transport, nt, NULL), 0);
    assert_int_equal(device_load(&w->rng->virtio.dev, rng, nr, NULL), 0);
    assert_true(driver_used(d, 0, NULL, NULL));
    offer(w, 8);
    driver_kick(d, 0);
    assert_true(driver_used(d, 0, NULL, NULL));
    /* A damaged one is refused. */
    memset(rng, 0x55, nr);
    struct err e;
    assert_int_not_equal(device_load(&w->rng->virtio.dev, rng, nr, &e), 0);
}

static void test_options(void **state)
{
    struct err e;
    struct device *d = device_alloc(&virtio_rng_type, "rng1");
    assert_int_equal(device_set_options(d, "max-bytes=0", &e), 0);
    assert_int_not_equal(device_init(d, &e), 0);
    device_destroy(d);
}

int main(void)
{
#define ROW(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        ROW(test_capabilities),      ROW(test_field_widths),  ROW(test_negotiation),
        ROW(test_queue_registers),   ROW(test_data_and_intx), ROW(test_many_wrap),
        ROW(test_before_driver_ok),  ROW(test_event_index),   ROW(test_indirect_and_seam),
        ROW(test_longest_indirect),  ROW(test_odd_requests),  ROW(test_lies),
        ROW(test_rings_outside_ram), ROW(test_config_access), ROW(test_save_and_load),
        ROW(test_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
