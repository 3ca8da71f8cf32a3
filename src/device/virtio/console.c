/* SPDX-License-Identifier: BSD-2-Clause */
/* Port n has a receive queue (host to guest) and a transmit queue; queues 2 and 3 carry control
 * messages about all ports. No byte is lost in either direction:
 *
 *   to the guest   the back-end is told how much fits into the buffer the driver offered
 *                  (can_receive) and gives no more; new buffers make it ask again (accept).
 *   to the host    a chain the back-end takes only in part stays with us, with its position,
 *                  until the back-end is writable again.
 *
 * End of file: when the back-end has sent its last byte, the port is reported closed, which the
 * guest reads as end of file behind the data; when the guest closes its end, the back-end's output
 * is closed behind the bytes still in the queue. A terminal has no end of file. */
#include "device/virtio/console.h"
#include "base/bits.h"
#include "base/mem.h"
#include <errno.h>

enum { F_SIZE = 0, F_MULTIPORT = 1, F_EMERG_WRITE = 2 }; /* [VIRTIO1.2 5.3.3] */
enum { QUEUE_SIZE = 64, CONTROL_RX = 2, CONTROL_TX = 3 };
enum { EMERG_WRITE = 8 };
enum { /* control events [VIRTIO1.2 5.3.6.2] */
       DEVICE_READY = 0,
       PORT_ADD = 1,
       PORT_REMOVE = 2,
       PORT_READY = 3,
       CONSOLE_PORT = 4,
       RESIZE = 5,
       PORT_OPEN = 6,
       PORT_NAME = 7,
};

struct config {
    u16 cols, rows;
    u32 max_nr_ports, emerg_wr;
};

struct control {
    u32 id;
    u16 event, value;
};

struct message {
    struct control head;
    u8 text[VIRTIO_CONSOLE_NAME];
};

static struct virtio_console *console_of(struct virtio_device *v)
{
    return container_of(v, struct virtio_console, virtio);
}

static struct console_port_state *state_of(struct console_port *p)
{
    return &p->console->state[p->id];
}

static bool is_terminal(const struct console_port *p)
{
    return !p->name[0];
}

/* Port 0 has queues 0 and 1; the others come behind the control queues [VIRTIO1.2 5.3.2]. */
static unsigned rx_queue(const struct console_port *p)
{
    return p->id ? 2 + 2 * p->id : 0;
}

static unsigned tx_queue(const struct console_port *p)
{
    return rx_queue(p) + 1;
}

static bool multiport(const struct virtio_console *c)
{
    return virtio_has(&c->virtio, F_MULTIPORT);
}

static u64 console_features(struct virtio_device *v)
{
    return BIT(F_SIZE) | BIT(F_MULTIPORT) | BIT(F_EMERG_WRITE);
}

static void console_config_read(struct virtio_device *v, u8 *config)
{
    struct virtio_console *c = console_of(v);
    struct config out = {(u16)c->columns, (u16)c->rows, c->port_count, 0};
    mem_copy(config, &out, sizeof out);
}

static void console_config_write(struct virtio_device *v, unsigned off, u64 value, unsigned size)
{
    u8 byte = (u8)value;
    if (off == EMERG_WRITE)
        chardev_write(console_of(v)->port[0].chardev, &byte, 1);
}

/* Control messages to the guest. What is pending is a set, so a guest that offers no buffers costs
 * nothing. PORT_OPEN goes before PORT_NAME: who finds the port by its name in the guest must not
 * read an end of file because it is not open yet. */
static const u8 event_order[] = {PORT_ADD, CONSOLE_PORT, RESIZE, PORT_OPEN, PORT_NAME};

static size_t make_message(struct console_port *p, u16 event, struct message *m)
{
    struct virtio_console *c = p->console;
    *m = (struct message){.head = {p->id, event, 1}};
    switch (event) {
    case PORT_OPEN: m->head.value = p->chardev && !state_of(p)->host_eof; break;
    case RESIZE:
        /* The text of the standard has columns first; drivers have always read rows first. */
        store16(m->text, (u16)c->rows);
        store16(m->text + 2, (u16)c->columns);
        return sizeof m->head + 4;
    case PORT_NAME: {
        size_t n = str_length(p->name);
        mem_copy(m->text, p->name, n);
        return sizeof m->head + n;
    }
    default: break;
    }
    return sizeof m->head;
}

