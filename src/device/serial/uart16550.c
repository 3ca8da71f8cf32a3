/* SPDX-License-Identifier: BSD-2-Clause */
/* 16550A UART after the PC16550D data sheet [16550D]. INTR is not gated by OUT2: that gate is on
 * the PC's adapter card, and guests that forget it work on every other machine too. */
#include "device/serial/uart16550.h"

#include "base/bits.h"
#include "base/mem.h"

#include <errno.h>

enum { REG_DATA, REG_IER, REG_IIR_FCR, REG_LCR, REG_MCR, REG_LSR, REG_MSR, REG_SCR };
enum { IER_RDA = 1, IER_THRE = 2, IER_LINE = 4, IER_MODEM = 8, IER_MASK = 15 };
enum {
    IIR_MODEM = 0x0,
    IIR_NONE = 0x1,
    IIR_THRE = 0x2,
    IIR_RDA = 0x4,
    IIR_LINE = 0x6,
    IIR_TIMEOUT = 0xc,
    IIR_FIFO = 0xc0,
};
enum { FCR_ENABLE = 1, FCR_CLEAR_RX = 2, FCR_CLEAR_TX = 4, FCR_DMA = 8, FCR_TRIGGER = 0xc0 };
enum { LCR_BREAK = 0x40, LCR_DLAB = 0x80 };
enum { MCR_DTR = 1, MCR_RTS = 2, MCR_OUT1 = 4, MCR_OUT2 = 8, MCR_LOOP = 0x10, MCR_MASK = 0x1f };
enum {
    LSR_DR = 1,
    LSR_OE = 2,
    LSR_PE = 4,
    LSR_FE = 8,
    LSR_BI = 0x10,
    LSR_THRE = 0x20,
    LSR_TEMT = 0x40,
    LSR_FIFO_ERROR = 0x80,
    LSR_ERRORS = LSR_OE | LSR_PE | LSR_FE | LSR_BI,
};
enum {
    MSR_DCTS = 1,
    MSR_DDSR = 2,
    MSR_TERI = 4,
    MSR_DDCD = 8,
    MSR_CTS = 0x10,
    MSR_DSR = 0x20,
    MSR_RI = 0x40,
    MSR_DCD = 0x80,
    MSR_LINES = 0xf0,
};

static struct uart16550 *uart_of(struct device *d)
{
    return container_of(d, struct uart16550, dev);
}

static bool fifo_on(const struct uart16550 *u)
{
    return u->fcr & FCR_ENABLE;
}

static unsigned rx_capacity(const struct uart16550 *u)
{
    return fifo_on(u) ? UART_FIFO : 1;
}

/* [16550D 8.6.4] table II: bytes in the FIFO that raise the interrupt. */
static unsigned rx_trigger(const struct uart16550 *u)
{
    static const u8 level[4] = {1, 4, 8, 14};
    return fifo_on(u) ? level[u->fcr >> 6] : 1;
}

/* The pending interrupt of highest priority as IIR shows it [16550D table IV]. */
static u8 uart_cause(const struct uart16550 *u)
{
    if ((u->ier & IER_LINE) && (u->lsr & LSR_ERRORS))
        return IIR_LINE;
    if ((u->ier & IER_RDA) && u->rx_count >= rx_trigger(u))
        return IIR_RDA;
    if ((u->ier & IER_RDA) && u->timed_out)
        return IIR_TIMEOUT;
    if ((u->ier & IER_THRE) && u->thre_pending)
        return IIR_THRE;
    if ((u->ier & IER_MODEM) && (u->msr & 0xf))
        return IIR_MODEM;
    return IIR_NONE;
}

static void uart_update_irq(struct uart16550 *u)
{
    irq_set(&u->irq, uart_cause(u) != IIR_NONE);
}

