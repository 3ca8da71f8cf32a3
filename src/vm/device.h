/* SPDX-License-Identifier: BSD-2-Clause */
/* What a device is: one constant table per type. Command-line options, help, snapshots, tests and
 * fuzz targets derive from it; there is no second list. No globals: two machines can live in one
 * process. */
#ifndef VM_DEVICE_H
#define VM_DEVICE_H

#include "base/err.h"
#include "base/os.h"
#include "base/types.h"
#include "vm/clock.h"
#include "vm/dma.h"
#include "vm/irq.h"

struct device;

/* One access: off is relative to the region's start; size 1, 2, 4 or 8. A read stores into val,
 * already zero-extended to size. */
struct io_access {
    u64 off;
    u64 val;
    u8 size;
    bool write;
};
enum io_result {
    IO_OK,
    IO_UNCLAIMED, /* reads give all ones, writes vanish; counted */
};

/* A typed option: name=value on the command line lands in the config struct at offset. */
enum opt_kind { OPT_BOOL, OPT_U64, OPT_SIZE, OPT_STRING };
struct opt_desc {
    const char *name;
    enum opt_kind kind;
    u32 offset; /* in the device's struct */
    const char *default_text;
    const char *help;
};

/* A register: what resets, masks, documentation, tests and fuzz dictionaries are made of. */
struct reg_desc {
    const char *name;
    u16 region;
    u16 offset;
    u8 width; /* bytes */
    u64 reset;
    u64 writable;     /* mask of bits the guest can change by writing */
    u64 w1c;          /* mask of bits cleared by writing one */
    const char *spec; /* "16550D 8.6.1" */
};

/* One field of what is saved. Loaded fields are hostile: post_load checks them. */
enum state_kind { STATE_U8, STATE_U16, STATE_U32, STATE_U64, STATE_BOOL, STATE_BYTES, STATE_TIMER };
struct state_desc {
    const char *name;
    enum state_kind kind;
    u32 offset;
    u32 count; /* elements; bytes for STATE_BYTES */
};
#define STATE_FIELD(type, field, kind)                                                             \
    {                                                                                              \
#field, kind, offsetof(type, field), 1                                                     \
    }
#define STATE_ARRAY(type, field, kind)                                                             \
    {                                                                                              \
#field, kind, offsetof(type, field),                                                       \
            sizeof(((type *)0)->field) / sizeof(((type *)0)->field[0])                             \
    }
#define STATE_END                                                                                  \
    {                                                                                              \
        NULL, 0, 0, 0                                                                              \
    }

enum reset_kind { RESET_COLD, RESET_WARM };

struct device_type {
    const char *name;        /* "uart16550": command line, snapshot key, trace prefix, docs page */
    const char *description; /* one line for help */
    size_t size; /* of the instance, which begins with struct device; zeroed by the core */
    const struct opt_desc *opts;    /* ended by a NULL name; NULL: none */
    const struct reg_desc *regs;    /* ended by a NULL name */
    const struct state_desc *state; /* ended by a NULL name */
    /* All or nothing. What the device uses (lines, clock, DMA, back-end) was put into the instance
     * by whoever made it, before init. */
    int (*init)(struct device *, struct err *);
    /* Called under dev->lock. Alignment and size as the guest made them, never crossing the
     * region's end. */
    enum io_result (*io)(struct device *, unsigned region, struct io_access *);
    void (*reset)(struct device *, enum reset_kind);
    int (*post_load)(struct device *, struct err *);
    /* Stops and restarts the device's own activity; what is in flight is waited for. Called without
     * dev->lock, while no vCPU runs. */
    void (*quiesce)(struct device *, bool on);
    void (*fini)(struct device *);
};

struct device {
    const struct device_type *type;
    char id[32];          /* "uart0" */
    bool live;            /* init succeeded, fini is due */
    struct os_mutex lock; /* everything behind io(), timers and back-end events of this device */
};

/* Allocates a zeroed instance with the options' defaults; the caller fills in what it needs and
 * calls device_init. NULL: no memory. */
struct device *device_alloc(const struct device_type *type, const char *id);
int device_init(struct device *d, struct err *e) must_check;
void device_reset(struct device *d, enum reset_kind kind);
void device_quiesce(struct device *d, bool on);
/* fini (when init had succeeded) and free. NULL is allowed. */
void device_destroy(struct device *d);
/* One access under the device's lock. */
enum io_result device_io(struct device *d, unsigned region, struct io_access *a);

/* Sets options from "name=value,name=value" (a bool alone means true; NULL changes nothing). */
int device_set_options(struct device *d, const char *text, struct err *e) must_check;

/* State as bytes, by the state table: device_save returns the size needed (and writes when buf is
 * large enough); device_load checks length and calls post_load. */
size_t device_save(struct device *d, u8 *buf, size_t size);
int device_load(struct device *d, const u8 *buf, size_t size, struct err *e) must_check;

#endif