static bool send_message(struct console_port *p, u16 event)
{
    struct virtio_console *c = p->console;
    struct message m;
    if (!virtio_pop(&c->virtio, CONTROL_RX, &c->control))
        return false;
    size_t n = make_message(p, event, &m);
    n = virtq_chain_write(&c->virtio.queue[CONTROL_RX], &c->control, 0, &m, n);
    virtio_push(&c->virtio, CONTROL_RX, c->control.head, (u32)n);
    return true;
}

static void send_pending(struct virtio_console *c)
{
    if (!multiport(c))
        return;
    for (unsigned i = 0; i < c->port_count; i++) {
        for (unsigned k = 0; k < ARRAY_LEN(event_order); k++) {
            u8 bit = (u8)BIT(event_order[k]);
            if (!(c->state[i].pending & bit))
                continue;
            if (!send_message(&c->port[i], event_order[k]))
                goto out;
            c->state[i].pending &= (u8)~bit;
        }
    }
out:
    virtio_interrupt(&c->virtio, CONTROL_RX);
}

/* Guest to host. */

/* Whether all of the held chain went to the back-end. */
static bool write_out(struct console_port *p)
{
    struct console_port_state *s = state_of(p);
    u64 skip = s->tx_done;
    for (unsigned i = 0; i < p->tx.readable; i++) {
        const struct virtq_segment *seg = &p->tx.segment[i];
        if (skip >= seg->len) {
            skip -= seg->len;
            continue;
        }
        size_t n = seg->len - (size_t)skip;
        size_t taken = chardev_write(p->chardev, seg->host + skip, n);
        s->tx_done += taken;
        if (taken < n)
            return false;
        skip = 0;
    }
    return true;
}

static void transmit(struct console_port *p)
{
    struct virtio_device *v = &p->console->virtio;
    struct console_port_state *s = state_of(p);
    unsigned q = tx_queue(p);
    for (;;) {
        if (!p->tx_held)
            p->tx_held = virtio_pop(v, q, &p->tx);
        if (!p->tx_held)
            break;
        if (!write_out(p)) {
            virtio_interrupt(v, q);
            return;
        }
        p->tx_held = false;
        s->tx_done = 0;
        virtio_push(v, q, p->tx.head, 0);
    }
    virtio_interrupt(v, q);
    if (s->closing) {
        s->closing = false;
        chardev_close_output(p->chardev);
    }
}

static void set_guest_open(struct console_port *p, bool open)
{
    struct console_port_state *s = state_of(p);
    bool was = s->guest_open;
    s->guest_open = open;
    if (open) {
        s->closing = false;
        chardev_accept(p->chardev);
    } else if (was && !is_terminal(p)) {
        s->closing = true;
        transmit(p);
    }
}

static void control_received(struct virtio_console *c, const struct control *m)
{
    if (m->event == DEVICE_READY) {
        for (unsigned i = 0; m->value == 1 && i < c->port_count; i++)
            c->state[i].pending |= BIT(PORT_ADD);
        return;
    }
    if (m->id >= c->port_count)
        return;
    struct console_port *p = &c->port[m->id];
    if (m->event == PORT_READY && m->value == 1) {
        c->state[m->id].ready = true;
        c->state[m->id].pending |=
            is_terminal(p) ? BIT(CONSOLE_PORT) | BIT(RESIZE) : BIT(PORT_NAME);
        c->state[m->id].pending |= BIT(PORT_OPEN);
    } else if (m->event == PORT_OPEN) {
        set_guest_open(p, m->value);
    }
}

static void control_ready(struct virtio_console *c)
{
    struct control m;
    while (virtio_pop(&c->virtio, CONTROL_TX, &c->control)) {
        bool whole = virtq_chain_read(&c->control, 0, &m, sizeof m) == sizeof m;
        virtio_push(&c->virtio, CONTROL_TX, c->control.head, 0);
        if (whole && multiport(c))
            control_received(c, &m);
    }
    virtio_interrupt(&c->virtio, CONTROL_TX);
    send_pending(c);
}

/* Host to guest: called by the back-end, without our lock. */