/* Four character times of the programmed rate without a read or a new byte [16550D 8.4]. */
static u64 timeout_ns(const struct uart16550 *u)
{
    u64 divisor = u->divisor ? u->divisor : 1;
    unsigned bits = 1 + 5 + (u->lcr & 3) + (u->lcr >> 3 & 1) + 1 + (u->lcr >> 2 & 1);
    return 4 * bits * divisor * 1000000000 / 115200;
}

static void uart_restart_timeout(struct uart16550 *u)
{
    u->timed_out = false;
    if (fifo_on(u) && u->rx_count)
        vtimer_arm(&u->timeout, clock_now_ns(u->clock) + timeout_ns(u));
}

static void uart_timeout(void *ctx)
{
    struct uart16550 *u = ctx;
    with_lock(&u->dev.lock);
    u->timed_out = fifo_on(u) && u->rx_count;
    uart_update_irq(u);
}

/* The error bits of the byte at the top of the FIFO show in LSR [16550D 8.6.3]. */
static void uart_show_top(struct uart16550 *u)
{
    if (!u->rx_count) {
        u->lsr &= ~(LSR_DR | LSR_FIFO_ERROR);
        return;
    }
    u->lsr |= LSR_DR | u->rx_error[u->rx_head];
    u->lsr &= ~LSR_FIFO_ERROR;
    for (unsigned i = 0; fifo_on(u) && i < u->rx_count; i++)
        if (u->rx_error[(u->rx_head + i) % UART_FIFO])
            u->lsr |= LSR_FIFO_ERROR;
}

/* A guest that receives asserts RTS; a simple one, which does not care for the modem lines, enables
 * the interrupt or only polls the status. Until then bytes stay with the sender: drivers clear the
 * FIFO several times while they start, and Linux's with the interrupt enabled already. */
static bool uart_listens(const struct uart16550 *u)
{
    return (u->mcr & MCR_RTS) || ((u->ier & IER_RDA) && !(u->mcr & MCR_DTR)) || u->polled;
}

/* Many looks in a row at a status with nothing to send and nothing received wait for a byte: who
 * only sends writes THR between two. */
static void uart_note_look(struct uart16550 *u)
{
    enum { WAITS = 16 };
    if ((u->lsr & (LSR_THRE | LSR_DR)) != LSR_THRE) {
        u->idle_looks = 0;
    } else if (!u->polled && ++u->idle_looks >= WAITS) {
        u->polled = true;
        chardev_accept(u->chardev);
    }
}

static void uart_receive_byte(struct uart16550 *u, u8 byte, u8 error)
{
    if (u->rx_count >= rx_capacity(u)) {
        /* The byte in the shift register is lost; without a FIFO the one in RBR [16550D 8.6.3]. */
        u->lsr |= LSR_OE;
        if (fifo_on(u))
            return;
        u->rx_count = 0;
    }
    unsigned tail = (u->rx_head + u->rx_count) % UART_FIFO;
    u->rx[tail] = byte;
    u->rx_error[tail] = error;
    u->rx_count++;
    uart_show_top(u);
    uart_restart_timeout(u);
}

static u8 uart_read_data(struct uart16550 *u)
{
    u8 byte = u->rx[u->rx_head];
    if (!u->rx_count)
        return byte;
    u->rx_head = (u->rx_head + 1) % UART_FIFO;
    u->rx_count--;
    uart_show_top(u);
    uart_restart_timeout(u);
    if (!(u->mcr & MCR_LOOP))
        chardev_accept(u->chardev);
    return byte;
}

/* Hands the queue to the back-end; THRE and its interrupt come when the last byte has gone. */
static void uart_drain(struct uart16550 *u)
{
    if (u->tx_count) {
        size_t n = chardev_write(u->chardev, u->tx, u->tx_count);
        n = MIN(n, (size_t)u->tx_count);
        u->tx_count -= (u32)n;
        for (u32 i = 0; n && i < u->tx_count; i++)
            u->tx[i] = u->tx[n + i];
    }
    if (!u->tx_count && !(u->lsr & LSR_THRE)) {
        u->lsr |= LSR_THRE | LSR_TEMT;
        u->thre_pending = true;
    }
}

