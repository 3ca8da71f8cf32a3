/* SPDX-License-Identifier: BSD-2-Clause */
/* 16550A: registers, FIFO, interrupt priorities, loopback, flow control. [16550D] */
#include "../unit/cmocka_all.h"
#include "device/serial/uart16550.h"
#include "fake.h"

#include <stdlib.h>
#include <string.h>

enum { DATA, IER, IIR, LCR, MCR, LSR, MSR, SCR, FCR = IIR };

struct bench {
    struct fake_clock clock;
    struct fake_lines lines;
    struct fake_chardev chardev;
    struct uart16550 *uart;
    struct device *d;
};

static int setup(void **state)
{
    struct bench *b = calloc(1, sizeof *b);
    fake_clock_init(&b->clock);
    fake_chardev_init(&b->chardev);
    b->d = device_alloc(&uart16550_type, "uart0");
    b->uart = container_of(b->d, struct uart16550, dev);
    b->uart->irq = fake_line(&b->lines, 4);
    b->uart->clock = &b->clock.clock;
    b->uart->chardev = &b->chardev.chardev;
    fake_device_start(b->d);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;
    device_destroy(b->d);
    free(b);
    return 0;
}

static u8 in(struct bench *b, unsigned reg)
{
    return (u8)fake_read(b->d, 0, reg, 1);
}

static void out(struct bench *b, unsigned reg, u8 v)
{
    fake_write(b->d, 0, reg, 1, v);
}

static void resets(void **state)
{
    struct bench *b = *state;
    fake_check_resets(b->d);
}

static void divisor_and_masks(void **state)
{
    struct bench *b = *state;
    out(b, LCR, 0x83);
    out(b, DATA, 0x34);
    out(b, IER, 0x12);
    assert_int_equal(in(b, DATA), 0x34);
    assert_int_equal(in(b, IER), 0x12);
    out(b, LCR, 0x03);
    out(b, IER, 0xff);
    assert_int_equal(in(b, IER), 0x0f);
    out(b, MCR, 0xff);
    assert_int_equal(in(b, MCR), 0x1f);
    out(b, SCR, 0xa5);
    assert_int_equal(in(b, SCR), 0xa5);
    out(b, LSR, 0xff);
    assert_int_equal(in(b, LSR), 0x60);
}

static void transmits(void **state)
{
    struct bench *b = *state;
    for (const char *s = "hello"; *s; s++)
        out(b, DATA, (u8)*s);
    assert_int_equal(b->chardev.written, 5);
    assert_memory_equal(b->chardev.output, "hello", 5);
    assert_int_equal(in(b, LSR) & 0x60, 0x60);
}

/* THRE interrupt: raised by emptiness, acknowledged by reading IIR or by writing, raised again by
 * enabling it anew (Linux's test of the chip). */
static void thre_interrupt(void **state)
{
    struct bench *b = *state;
    assert_false(b->lines.level[4]);
    out(b, IER, 2);
    assert_true(b->lines.level[4]);
    assert_int_equal(in(b, IIR), 0x02);
    assert_false(b->lines.level[4]);
    assert_int_equal(in(b, IIR), 0x01);
    out(b, IER, 0);
    out(b, IER, 2);
    assert_int_equal(in(b, IIR), 0x02);
    out(b, DATA, 'x');
    assert_true(b->lines.level[4]);
}

static void blocked_back_end_loses_nothing(void **state)
{
    struct bench *b = *state;
    b->chardev.room = 3;
    out(b, IER, 2);
    (void)in(b, IIR);
    for (unsigned i = 0; i < 300; i++)
        out(b, DATA, (u8)i);
    assert_int_equal(b->chardev.written, 3);
    assert_int_equal(in(b, LSR) & 0x60, 0);
    assert_int_equal(in(b, IIR), 0x01);
    out(b, FCR, 0x07); /* clearing the FIFOs drops nothing that was sent */
    fake_chardev_unblock(&b->chardev);
    assert_int_equal(b->chardev.written, 300);
    for (unsigned i = 0; i < 300; i++)
        assert_int_equal(b->chardev.output[i], (u8)i);
    assert_int_equal(in(b, LSR) & 0x60, 0x60);
    assert_int_equal(in(b, IIR) & 0xf, 0x02);
}

