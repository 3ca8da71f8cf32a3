/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio-console with a terminal, an input stream and an output stream: control messages, flow
 * control both ways without a lost byte, end of file both ways. */
#include "../unit/cmocka_all.h"

#include <string.h>

#include "base/bits.h"
#include "device/virtio/console.h"
#include "virtio_driver.h"

#define V1        BIT(VIRTIO_F_VERSION_1)
#define MULTIPORT BIT(1)
enum { READY = 0, ADD, REMOVE, PORT_READY, CONSOLE, RESIZE, OPEN, NAME };
enum { PORTS = 3, QUEUES = 8, RX0 = 0, TX0 = 1, CRX = 2, CTX = 3, RX1 = 4, TX1 = 5, TX2 = 7 };

/* A back-end whose peer is the test. */
struct pipe {
    struct chardev dev;
    u8 out[4096];
    size_t out_len, out_room;
    unsigned accepts, closes;
};

struct world {
    struct pci_machine *m;
    struct virtio_console *con;
    struct pipe pipe[PORTS];
    struct driver d;
    u64 control[16];
    unsigned control_next;
};

static size_t pipe_write(struct chardev *c, const u8 *data, size_t n)
{
    struct pipe *p = container_of(c, struct pipe, dev);
    n = MIN(n, p->out_room);
    memcpy(p->out + p->out_len, data, n);
    p->out_len += n;
    p->out_room -= n;
    return n;
}

static void pipe_accept(struct chardev *c)
{
    container_of(c, struct pipe, dev)->accepts++;
}

static void pipe_close(struct chardev *c)
{
    container_of(c, struct pipe, dev)->closes++;
}

/* The peer sends: as much as the front-end takes. */
static size_t feed(struct pipe *p, const char *text, size_t n)
{
    size_t done = 0;
    while (done < n) {
        size_t room = MIN(p->dev.events->can_receive(p->dev.events_ctx), n - done);
        if (!room)
            break;
        p->dev.events->receive(p->dev.events_ctx, (const u8 *)text + done, room);
        done += room;
    }
    return done;
}

static int setup(void **state)
{
    static struct world w;
    static const struct chardev_ops ops = {pipe_write, pipe_accept, pipe_close, NULL};
    static const char *const names[PORTS] = {NULL, "test.in", "test.out"};
    memset(&w, 0, sizeof w);
    w.m = pci_machine_create();
    w.con = (struct virtio_console *)device_alloc(&virtio_console_type, "console0");
    for (unsigned i = 0; i < PORTS; i++) {
        w.pipe[i].dev.ops = &ops;
        w.pipe[i].out_room = sizeof w.pipe[i].out;
        assert_int_equal(virtio_console_add_port(w.con, names[i], &w.pipe[i].dev, NULL), 0);
    }
    assert_int_equal(device_init(&w.con->virtio.dev, NULL), 0);
    driver_attach(&w.d, w.m, &w.con->virtio);
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    driver_detach(&w->d);
    device_destroy(&w->con->virtio.dev);
    assert_null(w->pipe[0].dev.events);
    pci_machine_destroy(w->m);
    return 0;
}

static void offer_control(struct world *w, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        w->control[w->control_next % 16] = driver_ram(&w->d, 64);
        driver_add(&w->d, CRX, &(struct part){w->control[w->control_next++ % 16], 64, true}, 1);
    }
    driver_kick(&w->d, CRX);
}

static void send_control(struct world *w, u32 id, u16 event, u16 value)
{
    u64 at = driver_ram(&w->d, 8);
    store32(test_ram(w->m, at), id);
    store16(test_ram(w->m, at + 4), event);
    store16(test_ram(w->m, at + 6), value);
    driver_add(&w->d, CTX, &(struct part){at, 8, false}, 1);
    driver_kick(&w->d, CTX);
    assert_true(driver_used(&w->d, CTX, NULL, NULL));
}

/* The next control message must be this one; its text is returned. */
static const u8 *expect_control(struct world *w, u32 id, u16 event, u16 value, u32 text)
{
    u32 head, len;
    assert_true(driver_used(&w->d, CRX, &head, &len));
    const u8 *m = test_ram(w->m, load64(test_ram(w->m, w->d.queue[CRX].desc + 16 * head)));
    assert_int_equal(load32(m), id);
    assert_int_equal(load16(m + 4), event);
    assert_int_equal(load16(m + 6), value);
    assert_int_equal(len, 8 + text);
    return m + 8;
}