static void uart_write_data(struct uart16550 *u, u8 byte)
{
    u->thre_pending = false;
    u->lsr &= ~(LSR_THRE | LSR_TEMT);
    if (u->mcr & MCR_LOOP)
        uart_receive_byte(u, byte, 0);
    else if (u->tx_count < UART_TX_QUEUE)
        u->tx[u->tx_count++] = byte;
    uart_drain(u);
}

/* The modem lines: a carrier that is always there, or MCR's outputs in loopback [16550D 8.6.7]. */
static void uart_update_modem(struct uart16550 *u)
{
    u8 lines = MSR_CTS | MSR_DSR | MSR_DCD;
    if (u->mcr & MCR_LOOP)
        lines = (u->mcr & MCR_RTS ? MSR_CTS : 0) | (u->mcr & MCR_DTR ? MSR_DSR : 0) |
                (u->mcr & MCR_OUT1 ? MSR_RI : 0) | (u->mcr & MCR_OUT2 ? MSR_DCD : 0);
    u8 changed = (u->msr ^ lines) & MSR_LINES;
    u8 delta = changed >> 4;
    if (lines & MSR_RI) /* TERI is the trailing edge only [16550D 8.6.8] */
        delta &= ~MSR_TERI;
    u->msr = lines | (u->msr & 0xf) | delta;
}

static void uart_clear_rx(struct uart16550 *u)
{
    u->rx_count = u->rx_head = 0;
    u->timed_out = u->polled = false;
    uart_show_top(u);
    if (!(u->mcr & MCR_LOOP))
        chardev_accept(u->chardev);
}

static void uart_write_fcr(struct uart16550 *u, u8 v)
{
    /* Changing the FIFO mode clears both FIFOs; bit 0 must be set for the others to count
     * [16550D 8.6.4]. What was sent is on the line already: clearing the transmitter drops
     * nothing. */
    bool toggled = (u->fcr ^ v) & FCR_ENABLE;
    u->fcr = v & FCR_ENABLE ? v & (FCR_ENABLE | FCR_DMA | FCR_TRIGGER) : 0;
    if (toggled || (fifo_on(u) && (v & FCR_CLEAR_RX)))
        uart_clear_rx(u);
}

static void uart_write_lcr(struct uart16550 *u, u8 v)
{
    bool break_begins = (v & ~u->lcr) & LCR_BREAK;
    u->lcr = v;
    if (break_begins && (u->mcr & MCR_LOOP))
        uart_receive_byte(u, 0, LSR_BI | LSR_FE);
}

static void uart_write_mcr(struct uart16550 *u, u8 v)
{
    u->mcr = v & MCR_MASK;
    uart_update_modem(u);
    if (!(u->mcr & MCR_LOOP) && uart_listens(u))
        chardev_accept(u->chardev);
}

static void uart_write(struct uart16550 *u, unsigned reg, u8 v)
{
    bool dlab = u->lcr & LCR_DLAB;
    u->idle_looks = 0;
    switch (reg) {
    case REG_DATA:
        if (dlab)
            u->divisor = (u->divisor & 0xff00) | v;
        else
            uart_write_data(u, v);
        break;
    case REG_IER:
        if (dlab) {
            u->divisor = (u16)((u->divisor & 0xff) | v << 8);
            break;
        }
        /* Enabling the interrupt while THR is empty raises it; Linux tests for that. */
        if ((v & ~u->ier & IER_THRE) && (u->lsr & LSR_THRE))
            u->thre_pending = true;
        u->ier = v & IER_MASK;
        if (uart_listens(u))
            chardev_accept(u->chardev);
        break;
    case REG_IIR_FCR: uart_write_fcr(u, v); break;
    case REG_LCR: uart_write_lcr(u, v); break;
    case REG_MCR: uart_write_mcr(u, v); break;
    case REG_SCR: u->scr = v; break;
    default: break; /* LSR and MSR: "this register is intended for read operations only" */
    }
}

