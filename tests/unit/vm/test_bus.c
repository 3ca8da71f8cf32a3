/* SPDX-License-Identifier: BSD-2-Clause */
/* vm/bus.c and vm/device*.c: intervals, options, saved state. */
#include "../../fake_clock.h"
#include "../cmocka_all.h"

#include "base/mem.h"
#include "vm/bus.h"
#include <errno.h>
#include <pthread.h>
#include <string.h>

struct probe {
    struct device dev;
    u32 last_region;
    u64 last_off;
    u16 words[3];
    bool flag;
    struct vtimer timer;
    bool option;
    u64 number, size;
    char *text;
    int fini_calls;
};
static int finished;

static enum io_result probe_io(struct device *d, unsigned region, struct io_access *a)
{
    struct probe *p = (struct probe *)d;
    p->last_region = region;
    p->last_off = a->off;
    a->val = 0x1122334455667788;
    return region == 9 ? IO_UNCLAIMED : IO_OK;
}
static int probe_init(struct device *d, struct err *e)
{
    struct probe *p = (struct probe *)d;
    return p->number == 13 ? err_set(e, -EINVAL, "unlucky") : 0;
}
static void probe_fini(struct device *d)
{
    (void)d;
    finished++;
}
static int probe_post_load(struct device *d, struct err *e)
{
    struct probe *p = (struct probe *)d;
    return p->words[0] == 0xdead ? err_set(e, -EINVAL, "bad words") : 0;
}
static void probe_reset(struct device *d, enum reset_kind kind)
{
    (void)kind;
    ((struct probe *)d)->words[0] = 7;
}
static void probe_tick(void *ctx)
{
    ((struct probe *)ctx)->words[2]++;
}

static const struct opt_desc probe_opts[] = {
    {"option", OPT_BOOL, offsetof(struct probe, option), "off", ""},
    {"number", OPT_U64, offsetof(struct probe, number), "42", ""},
    {"size", OPT_SIZE, offsetof(struct probe, size), "4K", ""},
    {"text", OPT_STRING, offsetof(struct probe, text), NULL, ""},
    {0},
};
static const struct state_desc probe_state[] = {
    STATE_ARRAY(struct probe, words, STATE_U16),
    STATE_FIELD(struct probe, flag, STATE_BOOL),
    STATE_FIELD(struct probe, timer, STATE_TIMER),
    STATE_END,
};
static const struct device_type probe_type = {
    .name = "probe",
    .description = "a device for tests",
    .size = sizeof(struct probe),
    .opts = probe_opts,
    .state = probe_state,
    .init = probe_init,
    .io = probe_io,
    .reset = probe_reset,
    .post_load = probe_post_load,
    .fini = probe_fini,
};

static struct probe *make(const char *id)
{
    struct probe *p = (struct probe *)device_alloc(&probe_type, id);
    assert_non_null(p);
    return p;
}

static u64 read_at(struct bus *b, u64 addr, u8 size, enum io_result expect)
{
    struct io_access a = {.size = size};
    assert_int_equal(bus_access(b, addr, &a), expect);
    return a.val;
}

