/* SPDX-License-Identifier: BSD-2-Clause */
/* The modern PCI transport. The driver finds the structures by vendor capabilities; accesses to
 * the common structure must have the field's width, a 64-bit field also takes its halves
 * [VIRTIO1.2 4.1.3.1]. */
#include "device/virtio/virtio_pci.h"
#include "base/bits.h"
#include "base/mem.h"
#include <errno.h>

enum { NO_VECTOR = 0xffff, ISR_QUEUE = 1, ISR_CONFIG = 2 };
enum { CAP_COMMON = 1, CAP_NOTIFY, CAP_ISR, CAP_DEVICE, CAP_PCI };
enum { /* common configuration structure [VIRTIO1.2 4.1.4.3] */
       DEVICE_FEATURE_SELECT = 0x00,
       DEVICE_FEATURE = 0x04,
       DRIVER_FEATURE_SELECT = 0x08,
       DRIVER_FEATURE = 0x0c,
       CONFIG_VECTOR = 0x10,
       NUM_QUEUES = 0x12,
       DEVICE_STATUS = 0x14,
       CONFIG_GENERATION = 0x15,
       QUEUE_SELECT = 0x16,
       QUEUE_SIZE = 0x18,
       QUEUE_VECTOR = 0x1a,
       QUEUE_ENABLE = 0x1c,
       QUEUE_NOTIFY_OFF = 0x1e,
       QUEUE_DESC = 0x20,
       QUEUE_DRIVER = 0x28,
       QUEUE_DEVICE = 0x30,
       COMMON_SIZE = 0x38,
};

#define ALL32 0xffffffffu
#define SPEC  "VIRTIO1.2 4.1.4.3"
static const struct reg_desc common_regs[] = {
    {"device_feature_select", 0, DEVICE_FEATURE_SELECT, 4, 0, ALL32, 0, SPEC},
    {"device_feature", 0, DEVICE_FEATURE, 4, 0, 0, 0, SPEC},
    {"driver_feature_select", 0, DRIVER_FEATURE_SELECT, 4, 0, ALL32, 0, SPEC},
    {"driver_feature", 0, DRIVER_FEATURE, 4, 0, ALL32, 0, SPEC},
    {"config_msix_vector", 0, CONFIG_VECTOR, 2, NO_VECTOR, 0xffff, 0, SPEC},
    {"num_queues", 0, NUM_QUEUES, 2, 0, 0, 0, SPEC},
    {"device_status", 0, DEVICE_STATUS, 1, 0, 0xff, 0, SPEC},
    {"config_generation", 0, CONFIG_GENERATION, 1, 0, 0, 0, SPEC},
    {"queue_select", 0, QUEUE_SELECT, 2, 0, 0xffff, 0, SPEC},
    {"queue_size", 0, QUEUE_SIZE, 2, 0, 0xffff, 0, SPEC},
    {"queue_msix_vector", 0, QUEUE_VECTOR, 2, NO_VECTOR, 0xffff, 0, SPEC},
    {"queue_enable", 0, QUEUE_ENABLE, 2, 0, 1, 0, SPEC},
    {"queue_notify_off", 0, QUEUE_NOTIFY_OFF, 2, 0, 0, 0, SPEC},
    {"queue_desc", 0, QUEUE_DESC, 8, 0, ~(u64)0, 0, SPEC},
    {"queue_driver", 0, QUEUE_DRIVER, 8, 0, ~(u64)0, 0, SPEC},
    {"queue_device", 0, QUEUE_DEVICE, 8, 0, ~(u64)0, 0, SPEC},
    {NULL},
};

static struct virtq_regs *selected(struct virtio_pci *p)
{
    return p->queue_select < p->vdev->queue_count ? &p->vdev->queue[p->queue_select].regs : NULL;
}

static u64 *queue_address(struct virtq_regs *q, unsigned field)
{
    return field == QUEUE_DESC ? &q->desc : field == QUEUE_DRIVER ? &q->driver : &q->device;
}

static u64 queue_read(struct virtio_pci *p, unsigned field)
{
    struct virtq_regs *q = selected(p);
    if (!q) /* a size of zero says that the queue is not there */
        return field == QUEUE_VECTOR ? NO_VECTOR : 0;
    switch (field) {
    case QUEUE_SIZE: return q->size;
    case QUEUE_VECTOR: return p->queue_vector[p->queue_select];
    case QUEUE_ENABLE: return q->enabled;
    case QUEUE_NOTIFY_OFF: return p->queue_select;
    default: return *queue_address(q, field);
    }
}

