/* SPDX-License-Identifier: BSD-2-Clause */
/* What a device under test is plugged into: recording interrupt lines, a message sink, a character
 * back-end that can block, a piece of RAM, and short forms of register access. Time is
 * tests/fake_clock.h. */
#ifndef TESTS_DEVICE_FAKE_H
#define TESTS_DEVICE_FAKE_H

#include "../fake_clock.h"
#include "host/chardev_if.h"
#include "vm/device.h"

enum { FAKE_LINES = 32 };
struct fake_lines {
    bool level[FAKE_LINES];
    unsigned rises[FAKE_LINES], falls[FAKE_LINES];
};
/* Line n of l, to be handed to a device. */
struct irq_line fake_line(struct fake_lines *l, unsigned n);

struct fake_msi {
    unsigned count;
    u64 addr; /* of the last message */
    u32 data;
};
struct msi_sink fake_msi_sink(struct fake_msi *m);

enum { FAKE_OUTPUT = 65536 };
struct fake_chardev {
    struct chardev chardev;
    u8 output[FAKE_OUTPUT]; /* what the device has written */
    size_t written;
    size_t room;      /* bytes taken before writes come short; unlimited at first */
    unsigned accepts; /* how often the device said that it has room again */
};
void fake_chardev_init(struct fake_chardev *c);
/* Gives the device up to n bytes as the event loop would; returns how many it took. */
size_t fake_chardev_send(struct fake_chardev *c, const void *data, size_t n);
/* Lifts the limit and tells the device. */
void fake_chardev_unblock(struct fake_chardev *c);

enum { FAKE_RAM = 65536 };
struct fake_ram {
    struct dma dma;
    u64 base; /* guest address of bytes[0] */
    u8 bytes[FAKE_RAM];
    u64 written; /* bytes reported as written by the device */
};
void fake_ram_init(struct fake_ram *r, u64 base);

/* One access; reads of unclaimed addresses give all ones. */
u64 fake_read(struct device *d, unsigned region, u64 off, unsigned size);
void fake_write(struct device *d, unsigned region, u64 off, unsigned size, u64 val);

/* Initialises d; its failure fails the test. */
void fake_device_start(struct device *d);
/* Every register of the type's table reads its reset value. */
void fake_check_resets(struct device *d);
/* Saving, loading and saving again gives the same bytes; a short image is refused. */
void fake_check_round_trip(struct device *d);

#endif
