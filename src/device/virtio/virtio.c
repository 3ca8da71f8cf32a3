/* SPDX-License-Identifier: BSD-2-Clause */
/* The life of a virtio device: reset, ACKNOWLEDGE, DRIVER, features, FEATURES_OK, queues,
 * DRIVER_OK [VIRTIO1.2 3.1.1]. The device trusts no order: each step checks what it needs. */
#include "device/virtio/virtio.h"
#include "base/bits.h"
#include "base/log.h"
#include <errno.h>

#define COMMON_FEATURES                                                                            \
    (BIT(VIRTIO_F_INDIRECT_DESC) | BIT(VIRTIO_F_EVENT_IDX) | BIT(VIRTIO_F_VERSION_1))

void virtio_init(struct virtio_device *v, const struct virtio_ops *ops, unsigned queues,
                 unsigned queue_size, unsigned config_size)
{
    v->ops = ops;
    v->queue_count = (u16)queues;
    v->queue_size = (u16)queue_size;
    v->config_size = (u16)config_size;
    v->offered = COMMON_FEATURES | ops->features(v);
}

void virtio_attach(struct virtio_device *v, struct os_mutex *lock,
                   const struct virtio_transport *transport, void *ctx)
{
    v->lock = lock;
    v->transport = transport;
    v->transport_ctx = ctx;
    for (unsigned q = 0; q < v->queue_count; q++) {
        v->queue[q].dma = v->dma;
        v->queue[q].regs.size = v->queue_size;
    }
    if (v->ops->attached)
        v->ops->attached(v);
}

void virtio_detach(struct virtio_device *v)
{
    if (v->ops->detaching)
        v->ops->detaching(v);
    v->lock = NULL;
}

bool virtio_running(const struct virtio_device *v)
{
    return (v->status & (VIRTIO_DRIVER_OK | VIRTIO_NEEDS_RESET)) == VIRTIO_DRIVER_OK &&
           !v->resetting;
}

bool virtio_queue_usable(const struct virtio_device *v, unsigned q)
{
    return virtio_running(v) && q < v->queue_count && v->queue[q].regs.enabled;
}

static void finish_reset(struct virtio_device *v)
{
    v->resetting = false;
    v->status = 0;
    v->accepted = 0;
    for (unsigned q = 0; q < v->queue_count; q++) {
        v->queue[q].regs = (struct virtq_regs){.size = v->queue_size};
        v->queue[q].indirect = v->queue[q].event_idx = false;
    }
    v->ops->reset(v);
}

void virtio_reset(struct virtio_device *v)
{
    /* Requests in flight still write to guest memory. The driver waits until it reads a status of
     * zero [VIRTIO1.2 4.1.4.3.2], so the reset may take as long as they do. */
    v->resetting = true;
    if (!v->ops->busy || !v->ops->busy(v))
        finish_reset(v);
}

void virtio_idle(struct virtio_device *v)
{
    if (v->resetting)
        finish_reset(v);
}

void virtio_set_features(struct virtio_device *v, unsigned half, u32 bits)
{
    if (v->status & VIRTIO_FEATURES_OK || half > 1)
        return;
    v->accepted = bits_set(v->accepted, 32 * half, 32, bits);
}

static bool features_acceptable(const struct virtio_device *v)
{
    return !(v->accepted & ~v->offered) && virtio_has(v, VIRTIO_F_VERSION_1);
}

static void apply_features(struct virtio_device *v)
{
    for (unsigned q = 0; q < v->queue_count; q++) {
        v->queue[q].indirect = virtio_has(v, VIRTIO_F_INDIRECT_DESC);
        v->queue[q].event_idx = virtio_has(v, VIRTIO_F_EVENT_IDX);
    }
}

void virtio_set_status(struct virtio_device *v, u8 status)
{
    if (!status) {
        virtio_reset(v);
        return;
    }
    if (v->resetting)
        return;
    u8 old = v->status;
    /* The driver sets bits and clears none but by reset [VIRTIO1.2 2.1.1]; NEEDS_RESET is ours. */
    u8 now = old | (status & (u8)~VIRTIO_NEEDS_RESET);
    if (now & ~old & VIRTIO_FEATURES_OK) {
        if (features_acceptable(v))
            apply_features(v);
        else
            now &= (u8)~VIRTIO_FEATURES_OK;
    }
    if (!(now & VIRTIO_FEATURES_OK))
        now &= (u8)~VIRTIO_DRIVER_OK;
    v->status = now;
    if (!(now & ~old & VIRTIO_DRIVER_OK))
        return;
    /* Notifications before DRIVER_OK were ignored; buffers may be waiting. */
    for (unsigned q = 0; q < v->queue_count; q++)
        virtio_notify(v, q);
}

void virtio_enable_queue(struct virtio_device *v, unsigned q)
{
    struct virtq *vq = &v->queue[q];
    if (!(v->status & VIRTIO_FEATURES_OK) || v->resetting || vq->regs.enabled)
        return;
    if (!virtq_valid(vq)) {
        virtio_fail(v, "a queue that is not in RAM was enabled");
        return;
    }
    vq->regs.enabled = 1;
}

void virtio_notify(struct virtio_device *v, unsigned q)
{
    if (virtio_queue_usable(v, q))
        v->ops->queue_ready(v, q);
}

bool virtio_pop(struct virtio_device *v, unsigned q, struct virtq_chain *c)
{
    if (!virtio_queue_usable(v, q))
        return false;
    int rc = virtq_pop(&v->queue[q], c);
    if (rc < 0)
        virtio_fail(v, "a descriptor chain is malformed");
    return rc > 0;
}

void virtio_push(struct virtio_device *v, unsigned q, u16 head, u32 written)
{
    if (virtio_queue_usable(v, q) && virtq_push(&v->queue[q], head, written))
        virtio_fail(v, "the used ring is not in RAM");
}

void virtio_interrupt(struct virtio_device *v, unsigned q)
{
    if (virtio_queue_usable(v, q) && virtq_wants_interrupt(&v->queue[q]))
        v->transport->queue_interrupt(v->transport_ctx, q);
}

void virtio_config_changed(struct virtio_device *v)
{
    v->config_generation++;
    if (v->status & VIRTIO_DRIVER_OK && !v->resetting)
        v->transport->config_interrupt(v->transport_ctx);
}

void virtio_fail(struct virtio_device *v, const char *why)
{
    if (v->status & VIRTIO_NEEDS_RESET)
        return;
    log_guest("virtio", "%s: %s", v->dev.id, why);
    v->status |= VIRTIO_NEEDS_RESET;
    virtio_config_changed(v);
}

void virtio_save(struct virtio_device *v)
{
    for (unsigned q = 0; q < v->queue_count; q++)
        v->saved[q] = v->queue[q].regs;
}

int virtio_load(struct virtio_device *v, struct err *e)
{
    if (v->accepted & ~v->offered)
        return err_set(e, -EINVAL, "loading %s: features %#llx: not offered here", v->dev.id,
                       (unsigned long long)(v->accepted & ~v->offered));
    apply_features(v);
    v->resetting = false;
    for (unsigned q = 0; q < v->queue_count; q++) {
        struct virtq *vq = &v->queue[q];
        vq->regs = v->saved[q];
        if (vq->regs.size > v->queue_size || !is_pow2(vq->regs.size))
            return err_set(e, -EINVAL, "loading %s: queue %u: size %u", v->dev.id, q,
                           vq->regs.size);
        if (vq->regs.enabled && !virtq_valid(vq))
            return err_set(e, -EINVAL, "loading %s: queue %u: not in RAM", v->dev.id, q);
    }
    return 0;
}