static u8 uart_read_iir(struct uart16550 *u)
{
    u8 cause = uart_cause(u);
    if (cause == IIR_THRE)
        u->thre_pending = false;
    return cause | (fifo_on(u) ? IIR_FIFO : 0);
}

static u8 uart_read(struct uart16550 *u, unsigned reg)
{
    bool dlab = u->lcr & LCR_DLAB;
    u8 v = 0;
    if (reg != REG_LSR)
        u->idle_looks = 0;
    switch (reg) {
    case REG_DATA: return dlab ? (u8)u->divisor : uart_read_data(u);
    case REG_IER: return dlab ? u->divisor >> 8 : u->ier;
    case REG_IIR_FCR: return uart_read_iir(u);
    case REG_LCR: return u->lcr;
    case REG_MCR: return u->mcr;
    case REG_LSR:
        uart_note_look(u);
        v = u->lsr;
        u->lsr &= ~LSR_ERRORS;
        if (u->rx_count)
            u->rx_error[u->rx_head] = 0;
        uart_show_top(u);
        return v;
    case REG_MSR:
        v = u->msr;
        u->msr &= MSR_LINES;
        return v;
    default: return u->scr;
    }
}

static enum io_result uart_io(struct device *d, unsigned region, struct io_access *a)
{
    struct uart16550 *u = uart_of(d);
    (void)region;
    /* A byte-wide chip: the bus splits a wider access into bytes at rising addresses. */
    u64 val = 0;
    for (unsigned i = 0; i < a->size; i++) {
        if (a->write)
            uart_write(u, (a->off + i) & 7, (u8)(a->val >> 8 * i));
        else
            val |= (u64)uart_read(u, (a->off + i) & 7) << 8 * i;
    }
    if (!a->write)
        a->val = val;
    uart_update_irq(u);
    return IO_OK;
}

static size_t uart_can_receive(void *ctx)
{
    struct uart16550 *u = ctx;
    with_lock(&u->dev.lock);
    if ((u->mcr & MCR_LOOP) || !uart_listens(u))
        return 0;
    return rx_capacity(u) - MIN((unsigned)u->rx_count, rx_capacity(u));
}

static void uart_receive(void *ctx, const u8 *data, size_t n)
{
    struct uart16550 *u = ctx;
    with_lock(&u->dev.lock);
    for (size_t i = 0; i < n; i++)
        uart_receive_byte(u, data[i], 0);
    uart_update_irq(u);
}

static void uart_writable(void *ctx)
{
    struct uart16550 *u = ctx;
    with_lock(&u->dev.lock);
    uart_drain(u);
    uart_update_irq(u);
}

static void uart_end_of_file(void *ctx)
{
    (void)ctx; /* a serial line has no end of file */
}

static const struct chardev_events uart_events = {
    .can_receive = uart_can_receive,
    .receive = uart_receive,
    .end_of_file = uart_end_of_file,
    .writable = uart_writable,
};

static void uart_reset(struct device *d, enum reset_kind kind)
{
    struct uart16550 *u = uart_of(d);
    (void)kind;
    /* [16550D table I]; the divisor and the scratch register are undefined, SCR keeps its value. */
    u->ier = u->fcr = u->lcr = u->mcr = 0;
    u->lsr = LSR_THRE | LSR_TEMT;
    u->msr = MSR_CTS | MSR_DSR | MSR_DCD;
    u->divisor = 12;
    u->thre_pending = u->timed_out = u->polled = false;
    u->idle_looks = 0;
    u->rx_head = u->rx_count = 0;
    if (u->tx_count)
        u->lsr &= ~(LSR_THRE | LSR_TEMT);
    uart_update_irq(u);
}

