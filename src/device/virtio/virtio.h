/* SPDX-License-Identifier: BSD-2-Clause */
/* A virtio device apart from its transport: status, features, queues, configuration [VIRTIO1.2 2].
 * Everything here is called under the transport's lock, *v->lock, unless it says otherwise. */
#ifndef DEVICE_VIRTIO_VIRTIO_H
#define DEVICE_VIRTIO_VIRTIO_H

#include "device/virtio/virtqueue.h"
#include "vm/device.h"

enum { VIRTIO_QUEUES_MAX = 34, VIRTIO_CONFIG_MAX = 64 };

enum virtio_id { VIRTIO_ID_BLOCK = 2, VIRTIO_ID_CONSOLE = 3, VIRTIO_ID_RNG = 4 };

enum { /* device status [VIRTIO1.2 2.1] */
       VIRTIO_ACKNOWLEDGE = 1,
       VIRTIO_DRIVER = 2,
       VIRTIO_DRIVER_OK = 4,
       VIRTIO_FEATURES_OK = 8,
       VIRTIO_NEEDS_RESET = 64,
       VIRTIO_FAILED = 128,
};

enum { /* feature bits of every device [VIRTIO1.2 6] */
       VIRTIO_F_INDIRECT_DESC = 28,
       VIRTIO_F_EVENT_IDX = 29,
       VIRTIO_F_VERSION_1 = 32,
};

struct virtio_device;

struct virtio_ops {
    enum virtio_id id;
    u32 pci_class;
    u64 (*features)(struct virtio_device *v); /* the device's own bits */
    /* The whole configuration structure as it is now, v->config_size bytes. */
    void (*config_read)(struct virtio_device *v, u8 *config);
    /* The driver stored size bytes at off. NULL: nothing is writable. */
    void (*config_write)(struct virtio_device *v, unsigned off, u64 value, unsigned size);
    /* The transport is there: v->lock may be taken from now on. Without the lock. May be NULL. */
    void (*attached)(struct virtio_device *v);
    /* The transport goes away: nothing may come from a back-end after this. Without the lock, the
     * event loop stopped. May be NULL. */
    void (*detaching)(struct virtio_device *v);
    /* Buffers may be available in queue q. */
    void (*queue_ready)(struct virtio_device *v, unsigned q);
    /* Forgets everything the driver did. */
    void (*reset)(struct virtio_device *v);
    /* Requests are in flight: a reset waits until virtio_idle is called. NULL: never. */
    bool (*busy)(struct virtio_device *v);
};

/* How the device reaches the driver. */
struct virtio_transport {
    void (*queue_interrupt)(void *ctx, unsigned q);
    void (*config_interrupt)(void *ctx);
};

struct virtio_device {
    struct device dev; /* first: the type's options and state */
    const struct virtio_ops *ops;
    struct dma *dma; /* given before the transport's init */
    u16 queue_count, queue_size;
    u16 config_size;

    /* Set by the transport. */
    struct os_mutex *lock;
    const struct virtio_transport *transport;
    void *transport_ctx;

    u64 offered, accepted; /* features */
    u8 status;
    u8 config_generation;
    bool resetting; /* the driver asked for a reset and requests are in flight */
    struct virtq_regs saved[VIRTIO_QUEUES_MAX]; /* filled by virtio_save for the state table */
    struct virtq queue[VIRTIO_QUEUES_MAX];
};

/* Rows for the state table of a type whose instance begins with a struct virtio_device; the type's
 * quiesce calls virtio_save, its post_load virtio_load. */
#define VIRTIO_STATE                                                                               \
    {"virtio.accepted", STATE_U64, offsetof(struct virtio_device, accepted), 1},                   \
        {"virtio.status", STATE_U8, offsetof(struct virtio_device, status), 1},                    \
        {"virtio.config_generation", STATE_U8, offsetof(struct virtio_device, config_generation),  \
         1},                                                                                       \
    {                                                                                              \
        "virtio.queues", STATE_BYTES, offsetof(struct virtio_device, saved),                       \
            sizeof(((struct virtio_device *)0)->saved)                                             \
    }

/* From the device's init. */
void virtio_init(struct virtio_device *v, const struct virtio_ops *ops, unsigned queues,
                 unsigned queue_size, unsigned config_size);
void virtio_save(struct virtio_device *v);
int virtio_load(struct virtio_device *v, struct err *e) must_check;

/* For the transport. */
void virtio_attach(struct virtio_device *v, struct os_mutex *lock,
                   const struct virtio_transport *transport, void *ctx);
void virtio_detach(struct virtio_device *v);
void virtio_set_status(struct virtio_device *v, u8 status);
void virtio_set_features(struct virtio_device *v, unsigned half, u32 bits);
void virtio_enable_queue(struct virtio_device *v, unsigned q);
void virtio_notify(struct virtio_device *v, unsigned q);
void virtio_reset(struct virtio_device *v);

/* For the device. */
static inline bool virtio_has(const struct virtio_device *v, unsigned feature)
{
    return v->accepted >> feature & 1;
}
/* The driver is up, no reset is under way, nothing is broken. */
bool virtio_running(const struct virtio_device *v);
bool virtio_queue_usable(const struct virtio_device *v, unsigned q);
/* virtq_pop, virtq_push with the consequences of a broken queue: pop is false then too. */
bool virtio_pop(struct virtio_device *v, unsigned q, struct virtq_chain *c);
void virtio_push(struct virtio_device *v, unsigned q, u16 head, u32 written);
/* Interrupts the driver if it wants to know. */
void virtio_interrupt(struct virtio_device *v, unsigned q);
void virtio_config_changed(struct virtio_device *v);
/* The driver broke a rule that leaves no way on. */
void virtio_fail(struct virtio_device *v, const char *why);
/* The last request in flight has ended. */
void virtio_idle(struct virtio_device *v);

#endif