static void expect_no_control(struct world *w)
{
    assert_false(driver_used(&w->d, CRX, NULL, NULL));
}

/* As Linux does it, up to an opened port 1 and 2. */
static void start(struct world *w)
{
    driver_start(&w->d, V1 | MULTIPORT, QUEUES, 16);
    offer_control(w, 16);
    send_control(w, 0, READY, 1);
    for (unsigned i = 0; i < PORTS; i++)
        expect_control(w, i, ADD, 1, 0);
    for (unsigned i = 0; i < PORTS; i++) {
        send_control(w, i, PORT_READY, 1);
        if (i == 0) {
            expect_control(w, i, CONSOLE, 1, 0);
            const u8 *size = expect_control(w, i, RESIZE, 1, 4);
            assert_int_equal(load16(size), 25);
            assert_int_equal(load16(size + 2), 80);
            expect_control(w, i, OPEN, 1, 0);
        } else {
            expect_control(w, i, OPEN, 1, 0);
            assert_memory_equal(expect_control(w, i, NAME, 1, i == 1 ? 7 : 8),
                                i == 1 ? "test.in" : "test.out", i == 1 ? 7 : 8);
        }
        expect_no_control(w);
    }
    send_control(w, 1, OPEN, 1);
    send_control(w, 2, OPEN, 1);
    offer_control(w, 4);
}

static u64 offer_rx(struct world *w, unsigned q, u32 len)
{
    u64 at = driver_ram(&w->d, len);
    driver_add(&w->d, q, &(struct part){at, len, true}, 1);
    driver_kick(&w->d, q);
    return at;
}

static void send_tx(struct world *w, unsigned q, const char *text)
{
    u32 n = (u32)strlen(text);
    u64 at = driver_ram(&w->d, n);
    memcpy(test_ram(w->m, at), text, n);
    /* In two descriptors. */
    driver_add(&w->d, q, (struct part[]){{at, n / 2, false}, {at + n / 2, n - n / 2, false}}, 2);
    driver_kick(&w->d, q);
}

static void test_config(void **state)
{
    struct world *w = *state;
    assert_int_equal(driver_offered(&w->d) & 7, 7);
    assert_int_equal(test_mmio_read(w->m, w->d.device, 2), 80);
    assert_int_equal(test_mmio_read(w->m, w->d.device + 2, 2), 25);
    assert_int_equal(test_mmio_read(w->m, w->d.device + 4, 4), PORTS);
    assert_int_equal(driver_common(&w->d, 0x12, 2), QUEUES);
    /* Emergency write works before anything is set up. */
    test_mmio_write(w->m, w->d.device + 8, 4, '!');
    assert_memory_equal(w->pipe[0].out, "!", 1);
}

static void test_handshake(void **state)
{
    start(*state);
}

static void test_resize(void **state)
{
    struct world *w = *state;
    start(w);
    virtio_console_resize(w->con, 132, 43);
    const u8 *size = expect_control(w, 0, RESIZE, 1, 4);
    assert_int_equal(load16(size), 43);
    assert_int_equal(load16(size + 2), 132);
    expect_no_control(w);
    assert_int_equal(test_mmio_read(w->m, w->d.device, 4), 43u << 16 | 132);
}

static void test_without_multiport(void **state)
{
    struct world *w = *state;
    driver_start(&w->d, V1, 2, 16);
    u64 at = offer_rx(w, RX0, 16);
    assert_int_equal(feed(&w->pipe[0], "hello", 5), 5);
    u32 len;
    assert_true(driver_used(&w->d, RX0, NULL, &len));
    assert_int_equal(len, 5);
    assert_memory_equal(test_ram(w->m, at), "hello", 5);
    send_tx(w, TX0, "to you");
    assert_memory_equal(w->pipe[0].out, "to you", 6);
    assert_int_equal(feed(&w->pipe[1], "x", 1), 0);
}