static void receives_one_without_fifo(void **state)
{
    struct bench *b = *state;
    out(b, IER, 1);
    assert_int_equal(fake_chardev_send(&b->chardev, "ab", 2), 1);
    assert_true(b->lines.level[4]);
    assert_int_equal(in(b, IIR), 0x04);
    assert_int_equal(in(b, LSR) & 1, 1);
    unsigned accepts = b->chardev.accepts;
    assert_int_equal(in(b, DATA), 'a');
    assert_int_equal(b->chardev.accepts, accepts + 1);
    assert_false(b->lines.level[4]);
    assert_int_equal(in(b, LSR) & 1, 0);
}

/* What is typed early stays with the sender until the guest's driver has started. */
static void waits_for_a_listener(void **state)
{
    struct bench *b = *state;
    out(b, IER, 0); /* a driver starts: FIFOs on and cleared, interrupt test, modem lines */
    out(b, FCR, 1);
    out(b, FCR, 7);
    for (unsigned i = 0; i < 3; i++) {
        (void)in(b, LSR); /* and prints meanwhile */
        out(b, DATA, 'x');
    }
    (void)in(b, LSR);
    (void)in(b, LSR);
    out(b, MCR, 0x09); /* DTR, OUT2 */
    out(b, IER, 5);
    assert_int_equal(fake_chardev_send(&b->chardev, "a", 1), 0);
    unsigned accepts = b->chardev.accepts;
    out(b, MCR, 0x0b); /* RTS */
    assert_int_equal(b->chardev.accepts, accepts + 1);
    assert_int_equal(fake_chardev_send(&b->chardev, "a", 1), 1);
    assert_int_equal(in(b, DATA), 'a');
    out(b, MCR, 0x09);
    assert_int_equal(fake_chardev_send(&b->chardev, "b", 1), 0);
    out(b, MCR, 0x08); /* no modem lines: the interrupt alone tells */
    assert_int_equal(fake_chardev_send(&b->chardev, "b", 1), 1);
}

static void polling_is_listening(void **state)
{
    struct bench *b = *state;
    assert_int_equal(fake_chardev_send(&b->chardev, "a", 1), 0);
    unsigned accepts = b->chardev.accepts;
    for (unsigned i = 0; i < 16; i++)
        (void)in(b, LSR);
    assert_int_equal(b->chardev.accepts, accepts + 1);
    assert_int_equal(fake_chardev_send(&b->chardev, "a", 1), 1);
    assert_int_equal(in(b, LSR) & 1, 1);
    assert_int_equal(in(b, DATA), 'a');
    out(b, DATA, 'a'); /* an echo in between changes nothing */
    assert_int_equal(fake_chardev_send(&b->chardev, "b", 1), 1);
    out(b, FCR, 1); /* a driver takes over */
    assert_int_equal(fake_chardev_send(&b->chardev, "c", 1), 0);
    fake_check_round_trip(b->d);
}

static void fifo_trigger_and_timeout(void **state)
{
    struct bench *b = *state;
    out(b, LCR, 0x83);
    out(b, DATA, 1);
    out(b, IER, 0);
    out(b, LCR, 0x03); /* 115200 8N1: a character is 86.8 us */
    out(b, FCR, 0x81); /* trigger at 8 */
    out(b, IER, 1);
    assert_int_equal(fake_chardev_send(&b->chardev, "1234567", 7), 7);
    assert_false(b->lines.level[4]);
    fake_clock_advance(&b->clock, 340000);
    assert_false(b->lines.level[4]);
    fake_clock_advance(&b->clock, 10000); /* four characters: 347 us */
    assert_int_equal(in(b, IIR), 0xcc);
    assert_int_equal(in(b, DATA), '1'); /* reading restarts the time-out */
    assert_int_equal(in(b, IIR), 0xc1);
    assert_int_equal(fake_chardev_send(&b->chardev, "89", 2), 2);
    assert_int_equal(in(b, IIR), 0xc4);
    assert_int_equal(fake_chardev_send(&b->chardev, "abcdefghijkl", 12), 8);
    assert_int_equal(fake_chardev_send(&b->chardev, "i", 1), 0);
    const char *rest = "23456789abcdefgh";
    for (unsigned i = 0; i < 16; i++)
        assert_int_equal(in(b, DATA), rest[i]);
    assert_int_equal(in(b, LSR), 0x60);
}