static void accesses_find_their_device(void **state)
{
    (void)state;
    struct bus *b;
    assert_int_equal(bus_create(&b, "port", NULL), 0);
    struct probe *p = make("p0"), *q = make("q0");
    assert_int_equal(bus_map(b, 0x3f8, 8, &p->dev, 1, NULL), 0);
    assert_int_equal(bus_map(b, 0x60, 1, &q->dev, 0, NULL), 0);
    assert_int_equal(bus_map(b, 0x64, 1, &q->dev, 2, NULL), 0);
    assert_int_equal(bus_map(b, ~(u64)0xff, 0x100, &q->dev, 9, NULL), 0);

    assert_true(read_at(b, 0x3ff, 1, IO_OK) == 0x88); /* cut to the size */
    assert_int_equal(p->last_off, 7);
    assert_int_equal(p->last_region, 1);
    assert_true(read_at(b, 0x64, 1, IO_OK) == 0x88);
    assert_int_equal(q->last_region, 2);
    /* Beside, across the end, claimed but refused: all ones. */
    assert_true(read_at(b, 0x400, 2, IO_UNCLAIMED) == 0xffff);
    assert_true(read_at(b, 0x3ff, 2, IO_UNCLAIMED) == 0xffff);
    assert_true(read_at(b, 0x3f7, 4, IO_UNCLAIMED) == 0xffffffff);
    assert_true(read_at(b, ~(u64)0xf, 8, IO_UNCLAIMED) == ~(u64)0);
    assert_true(read_at(b, 0, 1, IO_UNCLAIMED) == 0xff);

    bus_unmap(b, &q->dev, 2);
    assert_true(read_at(b, 0x64, 1, IO_UNCLAIMED) == 0xff);
    assert_true(read_at(b, 0x60, 1, IO_OK) == 0x88);
    bus_unmap(b, &q->dev, -1);
    assert_true(read_at(b, 0x60, 1, IO_UNCLAIMED) == 0xff);
    assert_true(read_at(b, 0x3f8, 1, IO_OK) == 0x88);
    device_destroy(&p->dev);
    device_destroy(&q->dev);
    bus_destroy(b);
}

static void ranges_do_not_overlap(void **state)
{
    (void)state;
    struct bus *b;
    assert_int_equal(bus_create(&b, "port", NULL), 0);
    struct probe *p = make("p0");
    struct err e = {0};
    assert_int_equal(bus_map(b, 0x100, 0x10, &p->dev, 0, NULL), 0);
    assert_int_equal(bus_map(b, 0x10f, 1, &p->dev, 1, &e), -EEXIST);
    assert_non_null(strstr(e.text, "p0"));
    assert_int_equal(bus_map(b, 0xf8, 9, &p->dev, 1, NULL), -EEXIST);
    assert_int_equal(bus_map(b, 0x0, 0x1000, &p->dev, 1, NULL), -EEXIST);
    assert_int_equal(bus_map(b, 0x110, 1, &p->dev, 1, NULL), 0);
    assert_int_equal(bus_map(b, 0xff, 1, &p->dev, 1, NULL), 0);
    assert_int_equal(bus_map(b, 0x200, 0, &p->dev, 1, NULL), -EINVAL);
    assert_int_equal(bus_map(b, ~(u64)0, 2, &p->dev, 1, NULL), -EINVAL);
    int r = 0;
    for (unsigned i = 0; !r && i < 10000; i++)
        r = bus_map(b, 0x10000 + i, 1, &p->dev, 0, NULL);
    assert_int_equal(r, -ENOSPC);
    device_destroy(&p->dev);
    bus_destroy(b);
}

struct mover {
    struct bus *bus;
    struct probe *p;
    int rounds;
};
static void *move_for_a_while(void *ctx)
{
    struct mover *m = ctx;
    for (int i = 0; i < m->rounds; i++) {
        bus_unmap(m->bus, &m->p->dev, -1);
        if (bus_map(m->bus, 0x5000, 0x10, &m->p->dev, 0, NULL))
            return m;
    }
    return NULL;
}

static void readers_never_see_a_torn_table(void **state)
{
    (void)state;
    struct bus *b;
    assert_int_equal(bus_create(&b, "port", NULL), 0);
    struct probe *p = make("moving"), *q = make("fixed");
    assert_int_equal(bus_map(b, 0x1000, 0x10, &q->dev, 3, NULL), 0);
    assert_int_equal(bus_map(b, 0x9000, 0x10, &q->dev, 4, NULL), 0);
    struct mover m = {b, p, 20000};
    pthread_t t;
    assert_int_equal(pthread_create(&t, NULL, move_for_a_while, &m), 0);
    for (int i = 0; i < 20000; i++) {
        read_at(b, 0x9008, 1, IO_OK);
        assert_int_equal(q->last_region, 4);
        assert_int_equal(q->last_off, 8);
        read_at(b, 0x1004, 1, IO_OK);
        assert_int_equal(q->last_region, 3);
    }
    void *failed;
    pthread_join(t, &failed);
    assert_null(failed);
    device_destroy(&p->dev);
    device_destroy(&q->dev);
    bus_destroy(b);
}

