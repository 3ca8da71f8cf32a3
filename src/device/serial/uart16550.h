/* SPDX-License-Identifier: BSD-2-Clause */
/* The 16550A serial port: eight registers, a line to the interrupt controller, a chardev behind.
 *
 * The line is infinitely fast: a byte written to THR is with the back-end at once unless that one
 * blocks. Then THRE stays clear, and bytes that an impatient driver writes all the same (Linux's
 * console gives up waiting after 10 ms) are kept in a queue, so a stopped terminal loses nothing.
 * Received bytes are taken only while the FIFO has room and the guest is ready for them, as a
 * terminal with hardware handshake does it: what is typed early waits for the guest's driver, which
 * empties the FIFO when it begins. Overruns come from loopback alone. */
#ifndef DEVICE_SERIAL_UART16550_H
#define DEVICE_SERIAL_UART16550_H

#include "host/chardev_if.h"
#include "vm/device.h"

enum { UART_FIFO = 16, UART_TX_QUEUE = 4096 };

struct uart16550 {
    struct device dev;
    /* Handed in before init. */
    struct irq_line irq;
    struct clock *clock;
    struct chardev *chardev; /* may be NULL: output vanishes */

    u8 ier, fcr, lcr, mcr, lsr, msr, scr;
    u16 divisor;
    bool thre_pending;                     /* THRE interrupt not yet acknowledged by reading IIR */
    bool timed_out;                        /* character time-out interrupt */
    u8 idle_looks;                         /* how often in a row the guest saw an idle LSR */
    bool polled;                           /* the guest waits for bytes by reading LSR */
    u8 rx[UART_FIFO], rx_error[UART_FIFO]; /* rx_error: LSR bits that travel with the byte */
    u8 rx_head, rx_count;
    u8 tx[UART_TX_QUEUE];
    u32 tx_count;
    struct vtimer timeout;
};

extern const struct device_type uart16550_type;

#endif