static void loopback(void **state)
{
    struct bench *b = *state;
    out(b, MCR, 0x10);
    assert_int_equal(in(b, MSR) & 0xf0, 0);
    out(b, MCR, 0x1a); /* RTS, OUT2 -> CTS, DCD */
    assert_int_equal(in(b, MSR) & 0xf0, 0x90);
    assert_int_equal(in(b, MSR) & 0x0f, 0); /* deltas are cleared by reading */
    out(b, DATA, 'z');
    assert_int_equal(b->chardev.written, 0);
    assert_int_equal(in(b, DATA), 'z');
    assert_int_equal(fake_chardev_send(&b->chardev, "q", 1), 0); /* the line is cut off */
}

static void ring_is_a_trailing_edge(void **state)
{
    struct bench *b = *state;
    out(b, MCR, 0x10);
    (void)in(b, MSR);
    out(b, MCR, 0x14);
    assert_int_equal(in(b, MSR) & 0x4f, 0x40);
    out(b, MCR, 0x10);
    assert_int_equal(in(b, MSR) & 0x4f, 0x04);
}

static void overrun_and_break(void **state)
{
    struct bench *b = *state;
    out(b, MCR, 0x10);
    out(b, IER, 0x07);
    (void)in(b, IIR);
    out(b, DATA, '1');
    out(b, DATA, '2');                  /* without a FIFO the first is overwritten */
    assert_int_equal(in(b, IIR), 0x06); /* line status is first in rank */
    assert_int_equal(in(b, LSR) & 0x03, 0x03);
    assert_int_equal(in(b, LSR) & 0x02, 0);
    assert_int_equal(in(b, IIR), 0x04); /* then received data */
    assert_int_equal(in(b, DATA), '2');
    assert_int_equal(in(b, IIR), 0x02); /* then THRE */
    out(b, LCR, 0x43);
    assert_int_equal(in(b, LSR) & 0x11, 0x11);
    assert_int_equal(in(b, DATA), 0);
}

static void error_travels_with_its_byte(void **state)
{
    struct bench *b = *state;
    out(b, FCR, 0x01);
    out(b, MCR, 0x10);
    out(b, DATA, 'a');
    out(b, LCR, 0x40);
    assert_int_equal(in(b, LSR) & 0x91, 0x81); /* somewhere in the FIFO, not at its top */
    (void)in(b, DATA);
    assert_int_equal(in(b, LSR) & 0x91, 0x91);
    assert_int_equal(in(b, LSR) & 0x91, 0x01);
}

static void modem_interrupt(void **state)
{
    struct bench *b = *state;
    out(b, MCR, 0x10);
    (void)in(b, MSR);
    out(b, IER, 8);
    assert_false(b->lines.level[4]);
    out(b, MCR, 0x11);
    assert_true(b->lines.level[4]);
    assert_int_equal(in(b, IIR), 0x00);
    assert_int_equal(in(b, MSR), 0x22);
    assert_false(b->lines.level[4]);
}

static void saves(void **state)
{
    struct bench *b = *state;
    b->chardev.room = 0;
    out(b, FCR, 0x41);
    out(b, IER, 5);
    out(b, DATA, 'x');
    fake_chardev_send(&b->chardev, "abc", 3);
    fake_check_round_trip(b->d);
    assert_int_equal(in(b, DATA), 'a');
    b->uart->rx_count = UART_FIFO + 1;
    static u8 image[16384];
    size_t n = device_save(b->d, image, sizeof image);
    assert_true(device_load(b->d, image, n, NULL) < 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(resets),
        T(divisor_and_masks),
        T(transmits),
        T(thre_interrupt),
        T(blocked_back_end_loses_nothing),
        T(receives_one_without_fifo),
        T(waits_for_a_listener),
        T(polling_is_listening),
        T(fifo_trigger_and_timeout),
        T(loopback),
        T(ring_is_a_trailing_edge),
        T(overrun_and_break),
        T(error_travels_with_its_byte),
        T(modem_interrupt),
        T(saves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