/* A stream that nobody in the guest has opened keeps its bytes: drivers throw them away. */
static bool receiving(struct console_port *p)
{
    const struct virtio_console *c = p->console;
    return virtio_running(&c->virtio) && !c->quiesced &&
           (is_terminal(p) || state_of(p)->guest_open);
}

static size_t port_can_receive(void *ctx)
{
    struct console_port *p = ctx;
    struct virtio_device *v = &p->console->virtio;
    with_lock(v->lock);
    if (!receiving(p))
        return 0;
    if (!p->rx_held)
        p->rx_held = virtio_pop(v, rx_queue(p), &p->rx);
    if (p->rx_held && !p->rx.writable_len) {
        virtio_fail(v, "a receive buffer of a console has no room");
        p->rx_held = false;
    }
    return p->rx_held ? p->rx.writable_len : 0;
}

static void port_receive(void *ctx, const u8 *data, size_t n)
{
    struct console_port *p = ctx;
    struct virtio_device *v = &p->console->virtio;
    unsigned q = rx_queue(p);
    with_lock(v->lock);
    while (n && receiving(p)) {
        if (!p->rx_held && !(p->rx_held = virtio_pop(v, q, &p->rx)))
            break;
        size_t part = virtq_chain_write(&v->queue[q], &p->rx, 0, data, n);
        p->rx_held = false;
        virtio_push(v, q, p->rx.head, (u32)part);
        data += part;
        n -= part;
    }
    /* What is left was promised room in a buffer that a reset has taken away since. */
    virtio_interrupt(v, q);
}

static void port_end_of_file(void *ctx)
{
    struct console_port *p = ctx;
    struct console_port_state *s = state_of(p);
    with_lock(p->console->virtio.lock);
    if (is_terminal(p) || s->host_eof)
        return;
    s->host_eof = true;
    if (s->ready)
        s->pending |= BIT(PORT_OPEN);
    send_pending(p->console);
}

static void port_writable(void *ctx)
{
    struct console_port *p = ctx;
    with_lock(p->console->virtio.lock);
    if (virtio_running(&p->console->virtio) && !p->console->quiesced)
        transmit(p);
}

static const struct chardev_events port_events = {
    .can_receive = port_can_receive,
    .receive = port_receive,
    .end_of_file = port_end_of_file,
    .writable = port_writable,
};

static void console_queue_ready(struct virtio_device *v, unsigned q)
{
    struct virtio_console *c = console_of(v);
    if (q == CONTROL_RX) {
        send_pending(c);
    } else if (q == CONTROL_TX) {
        control_ready(c);
    } else {
        struct console_port *p = &c->port[q < 2 ? 0 : q / 2 - 1];
        if (q & 1)
            transmit(p);
        else
            chardev_accept(p->chardev);
    }
}

static void console_reset(struct virtio_device *v)
{
    struct virtio_console *c = console_of(v);
    for (unsigned i = 0; i < c->port_count; i++) {
        bool eof = c->state[i].host_eof;
        c->state[i] = (struct console_port_state){.host_eof = eof};
        c->port[i].rx_held = c->port[i].tx_held = false;
    }
}

void virtio_console_resize(struct virtio_console *c, unsigned columns, unsigned rows)
{
    with_lock(c->virtio.lock);
    c->columns = columns;
    c->rows = rows;
    for (unsigned i = 0; i < c->port_count; i++)
        if (c->state[i].ready && is_terminal(&c->port[i]))
            c->state[i].pending |= BIT(RESIZE);
    send_pending(c);
    virtio_config_changed(&c->virtio);
}

static void console_attached(struct virtio_device *v)
{
    struct virtio_console *c = console_of(v);
    for (unsigned i = 0; i < c->port_count; i++)
        if (c->port[i].chardev)
            chardev_connect(c->port[i].chardev, &port_events, &c->port[i]);
}

static void console_detaching(struct virtio_device *v)
{
    struct virtio_console *c = console_of(v);
    for (unsigned i = 0; i < c->port_count; i++)
        if (c->port[i].chardev)
            chardev_connect(c->port[i].chardev, NULL, NULL);
}