static u64 common_read(struct virtio_pci *p, unsigned field)
{
    struct virtio_device *v = p->vdev;
    switch (field) {
    case DEVICE_FEATURE_SELECT: return p->device_feature_select;
    case DEVICE_FEATURE:
        return p->device_feature_select > 1 ? 0
                                            : (u32)(v->offered >> 32 * p->device_feature_select);
    case DRIVER_FEATURE_SELECT: return p->driver_feature_select;
    case DRIVER_FEATURE:
        return p->driver_feature_select > 1 ? 0
                                            : (u32)(v->accepted >> 32 * p->driver_feature_select);
    case CONFIG_VECTOR: return p->config_vector;
    case NUM_QUEUES: return v->queue_count;
    case DEVICE_STATUS: return v->status;
    case CONFIG_GENERATION: return v->config_generation;
    case QUEUE_SELECT: return p->queue_select;
    default: return queue_read(p, field);
    }
}

/* A vector that does not exist is refused by reading back as none [VIRTIO1.2 4.1.5.1.2.1]. */
static u16 checked_vector(const struct virtio_pci *p, u64 vector)
{
    return vector < p->pci.msix.vectors ? (u16)vector : NO_VECTOR;
}

static void queue_write(struct virtio_pci *p, unsigned field, u64 value)
{
    struct virtq_regs *q = selected(p);
    if (!q)
        return;
    if (field == QUEUE_VECTOR) {
        p->queue_vector[p->queue_select] = checked_vector(p, value);
        return;
    }
    if (q->enabled) /* rings of a live queue do not move [VIRTIO1.2 4.1.4.3.2] */
        return;
    switch (field) {
    case QUEUE_SIZE:
        if (is_pow2(value) && value <= p->vdev->queue_size)
            q->size = (u16)value;
        break;
    case QUEUE_ENABLE:
        if (value == 1)
            virtio_enable_queue(p->vdev, p->queue_select);
        break;
    case QUEUE_NOTIFY_OFF: break;
    default: *queue_address(q, field) = value;
    }
}

static void reset_registers(struct virtio_pci *p)
{
    p->device_feature_select = p->driver_feature_select = 0;
    p->queue_select = 0;
    p->config_vector = NO_VECTOR;
    for (unsigned q = 0; q < VIRTIO_QUEUES_MAX; q++)
        p->queue_vector[q] = NO_VECTOR;
    p->isr = 0;
    pci_function_set_intx(&p->pci, false);
}

static void common_write(struct virtio_pci *p, unsigned field, u64 value)
{
    switch (field) {
    case DEVICE_FEATURE_SELECT: p->device_feature_select = (u32)value; break;
    case DRIVER_FEATURE_SELECT: p->driver_feature_select = (u32)value; break;
    case DRIVER_FEATURE: virtio_set_features(p->vdev, p->driver_feature_select, (u32)value); break;
    case CONFIG_VECTOR: p->config_vector = checked_vector(p, value); break;
    case QUEUE_SELECT: p->queue_select = (u16)value; break;
    case DEVICE_STATUS:
        if (!(u8)value)
            reset_registers(p);
        virtio_set_status(p->vdev, (u8)value);
        break;
    case DEVICE_FEATURE:
    case NUM_QUEUES:
    case CONFIG_GENERATION: break;
    default: queue_write(p, field, value);
    }
}

static enum io_result common_io(struct virtio_pci *p, struct io_access *a)
{
    for (const struct reg_desc *r = common_regs; r->name; r++) {
        if (a->off < r->offset || a->off >= (u64)r->offset + r->width)
            continue;
        unsigned at = (unsigned)a->off - r->offset;
        bool half = r->width == 8 && a->size == 4 && at % 4 == 0;
        if (!half && (at || a->size != r->width))
            return IO_UNCLAIMED;
        if (a->write && half)
            common_write(p, r->offset, bits_set(common_read(p, r->offset), 8 * at, 32, a->val));
        else if (a->write)
            common_write(p, r->offset, a->val);
        else
            a->val = bits_get(common_read(p, r->offset), 8 * at, 8u * a->size);
        return IO_OK;
    }
    return IO_UNCLAIMED;
}

static enum io_result device_config_io(struct virtio_pci *p, struct io_access *a)
{
    struct virtio_device *v = p->vdev;
    u8 config[VIRTIO_CONFIG_MAX] = {0};
    if (!range_inside(a->off, a->size, 0, v->config_size))
        return IO_UNCLAIMED;
    if (a->write) {
        if (v->ops->config_write)
            v->ops->config_write(v, (unsigned)a->off, a->val, a->size);
        return IO_OK;
    }
    v->ops->config_read(v, config);
    a->val = 0;
    mem_copy(&a->val, config + a->off, a->size);
    return IO_OK;
}