static int uart_init(struct device *d, struct err *e)
{
    struct uart16550 *u = uart_of(d);
    if (!u->clock)
        return err_set(e, -EINVAL, "starting %s: no clock was given", d->id);
    vtimer_init(&u->timeout, u->clock, uart_timeout, u);
    uart_reset(d, RESET_COLD);
    if (u->chardev)
        chardev_connect(u->chardev, &uart_events, u);
    return 0;
}

static void uart_fini(struct device *d)
{
    vtimer_cancel(&uart_of(d)->timeout);
}

static int uart_post_load(struct device *d, struct err *e)
{
    struct uart16550 *u = uart_of(d);
    if (u->rx_count > UART_FIFO || u->rx_head >= UART_FIFO || u->tx_count > UART_TX_QUEUE) {
        u->tx_count = 0; /* the reset that follows keeps the queue */
        return err_set(e, -EINVAL, "loading %s: a FIFO holds more than fits", d->id);
    }
    u->ier &= IER_MASK;
    u->mcr &= MCR_MASK;
    uart_update_irq(u);
    return 0;
}

static const struct reg_desc uart_regs[] = {
    {"RBR/THR/DLL", 0, REG_DATA, 1, 0x00, 0xff, 0, "16550D 8.6"},
    {"IER/DLM", 0, REG_IER, 1, 0x00, 0x0f, 0, "16550D 8.6.6"},
    {"IIR/FCR", 0, REG_IIR_FCR, 1, 0x01, 0x00, 0, "16550D 8.6.4"},
    {"LCR", 0, REG_LCR, 1, 0x00, 0xff, 0, "16550D 8.6.1"},
    {"MCR", 0, REG_MCR, 1, 0x00, 0x1f, 0, "16550D 8.6.7"},
    {"LSR", 0, REG_LSR, 1, 0x60, 0x00, 0, "16550D 8.6.3"},
    {"MSR", 0, REG_MSR, 1, 0xb0, 0x00, 0, "16550D 8.6.8"},
    {"SCR", 0, REG_SCR, 1, 0x00, 0xff, 0, "16550D 8.6.9"},
    {0},
};

static const struct state_desc uart_state[] = {
    STATE_FIELD(struct uart16550, ier, STATE_U8),
    STATE_FIELD(struct uart16550, fcr, STATE_U8),
    STATE_FIELD(struct uart16550, lcr, STATE_U8),
    STATE_FIELD(struct uart16550, mcr, STATE_U8),
    STATE_FIELD(struct uart16550, lsr, STATE_U8),
    STATE_FIELD(struct uart16550, msr, STATE_U8),
    STATE_FIELD(struct uart16550, scr, STATE_U8),
    STATE_FIELD(struct uart16550, divisor, STATE_U16),
    STATE_FIELD(struct uart16550, thre_pending, STATE_BOOL),
    STATE_FIELD(struct uart16550, timed_out, STATE_BOOL),
    STATE_FIELD(struct uart16550, idle_looks, STATE_U8),
    STATE_FIELD(struct uart16550, polled, STATE_BOOL),
    STATE_ARRAY(struct uart16550, rx, STATE_BYTES),
    STATE_ARRAY(struct uart16550, rx_error, STATE_BYTES),
    STATE_FIELD(struct uart16550, rx_head, STATE_U8),
    STATE_FIELD(struct uart16550, rx_count, STATE_U8),
    STATE_ARRAY(struct uart16550, tx, STATE_BYTES),
    STATE_FIELD(struct uart16550, tx_count, STATE_U32),
    STATE_FIELD(struct uart16550, timeout, STATE_TIMER),
    STATE_END,
};

const struct device_type uart16550_type = {
    .name = "uart16550",
    .description = "16550A serial port",
    .size = sizeof(struct uart16550),
    .regs = uart_regs,
    .state = uart_state,
    .init = uart_init,
    .io = uart_io,
    .reset = uart_reset,
    .post_load = uart_post_load,
    .fini = uart_fini,
};