static const struct virtio_ops console_ops = {
    .id = VIRTIO_ID_CONSOLE,
    .pci_class = 0x078000,
    .features = console_features,
    .config_read = console_config_read,
    .config_write = console_config_write,
    .attached = console_attached,
    .detaching = console_detaching,
    .queue_ready = console_queue_ready,
    .reset = console_reset,
};

int virtio_console_add_port(struct virtio_console *c, const char *name, struct chardev *chardev,
                            struct err *e)
{
    if (c->port_count == VIRTIO_CONSOLE_PORTS)
        return err_set(e, -ENOSPC, "adding port '%s' to %s: %d ports are the most",
                       name ? name : "", c->virtio.dev.id, VIRTIO_CONSOLE_PORTS);
    if (name && str_length(name) >= VIRTIO_CONSOLE_NAME)
        return err_set(e, -ENAMETOOLONG, "adding port '%s' to %s: %d characters are the most", name,
                       c->virtio.dev.id, VIRTIO_CONSOLE_NAME - 1);
    struct console_port *port = mem_resize(c->port, (c->port_count + 1) * sizeof *port);
    if (!port)
        return err_set(e, -ENOMEM, "adding a port to %s", c->virtio.dev.id);
    c->port = port;
    struct console_port *p = &port[c->port_count];
    *p = (struct console_port){.console = c, .id = c->port_count++, .chardev = chardev};
    str_copy(p->name, name ? name : "", sizeof p->name);
    return 0;
}

static int console_init(struct device *d, struct err *e)
{
    struct virtio_console *c = container_of(d, struct virtio_console, virtio.dev);
    if (!c->port_count)
        return err_set(e, -EINVAL, "a console needs at least one port");
    virtio_init(&c->virtio, &console_ops, 2 + 2 * c->port_count, QUEUE_SIZE, sizeof(struct config));
    return 0;
}

/* Chains that are out of their queue go back into it; tx_done says where to go on. */
static void put_back(struct console_port *p)
{
    struct virtio_device *v = &p->console->virtio;
    if (p->rx_held)
        virtq_unpop(&v->queue[rx_queue(p)]);
    if (p->tx_held)
        virtq_unpop(&v->queue[tx_queue(p)]);
    p->rx_held = p->tx_held = false;
}

static void console_quiesce(struct device *d, bool on)
{
    struct virtio_console *c = container_of(d, struct virtio_console, virtio.dev);
    with_lock(c->virtio.lock);
    c->quiesced = on;
    for (unsigned i = 0; i < c->port_count; i++) {
        if (on) {
            put_back(&c->port[i]);
        } else if (virtio_running(&c->virtio)) {
            transmit(&c->port[i]);
            chardev_accept(c->port[i].chardev);
        }
    }
    if (on)
        virtio_save(&c->virtio);
}

static int console_post_load(struct device *d, struct err *e)
{
    struct virtio_console *c = container_of(d, struct virtio_console, virtio.dev);
    for (unsigned i = 0; i < VIRTIO_CONSOLE_PORTS; i++) {
        c->state[i].pending &= mask_low(PORT_NAME + 1);
        if (i < c->port_count)
            c->port[i].rx_held = c->port[i].tx_held = false;
    }
    return virtio_load(&c->virtio, e);
}

static void console_fini(struct device *d)
{
    struct virtio_console *c = container_of(d, struct virtio_console, virtio.dev);
    mem_free(c->port);
    c->port = NULL;
    c->port_count = 0;
}

static const struct opt_desc console_opts[] = {
    {"columns", OPT_U64, offsetof(struct virtio_console, columns), "80", "width of the terminal"},
    {"rows", OPT_U64, offsetof(struct virtio_console, rows), "25", "height of the terminal"},
    {NULL},
};
static const struct state_desc console_state[] = {
    VIRTIO_STATE,
    {"ports", STATE_BYTES, offsetof(struct virtio_console, state),
     sizeof(((struct virtio_console *)0)->state)},
    STATE_END,
};

const struct device_type virtio_console_type = {
    .name = "virtio-console",
    .description = "virtio console with named ports",
    .size = sizeof(struct virtio_console),
    .opts = console_opts,
    .state = console_state,
    .init = console_init,
    .post_load = console_post_load,
    .quiesce = console_quiesce,
    .fini = console_fini,
};
