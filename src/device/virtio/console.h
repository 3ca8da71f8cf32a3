/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio console with several ports [VIRTIO1.2 5.3]: terminals (hvcN in the guest) and named byte
 * streams (/dev/virtio-ports/NAME). */
#ifndef DEVICE_VIRTIO_CONSOLE_H
#define DEVICE_VIRTIO_CONSOLE_H

#include "device/virtio/virtio.h"
#include "host/chardev_if.h"

extern const struct device_type virtio_console_type;

enum { VIRTIO_CONSOLE_PORTS = 16, VIRTIO_CONSOLE_NAME = 32 };

/* What is saved of a port; plain bytes without padding. */
struct console_port_state {
    u64 tx_done; /* bytes of the chain at the head of the transmit queue already taken */
    u8 pending;  /* control messages to be sent */
    u8 ready;    /* the driver has set the port up */
    u8 guest_open;
    u8 host_eof; /* the back-end will send nothing more */
    u8 closing;  /* the guest closed; its last bytes are still on their way */
    u8 reserved[3];
};
_Static_assert(sizeof(struct console_port_state) == 16, "saved layout");

struct console_port {
    struct virtio_console *console;
    unsigned id;
    char name[VIRTIO_CONSOLE_NAME]; /* empty: a terminal */
    struct chardev *chardev;        /* NULL: bytes vanish */
    bool rx_held, tx_held;          /* a chain is out of the queue */
    struct virtq_chain rx, tx;
};

struct virtio_console {
    struct virtio_device virtio;
    struct console_port *port; /* port_count of them */
    unsigned port_count;
    u64 columns, rows;
    bool quiesced; /* nothing goes in or out */
    struct virtq_chain control;
    struct console_port_state state[VIRTIO_CONSOLE_PORTS];
};

/* Before init: the next port. Name NULL or empty: a terminal. -ENOSPC, -ENOMEM. */
int virtio_console_add_port(struct virtio_console *c, const char *name, struct chardev *chardev,
                            struct err *e) must_check;
/* The terminal's size. Any thread; not before the transport's init. */
void virtio_console_resize(struct virtio_console *c, unsigned columns, unsigned rows);

#endif