static enum io_result isr_io(struct virtio_pci *p, struct io_access *a)
{
    if (a->off || a->write)
        return IO_UNCLAIMED;
    /* Reading acknowledges and lowers the pin [VIRTIO1.2 4.1.4.5]. */
    a->val = p->isr;
    p->isr = 0;
    pci_function_set_intx(&p->pci, false);
    return IO_OK;
}

static enum io_result structures_io(struct virtio_pci *p, struct io_access *a)
{
    struct io_access in = *a;
    enum io_result r = IO_UNCLAIMED;
    in.off = a->off & 0xfff;
    switch (a->off & ~(u64)0xfff) {
    case VIRTIO_PCI_COMMON: r = common_io(p, &in); break;
    case VIRTIO_PCI_ISR: r = isr_io(p, &in); break;
    case VIRTIO_PCI_DEVICE: r = device_config_io(p, &in); break;
    case VIRTIO_PCI_NOTIFY:
        if (a->write && in.off % VIRTIO_PCI_NOTIFY_STEP == 0) {
            virtio_notify(p->vdev, (unsigned)in.off / VIRTIO_PCI_NOTIFY_STEP);
            r = IO_OK;
        }
        break;
    default: break;
    }
    a->val = in.val;
    return r;
}

static enum io_result vpci_io(struct device *d, unsigned region, struct io_access *a)
{
    struct virtio_pci *p = container_of(d, struct virtio_pci, pci.dev);
    return region == VIRTIO_PCI_MSIX_BAR ? pci_msix_io(&p->pci, a) : structures_io(p, a);
}

/* The capability that is a window: {bar, offset, length} choose, the data behind them reads and
 * writes there [VIRTIO1.2 4.1.4.9]. */
static bool cfg_window(struct virtio_pci *p, unsigned off, unsigned size, struct io_access *a)
{
    const u8 *cap = p->pci.config + p->cfg_cap;
    u32 length = load32(cap + 12);
    if (off >= p->cfg_cap + 20u || off + size <= p->cfg_cap + 16u)
        return false;
    *a = (struct io_access){.off = load32(cap + 8), .size = (u8)length};
    return cap[4] == VIRTIO_PCI_BAR && (length == 1 || length == 2 || length == 4) &&
           a->off % length == 0 && a->off + length <= VIRTIO_PCI_BAR_SIZE;
}

static void vpci_config_reading(struct pci_function *f, unsigned off, unsigned size)
{
    struct virtio_pci *p = container_of(f, struct virtio_pci, pci);
    struct io_access a;
    if (!cfg_window(p, off, size, &a))
        return;
    if (structures_io(p, &a) != IO_OK)
        a.val = ~(u64)0;
    store32(f->config + p->cfg_cap + 16, (u32)bits_get(a.val, 0, 8u * a.size));
}

static void vpci_config_written(struct pci_function *f, unsigned off, unsigned size)
{
    struct virtio_pci *p = container_of(f, struct virtio_pci, pci);
    struct io_access a;
    if (!cfg_window(p, off, size, &a))
        return;
    a.write = true;
    a.val = bits_get(load32(f->config + p->cfg_cap + 16), 0, 8u * a.size);
    structures_io(p, &a);
}

static void raise_interrupt(struct virtio_pci *p, u16 vector, u8 isr)
{
    if (pci_msix_enabled(&p->pci)) {
        if (vector != NO_VECTOR)
            pci_msix_raise(&p->pci, vector);
        return;
    }
    p->isr |= isr;
    pci_function_set_intx(&p->pci, true);
}

static void vpci_queue_interrupt(void *ctx, unsigned q)
{
    struct virtio_pci *p = ctx;
    raise_interrupt(p, p->queue_vector[q], ISR_QUEUE);
}

static void vpci_config_interrupt(void *ctx)
{
    struct virtio_pci *p = ctx;
    raise_interrupt(p, p->config_vector, ISR_CONFIG);
}

static u8 add_structure(struct virtio_pci *p, u8 kind, u8 size, u32 offset, u32 length)
{
    u8 cap = pci_add_capability(&p->pci, PCI_CAP_VENDOR, size);
    bool window = kind == CAP_PCI;
    const struct reg_desc regs[] = {
        {"cap_len", 0, cap + 2u, 1, size, 0, 0, "VIRTIO1.2 4.1.4"},
        {"cfg_type", 0, cap + 3u, 1, kind, 0, 0, "VIRTIO1.2 4.1.4"},
        {"bar", 0, cap + 4u, 1, VIRTIO_PCI_BAR, window ? 0xff : 0, 0, "VIRTIO1.2 4.1.4"},
        {"offset", 0, cap + 8u, 4, offset, window ? ALL32 : 0, 0, "VIRTIO1.2 4.1.4"},
        {"length", 0, cap + 12u, 4, length, window ? ALL32 : 0, 0, "VIRTIO1.2 4.1.4"},
        {NULL},
    };
    pci_add_regs(&p->pci, regs);
    return cap;
}