static void test_input_flow(void **state)
{
    struct world *w = *state;
    start(w);
    u32 len;
    unsigned accepts = w->pipe[1].accepts;
    assert_int_equal(feed(&w->pipe[1], "abcdef", 6), 0); /* no buffer yet */
    u64 a = offer_rx(w, RX1, 4);
    assert_int_equal(w->pipe[1].accepts, accepts + 1);
    assert_int_equal(feed(&w->pipe[1], "abcdef", 6), 4);
    u64 b = offer_rx(w, RX1, 4);
    assert_int_equal(feed(&w->pipe[1], "ef", 2), 2);
    assert_true(driver_used(&w->d, RX1, NULL, &len));
    assert_int_equal(len, 4);
    assert_true(driver_used(&w->d, RX1, NULL, &len));
    assert_int_equal(len, 2);
    assert_memory_equal(test_ram(w->m, a), "abcd", 4);
    assert_memory_equal(test_ram(w->m, b), "ef", 2);
    /* Nobody has it open: the bytes stay with the back-end. */
    offer_rx(w, RX1, 4);
    send_control(w, 1, OPEN, 0);
    assert_int_equal(feed(&w->pipe[1], "gh", 2), 0);
    send_control(w, 1, OPEN, 1);
    assert_int_equal(feed(&w->pipe[1], "gh", 2), 2);
}

static void test_output_flow(void **state)
{
    struct world *w = *state;
    struct pipe *p = &w->pipe[2];
    start(w);
    p->out_room = 5;
    send_tx(w, TX2, "0123456789");
    send_tx(w, TX2, "abcdef");
    assert_int_equal(p->out_len, 5);
    assert_false(driver_used(&w->d, TX2, NULL, NULL));
    for (unsigned i = 0; i < 11; i++) { /* one byte at a time */
        p->out_room = 1;
        p->dev.events->writable(p->dev.events_ctx);
        assert_int_equal(p->out_len, 6 + i);
        driver_kick(&w->d, TX2);
    }
    assert_memory_equal(p->out, "0123456789abcdef", 16);
    assert_true(driver_used(&w->d, TX2, NULL, NULL));
    assert_true(driver_used(&w->d, TX2, NULL, NULL));
    assert_false(driver_used(&w->d, TX2, NULL, NULL));
}

static void test_end_of_input(void **state)
{
    struct world *w = *state;
    struct pipe *p = &w->pipe[1];
    start(w);
    offer_rx(w, RX1, 8);
    assert_int_equal(feed(p, "last", 4), 4);
    p->dev.events->end_of_file(p->dev.events_ctx);
    p->dev.events->end_of_file(p->dev.events_ctx);
    assert_true(driver_used(&w->d, RX1, NULL, NULL));
    expect_control(w, 1, OPEN, 0, 0);
    expect_no_control(w);
    /* A terminal has none. */
    w->pipe[0].dev.events->end_of_file(w->pipe[0].dev.events_ctx);
    expect_no_control(w);
}

/* The input ended before the guest was there: it is never told that the port is open. */
static void test_early_end_of_input(void **state)
{
    struct world *w = *state;
    w->pipe[1].dev.events->end_of_file(w->pipe[1].dev.events_ctx);
    driver_start(&w->d, V1 | MULTIPORT, QUEUES, 16);
    offer_control(w, 8);
    send_control(w, 0, READY, 1);
    for (unsigned i = 0; i < PORTS; i++)
        expect_control(w, i, ADD, 1, 0);
    send_control(w, 1, PORT_READY, 1);
    expect_control(w, 1, OPEN, 0, 0);
    expect_control(w, 1, NAME, 1, 7);
}

static void test_end_of_output(void **state)
{
    struct world *w = *state;
    struct pipe *p = &w->pipe[2];
    start(w);
    p->out_room = 3;
    send_tx(w, TX2, "abcdef");
    send_control(w, 2, OPEN, 0);
    assert_int_equal(p->closes, 0); /* its last bytes come first */
    p->out_room = 100;
    p->dev.events->writable(p->dev.events_ctx);
    assert_memory_equal(p->out, "abcdef", 6);
    assert_int_equal(p->closes, 1);
    p->dev.events->writable(p->dev.events_ctx);
    assert_int_equal(p->closes, 1);
}

