/* SPDX-License-Identifier: BSD-2-Clause */
/* One queue of buffers to be filled with random bytes. A request is answered with at most
 * max_bytes, so that no single one holds the device for long. */
#include "device/virtio/rng.h"
#include <errno.h>

enum { QUEUE_SIZE = 64 };

static struct virtio_rng *rng_of(struct virtio_device *v)
{
    return container_of(v, struct virtio_rng, virtio);
}

static u64 rng_features(struct virtio_device *v)
{
    return 0;
}

static void rng_config_read(struct virtio_device *v, u8 *config)
{
}

/* Returns how many bytes of the chain were filled. */
static u32 fill_chain(struct virtio_rng *r)
{
    struct virtq_chain *c = &r->chain;
    u64 done = 0;
    for (unsigned i = 0; i < c->writable && done < r->max_bytes; i++) {
        const struct virtq_segment *s = &c->segment[c->readable + i];
        u64 n = MIN((u64)s->len, r->max_bytes - done);
        if (r->entropy->fill(r->entropy, s->host, n))
            break;
        done += n;
    }
    virtq_chain_written(&r->virtio.queue[0], c, done);
    return (u32)done;
}

static void rng_queue_ready(struct virtio_device *v, unsigned q)
{
    struct virtio_rng *r = rng_of(v);
    while (virtio_pop(v, q, &r->chain))
        virtio_push(v, q, r->chain.head, fill_chain(r));
    virtio_interrupt(v, q);
}

static void rng_reset(struct virtio_device *v)
{
}

static const struct virtio_ops rng_ops = {
    .id = VIRTIO_ID_RNG,
    .pci_class = 0x00ff00,
    .features = rng_features,
    .config_read = rng_config_read,
    .queue_ready = rng_queue_ready,
    .reset = rng_reset,
};

static int rng_init(struct device *d, struct err *e)
{
    struct virtio_rng *r = container_of(d, struct virtio_rng, virtio.dev);
    if (!r->max_bytes)
        return err_set(e, -EINVAL, "max-bytes: must not be zero");
    virtio_init(&r->virtio, &rng_ops, 1, QUEUE_SIZE, 0);
    return 0;
}

static void rng_quiesce(struct device *d, bool on)
{
    if (on)
        virtio_save(container_of(d, struct virtio_device, dev));
}

static int rng_post_load(struct device *d, struct err *e)
{
    return virtio_load(container_of(d, struct virtio_device, dev), e);
}

static const struct opt_desc rng_opts[] = {
    {"max-bytes", OPT_SIZE, offsetof(struct virtio_rng, max_bytes), "64K",
     "most bytes given for one request"},
    {NULL},
};
static const struct state_desc rng_state[] = {VIRTIO_STATE, STATE_END};

const struct device_type virtio_rng_type = {
    .name = "virtio-rng",
    .description = "virtio entropy source",
    .size = sizeof(struct virtio_rng),
    .opts = rng_opts,
    .state = rng_state,
    .init = rng_init,
    .post_load = rng_post_load,
    .quiesce = rng_quiesce,
};