static void add_structures(struct virtio_pci *p)
{
    const u32 notify_length = p->vdev->queue_count * (u32)VIRTIO_PCI_NOTIFY_STEP;
    add_structure(p, CAP_COMMON, 16, VIRTIO_PCI_COMMON, COMMON_SIZE);
    add_structure(p, CAP_ISR, 16, VIRTIO_PCI_ISR, 1);
    if (p->vdev->config_size)
        add_structure(p, CAP_DEVICE, 16, VIRTIO_PCI_DEVICE, p->vdev->config_size);
    u8 notify = add_structure(p, CAP_NOTIFY, 20, VIRTIO_PCI_NOTIFY, notify_length);
    p->cfg_cap = add_structure(p, CAP_PCI, 20, 0, 0);
    const struct reg_desc regs[] = {
        {"notify_off_multiplier", 0, notify + 16u, 4, VIRTIO_PCI_NOTIFY_STEP, 0, 0,
         "VIRTIO1.2 4.1.4.4"},
        {"pci_cfg_data", 0, p->cfg_cap + 16u, 4, 0, ALL32, 0, "VIRTIO1.2 4.1.4.9"},
        {NULL},
    };
    pci_add_regs(&p->pci, regs);
}

static int vpci_init(struct device *d, struct err *e)
{
    struct virtio_pci *p = container_of(d, struct virtio_pci, pci.dev);
    static const struct pci_function_ops ops = {
        .config_reading = vpci_config_reading,
        .config_written = vpci_config_written,
    };
    static const struct virtio_transport transport = {
        .queue_interrupt = vpci_queue_interrupt,
        .config_interrupt = vpci_config_interrupt,
    };
    const struct pci_identity id = {
        .vendor = 0x1af4,
        .device = (u16)(0x1040 + p->vdev->ops->id), /* [VIRTIO1.2 4.1.2.1] */
        .subsystem_vendor = 0x1af4,
        .subsystem = 0x1100,
        .class_code = p->vdev->ops->pci_class,
        .revision = 1,
        .pin = 1,
    };
    int rc = pci_function_init(&p->pci, p->bus, p->devfn, &id, &ops, e);
    if (rc)
        return rc;
    pci_add_bar(&p->pci, VIRTIO_PCI_BAR, PCI_BAR_KIND_MEM32, false, VIRTIO_PCI_BAR_SIZE);
    /* One vector a queue and one for the configuration. */
    pci_add_msix(&p->pci, VIRTIO_PCI_MSIX_BAR, p->vdev->queue_count + 1u);
    add_structures(p);
    virtio_attach(p->vdev, &p->pci.dev.lock, &transport, p);
    reset_registers(p);
    return 0;
}

static void vpci_reset(struct device *d, enum reset_kind kind)
{
    struct virtio_pci *p = container_of(d, struct virtio_pci, pci.dev);
    virtio_reset(p->vdev);
    reset_registers(p);
    pci_function_reset(&p->pci);
}

static int vpci_post_load(struct device *d, struct err *e)
{
    struct virtio_pci *p = container_of(d, struct virtio_pci, pci.dev);
    p->config_vector = checked_vector(p, p->config_vector);
    for (unsigned q = 0; q < VIRTIO_QUEUES_MAX; q++)
        p->queue_vector[q] = checked_vector(p, p->queue_vector[q]);
    return pci_function_post_load(&p->pci, e);
}

static void vpci_fini(struct device *d)
{
    struct virtio_pci *p = container_of(d, struct virtio_pci, pci.dev);
    pci_function_fini(&p->pci);
    virtio_detach(p->vdev);
}

static const struct state_desc vpci_state[] = {
    PCI_FUNCTION_STATE,
    STATE_FIELD(struct virtio_pci, device_feature_select, STATE_U32),
    STATE_FIELD(struct virtio_pci, driver_feature_select, STATE_U32),
    STATE_FIELD(struct virtio_pci, queue_select, STATE_U16),
    STATE_FIELD(struct virtio_pci, config_vector, STATE_U16),
    STATE_ARRAY(struct virtio_pci, queue_vector, STATE_U16),
    STATE_FIELD(struct virtio_pci, isr, STATE_U8),
    STATE_END,
};

const struct device_type virtio_pci_type = {
    .name = "virtio-pci",
    .description = "modern PCI transport of virtio devices",
    .size = sizeof(struct virtio_pci),
    .regs = common_regs,
    .state = vpci_state,
    .init = vpci_init,
    .io = vpci_io,
    .reset = vpci_reset,
    .post_load = vpci_post_load,
    .fini = vpci_fini,
};