static void options_come_from_the_table(void **state)
{
    (void)state;
    struct probe *p = make("p0");
    struct err e = {0};
    assert_int_equal(p->number, 42);
    assert_int_equal(p->size, 4096);
    assert_null(p->text);
    assert_int_equal(device_set_options(&p->dev, "option,number=0x10,,size=2M,text=a=b", &e), 0);
    assert_true(p->option);
    assert_int_equal(p->number, 16);
    assert_int_equal(p->size, 2 << 20);
    assert_string_equal(p->text, "a=b");
    assert_int_equal(device_set_options(&p->dev, "text=", &e), 0);
    assert_string_equal(p->text, "");
    assert_int_equal(device_set_options(&p->dev, "colour=red", &e), -ENOENT);
    assert_non_null(strstr(e.text, "colour"));
    assert_non_null(strstr(e.hint, "number"));
    assert_int_equal(device_set_options(&p->dev, "number", &e), -EINVAL);
    assert_int_equal(device_set_options(&p->dev, "number=ten", &e), -EINVAL);
    assert_int_equal(device_set_options(&p->dev, "option=maybe", &e), -EINVAL);
    device_destroy(&p->dev);
}

static void fini_follows_only_a_good_init(void **state)
{
    (void)state;
    finished = 0;
    struct probe *p = make("p0");
    struct err e = {0};
    assert_int_equal(device_set_options(&p->dev, "number=13", NULL), 0);
    assert_int_equal(device_init(&p->dev, &e), -EINVAL);
    assert_string_equal(e.text, "making p0: unlucky");
    device_destroy(&p->dev);
    assert_int_equal(finished, 0);
    p = make("p1");
    assert_int_equal(device_init(&p->dev, &e), 0);
    device_destroy(&p->dev);
    assert_int_equal(finished, 1);
    device_destroy(NULL);
}

static void state_survives_saving(void **state)
{
    (void)state;
    struct fake_clock f;
    fake_clock_init(&f);
    struct probe *p = make("p0"), *q = make("q0");
    vtimer_init(&p->timer, &f.clock, probe_tick, p);
    vtimer_init(&q->timer, &f.clock, probe_tick, q);
    p->words[0] = 1;
    p->words[1] = 0xbeef;
    p->flag = true;
    vtimer_arm(&p->timer, 500);
    u8 buf[64];
    size_t n = device_save(&p->dev, NULL, 0);
    assert_int_equal(n, 6 + 1 + 9);
    assert_int_equal(device_save(&p->dev, buf, sizeof buf), n);
    assert_int_equal(device_load(&q->dev, buf, n, NULL), 0);
    assert_int_equal(q->words[1], 0xbeef);
    assert_true(q->flag);
    fake_clock_advance(&f, 499);
    assert_int_equal(q->words[2], 0);
    fake_clock_advance(&f, 1);
    assert_int_equal(q->words[2], 1);
    assert_int_equal(p->words[2], 1);

    struct err e = {0};
    assert_int_equal(device_load(&q->dev, buf, n - 1, &e), -EINVAL);
    buf[6] = 2; /* no bool */
    assert_int_equal(device_load(&q->dev, buf, n, &e), -EINVAL);
    buf[6] = 0;
    buf[0] = 0xad;
    buf[1] = 0xde; /* refused by the device */
    assert_int_equal(device_load(&q->dev, buf, n, &e), -EINVAL);
    assert_int_equal(q->words[0], 7); /* reset, not half-loaded */
    device_destroy(&p->dev);
    device_destroy(&q->dev);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accesses_find_their_device),
        cmocka_unit_test(ranges_do_not_overlap),
        cmocka_unit_test(readers_never_see_a_torn_table),
        cmocka_unit_test(options_come_from_the_table),
        cmocka_unit_test(fini_follows_only_a_good_init),
        cmocka_unit_test(state_survives_saving),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