static void test_no_control_buffers(void **state)
{
    struct world *w = *state;
    driver_start(&w->d, V1 | MULTIPORT, QUEUES, 16);
    for (unsigned i = 0; i < 100; i++) { /* asked for again and again, answered once */
        send_control(w, 0, READY, 1);
        send_control(w, 1, PORT_READY, 1);
    }
    offer_control(w, 8);
    expect_control(w, 0, ADD, 1, 0);
    expect_control(w, 1, ADD, 1, 0);
    expect_control(w, 1, OPEN, 1, 0);
    expect_control(w, 1, NAME, 1, 7);
    expect_control(w, 2, ADD, 1, 0);
    expect_no_control(w);
}

static void test_hostile_control(void **state)
{
    struct world *w = *state;
    start(w);
    send_control(w, 3, OPEN, 1);
    send_control(w, 0xffffffff, PORT_READY, 1);
    send_control(w, 1, 0xffff, 1);
    u64 at = driver_ram(&w->d, 8);
    driver_add(&w->d, CTX, &(struct part){at, 7, false}, 1);
    driver_kick(&w->d, CTX);
    assert_true(driver_used(&w->d, CTX, NULL, NULL));
    expect_no_control(w);
    assert_int_equal(driver_status(&w->d) & VIRTIO_NEEDS_RESET, 0);
    /* A receive buffer without room, as readable. */
    driver_add(&w->d, RX1, &(struct part){at, 8, false}, 1);
    driver_kick(&w->d, RX1);
    assert_int_equal(feed(&w->pipe[1], "x", 1), 0);
    assert_int_equal(driver_status(&w->d) & VIRTIO_NEEDS_RESET, VIRTIO_NEEDS_RESET);
}

static void test_save_and_load(void **state)
{
    struct world *w = *state;
    struct pipe *p = &w->pipe[2];
    static u8 saved[16384];
    start(w);
    p->out_room = 4;
    send_tx(w, TX2, "abcdefgh");
    u64 rx = offer_rx(w, RX1, 8);
    assert_true(p->dev.events && w->pipe[1].dev.events->can_receive(w->pipe[1].dev.events_ctx));
    virtio_console_type.quiesce(&w->con->virtio.dev, true);
    size_t n = device_save(&w->con->virtio.dev, saved, sizeof saved);
    assert_in_range(n, 1, sizeof saved);
    assert_int_equal(device_load(&w->con->virtio.dev, saved, n, NULL), 0);
    p->out_room = 100;
    p->dev.events->writable(p->dev.events_ctx); /* still quiesced */
    assert_int_equal(p->out_len, 4);
    assert_int_equal(feed(&w->pipe[1], "in", 2), 0);
    virtio_console_type.quiesce(&w->con->virtio.dev, false);
    assert_memory_equal(p->out, "abcdefgh", 8);
    assert_int_equal(p->out_len, 8);
    assert_int_equal(feed(&w->pipe[1], "in", 2), 2);
    assert_memory_equal(test_ram(w->m, rx), "in", 2);
}

static void test_limits(void **state)
{
    struct err e;
    struct device *d = device_alloc(&virtio_console_type, "console1");
    struct virtio_console *c = (struct virtio_console *)d;
    assert_int_not_equal(device_init(d, &e), 0); /* no port */
    assert_int_not_equal(
        virtio_console_add_port(c, "a-name-that-is-longer-than-a-port-name", NULL, &e), 0);
    for (unsigned i = 0; i < VIRTIO_CONSOLE_PORTS; i++)
        assert_int_equal(virtio_console_add_port(c, "p", NULL, &e), 0);
    assert_int_not_equal(virtio_console_add_port(c, "p", NULL, &e), 0);
    assert_int_equal(device_init(d, &e), 0);
    device_destroy(d);
}

int main(void)
{
#define ROW(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        ROW(test_config),          ROW(test_handshake),
        ROW(test_resize),          ROW(test_without_multiport),
        ROW(test_input_flow),      ROW(test_output_flow),
        ROW(test_end_of_input),    ROW(test_early_end_of_input),
        ROW(test_end_of_output),   ROW(test_no_control_buffers),
        ROW(test_hostile_control), ROW(test_save_and_load),
        ROW(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
