/* SPDX-License-Identifier: BSD-2-Clause */
/* Drives one device with what a hostile guest can do: accesses of any size anywhere in its regions,
 * in any order, while time passes, lines and back-ends move, and states are saved, damaged and
 * loaded. A target says how to plug the device in; included once a program. */
#ifndef FUZZ_DEVICE_FUZZ_H
#define FUZZ_DEVICE_FUZZ_H

#include "../tests/device/fake.h"
#include "base/bits.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct device_fuzz {
    const struct device_type *type;
    u16 region_size[4]; /* bytes; 0 ends the list */
    struct fake_clock clock;
    struct fake_lines lines;
    struct fake_msi msi;
    struct fake_chardev chardev;
    /* Hands the device what it needs, before init. */
    void (*plug)(struct device_fuzz *f, struct device *d);
    /* Optional: something from outside (a line, a button); n and v are arbitrary. */
    void (*event)(struct device *d, u8 n, u8 v);
};

struct fuzz_input {
    const u8 *data;
    size_t left;
};

static inline u64 fuzz_take(struct fuzz_input *in, unsigned bytes)
{
    u64 v = 0;
    for (unsigned i = 0; i < bytes && in->left; i++, in->left--)
        v |= (u64)*in->data++ << 8 * i;
    return v;
}

/* The bus never lets an access leave its region; sizes are those of x86 instructions. */
static inline void fuzz_access(struct device_fuzz *f, struct device *d, struct fuzz_input *in)
{
    u8 how = (u8)fuzz_take(in, 1);
    unsigned regions = 0, size = 1u << (how >> 1 & 3);
    while (regions < 4 && f->region_size[regions])
        regions++;
    if (!regions)
        return;
    unsigned region = (how >> 3) % regions;
    unsigned span = f->region_size[region];
    if (size > span)
        size = 1;
    unsigned off = (unsigned)fuzz_take(in, span > 256 ? 2 : 1) % (span - size + 1);
    if (how & 1)
        fake_write(d, region, off, size, fuzz_take(in, size));
    else
        (void)fake_read(d, region, off, size); /* aborts when it gives too many bits */
}

static inline void fuzz_state(struct device *d, struct fuzz_input *in)
{
    static u8 image[16384];
    size_t n = device_save(d, image, sizeof image);
    if (!n || n > sizeof image)
        return;
    for (unsigned flips = fuzz_take(in, 1) & 7; flips; flips--)
        image[fuzz_take(in, 2) % n] ^= (u8)fuzz_take(in, 1);
    struct err e = {0};
    if (device_load(d, image, n, &e) && !e.code) /* a refusal says why */
        abort();
}

static inline void fuzz_back_end(struct device_fuzz *f, struct fuzz_input *in)
{
    u8 bytes[16];
    size_t n = fuzz_take(in, 1) & 15;
    if (!f->chardev.chardev.events)
        return;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = i < n ? (u8)fuzz_take(in, 1) : 0;
    f->chardev.written = 0;
    (void)fake_chardev_send(&f->chardev, bytes, n);
    if (n & 1)
        fake_chardev_unblock(&f->chardev);
    else
        f->chardev.room = n;
}

static inline void device_fuzz_step(struct device_fuzz *f, struct device *d, struct fuzz_input *in)
{
    u8 op = (u8)fuzz_take(in, 1);
    switch (op & 15) {
    case 8: fake_clock_advance(&f->clock, fuzz_take(in, 2)); break;
    case 9: fake_clock_advance(&f->clock, fuzz_take(in, 3)); break;
    case 10: { /* long waits are rare: a busy timer makes them slow */
        u8 n = (u8)fuzz_take(in, 1);
        fake_clock_advance(&f->clock, n == 7 ? 1000000000 : (u64)n * 100000);
        break;
    }
    case 11:
        if (f->event) {
            u8 n = (u8)fuzz_take(in, 1);
            f->event(d, n, (u8)fuzz_take(in, 1));
        }
        break;
    case 12: fuzz_back_end(f, in); break;
    case 13:
        if (op >> 4 == 13)
            device_reset(d, op & 0x20 ? RESET_WARM : RESET_COLD);
        break;
    case 14: fuzz_state(d, in); break;
    default: fuzz_access(f, d, in); break;
    }
}

static inline int device_fuzz_run(struct device_fuzz *f, const u8 *data, size_t size)
{
    struct fuzz_input in = {data, MIN(size, (size_t)1024)};
    fake_clock_init(&f->clock);
    fake_chardev_init(&f->chardev);
    f->lines = (struct fake_lines){0};
    struct device *d = device_alloc(f->type, "fuzz");
    if (!d)
        return 0;
    f->plug(f, d);
    fake_device_start(d);
    while (in.left)
        device_fuzz_step(f, d, &in);
    device_destroy(d);
    if (!list_empty(&f->clock.timers)) /* the device left a timer behind */
        abort();
    return 0;
}

#endif
