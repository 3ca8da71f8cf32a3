/* SPDX-License-Identifier: BSD-2-Clause */
/* The PC: which devices there are, where they answer, and what their lines are connected to. Each
 * device is made, given what it uses, initialised and mapped, in an order in which what a device
 * needs is there before it. */
#include "base/mem.h"
#include "base/str.h"
#include "device/virtio/blk.h"
#include "device/virtio/console.h"
#include "device/virtio/rng.h"
#include "device/virtio/virtio_pci.h"
#include "host/block_file.h"
#include "host/entropy.h"
#include "machine/machine_priv.h"
#include "machine/pc_map.h"

#include <errno.h>

/* ---- making devices ------------------------------------------------------------------------- */

/* The instance, owned by the machine from now on; NULL: no memory, e is set. */
static void *make(struct machine *m, const struct device_type *type, const char *id, struct err *e)
{
    struct device *d = m->device_count < PC_DEVICES_MAX ? device_alloc(type, id) : NULL;
    if (!d) {
        err_set(e, -ENOMEM, "making %s: no room for another device", id);
        return NULL;
    }
    m->device[m->device_count++] = d;
    return d;
}

static int map_ports(struct machine *m, struct device *d, unsigned region, u16 base, u16 size,
                     struct err *e)
{
    return bus_map(m->vm->pio, base, size, d, region, e);
}

/* ---- interrupt lines ------------------------------------------------------------------------ */

/* ISA interrupt n reaches a PIC input and an I/O APIC input; the timer's is moved there, because
 * input 2 of the PIC is the cascade. */
static void isa_set(void *ctx, unsigned n, bool level)
{
    struct machine *m = ctx;
    pic8259_set_irq(m->pic, n, level);
    ioapic_set_irq(m->ioapic, n == PC_IRQ_PIT ? PC_GSI_PIT : n, level);
}

static struct irq_line isa_line(struct machine *m, unsigned irq)
{
    return (struct irq_line){isa_set, m, irq};
}

static void shared_set(void *ctx, unsigned device, bool level)
{
    struct shared_line *s = ctx;
    with_lock(&s->lock);
    s->asserted = level ? s->asserted | 1u << device : s->asserted & ~(1u << device);
    irq_set(&s->out, s->asserted);
}

/* ---- requests to the machine ---------------------------------------------------------------- */

static void request_reset(void *ctx)
{
    vm_request_reset(((struct machine *)ctx)->vm);
}

static void request_power_off(void *ctx)
{
    vm_request_end(((struct machine *)ctx)->vm, VM_POWEROFF, 0);
}

static void request_exit(void *ctx, int status)
{
    vm_request_end(((struct machine *)ctx)->vm, VM_EXITED, status);
}

/* ---- the devices of every PC ---------------------------------------------------------------- */

static int add_interrupt_controllers(struct machine *m, struct err *e)
{
    m->pic = make(m, &pic8259_type, "pic", e);
    m->ioapic = m->pic ? make(m, &ioapic_type, "ioapic", e) : NULL;
    if (!m->ioapic)
        return -ENOMEM;
    m->pic->intr = (struct irq_line){vm_set_extint, m->vm, 0};
    m->ioapic->msi = (struct msi_sink){vm_msi, m->vm};
    m->ioapic->route_changed = vm_route_changed;
    m->ioapic->route_ctx = m->vm;
    struct device *pic = &m->pic->dev;
    int r = device_init(pic, e);
    if (!r)
        r = device_init(&m->ioapic->dev, e);
    if (!r)
        r = map_ports(m, pic, PIC_MASTER, PC_PORT_PIC1, 2, e);
    if (!r)
        r = map_ports(m, pic, PIC_SLAVE, PC_PORT_PIC2, 2, e);
    if (!r)
        r = map_ports(m, pic, PIC_ELCR, PC_PORT_ELCR, 2, e);
    if (!r)
        r = bus_map(m->vm->mmio, PC_IOAPIC, IOAPIC_SIZE, &m->ioapic->dev, 0, e);
    m->vm->pic_acknowledge = pic8259_acknowledge;
    m->vm->pic_ctx = m->pic;
    m->vm->eoi = ioapic_eoi;
    m->vm->eoi_ctx = m->ioapic;
    return r;
}

static int add_timers(struct machine *m, struct err *e)
{
    m->pit = make(m, &pit8254_type, "pit", e);
    m->rtc = m->pit ? make(m, &rtc_cmos_type, "rtc", e) : NULL;
    m->pm = m->rtc ? make(m, &acpi_pm_type, "pm", e) : NULL;
    if (!m->pm)
        return -ENOMEM;
    m->pit->irq = isa_line(m, PC_IRQ_PIT);
    m->rtc->irq = isa_line(m, PC_IRQ_RTC);
    m->pm->sci = isa_line(m, PC_IRQ_SCI);
    m->pit->clock = m->rtc->clock = m->pm->clock = m->vm->clock;
    m->pm->power_off = request_power_off;
    m->pm->power_ctx = m;
    int r = device_init(&m->pit->dev, e);
    if (!r)
        r = device_init(&m->rtc->dev, e);
    if (!r)
        r = device_init(&m->pm->dev, e); /* mapped by the LPC bridge */
    if (!r)
        r = map_ports(m, &m->pit->dev, PIT_COUNTERS, PC_PORT_PIT, 4, e);
    if (!r)
        r = map_ports(m, &m->pit->dev, PIT_PORT61, PC_PORT_61, 1, e);
    if (!r)
        r = map_ports(m, &m->rtc->dev, 0, PC_PORT_RTC, 4, e);
    return r;
}

/* The HPET's legacy route takes the lines of PIT and RTC over. */
static void hpet_legacy_changed(void *ctx, bool on)
{
    struct machine *m = ctx;
    pit8254_disable_irq(m->pit, on);
    rtc_cmos_disable_irq(m->rtc, on);
}

static int add_hpet(struct machine *m, struct err *e)
{
    struct hpet *h = m->hpet = make(m, &hpet_type, "hpet", e);
    if (!h)
        return -ENOMEM;
    for (unsigned pin = PC_GSI_HPET; pin < IOAPIC_PINS; pin++)
        h->route[pin] = (struct irq_line){ioapic_set_irq, m->ioapic, pin};
    h->legacy[0] = isa_line(m, PC_IRQ_PIT);
    h->legacy[1] = isa_line(m, PC_IRQ_RTC);
    h->legacy_changed = hpet_legacy_changed;
    h->legacy_ctx = m;
    h->msi = (struct msi_sink){vm_msi, m->vm};
    h->clock = m->vm->clock;
    int r = device_init(&h->dev, e);
    return r ? r : bus_map(m->vm->mmio, PC_HPET, HPET_SIZE, &h->dev, 0, e);
}

static int add_keyboard(struct machine *m, struct err *e)
{
    struct i8042 *k = make(m, &i8042_type, "i8042", e);
    if (!k)
        return -ENOMEM;
    k->irq = isa_line(m, PC_IRQ_KEYBOARD);
    k->reset = request_reset;
    k->reset_ctx = m;
    int r = device_init(&k->dev, e);
    if (!r)
        r = map_ports(m, &k->dev, I8042_DATA, PC_PORT_I8042, 1, e);
    return r ? r : map_ports(m, &k->dev, I8042_COMMAND, PC_PORT_I8042 + 4, 1, e);
}

static int add_exit_port(struct machine *m, struct err *e)
{
    struct exit_port *p = make(m, &exit_port_type, "exit", e);
    if (!p)
        return -ENOMEM;
    p->exit = request_exit;
    p->exit_ctx = m;
    int r = device_init(&p->dev, e);
    return r ? r : map_ports(m, &p->dev, 0, PC_PORT_EXIT, EXIT_PORT_SIZE, e);
}

/* The reset control register at CF9h is among the PCI host's ports. */
static int add_reset_port(struct machine *m, struct err *e)
{
    struct reset_port *p = make(m, &reset_port_type, "reset", e);
    if (!p)
        return -ENOMEM;
    p->reset = request_reset;
    p->reset_ctx = m;
    int r = device_init(&p->dev, e);
    return r ? r : map_ports(m, &p->dev, RESET_PORT_92, PC_PORT_92, 1, e);
}

static int add_post_port(struct machine *m, struct err *e)
{
    struct device *d = make(m, &post_port_type, "post", e);
    if (!d)
        return -ENOMEM;
    int r = device_init(d, e);
    return r ? r : map_ports(m, d, 0, PC_PORT_POST, 1, e);
}

/* COM1 is always there; COM1 and COM3 share an interrupt, as COM2 and COM4 do. */
static int add_uarts(struct machine *m, const struct machine_config *c, struct err *e)
{
    for (unsigned i = 0; i < 2; i++)
        m->serial_line[i].out = isa_line(m, pc_irq_uart[i]);
    for (unsigned i = 0; i < MACHINE_SERIALS; i++) {
        if (i && !c->serial[i])
            continue;
        char id[16];
        str_format(id, sizeof id, "uart%u", i);
        struct uart16550 *u = m->uart[i] = make(m, &uart16550_type, id, e);
        if (!u)
            return -ENOMEM;
        u->irq = (struct irq_line){shared_set, &m->serial_line[i % 2], i};
        u->clock = m->vm->clock;
        u->chardev = c->serial[i];
        int r = device_init(&u->dev, e);
        if (!r)
            r = map_ports(m, &u->dev, 0, pc_port_uart[i], 8, e);
        if (r)
            return r;
    }
    return 0;
}

static int add_pci(struct machine *m, struct err *e)
{
    pci_bus_init(&m->pci, m->vm->pio, m->vm->mmio);
    m->pci.msi = (struct msi_sink){vm_msi, m->vm};
    for (unsigned i = 0; i < PCI_PIRQS; i++)
        m->pci.pirq[i] = (struct irq_line){ioapic_set_irq, m->ioapic, PC_GSI_PIRQ + i};
    for (unsigned i = 0; i < 16; i++)
        m->pci.isa[i] = (struct irq_line){pic8259_set_irq, m->pic, i};
    m->pci_host = make(m, &pci_host_type, "pci", e);
    m->mch = m->pci_host ? make(m, &pci_mch_type, "mch", e) : NULL;
    m->lpc = m->mch ? make(m, &pci_lpc_type, "lpc", e) : NULL;
    if (!m->lpc)
        return -ENOMEM;
    m->pci_host->bus = m->mch->bus = m->lpc->bus = &m->pci;
    m->pci_host->reset_request = request_reset;
    m->pci_host->reset_ctx = m;
    m->mch->host = m->pci_host;
    m->lpc->pm = &m->pm->dev;
    int r = device_init(&m->pci_host->dev, e);
    if (!r)
        r = device_init(&m->mch->pci.dev, e);
    if (!r)
        r = device_init(&m->lpc->pci.dev, e);
    if (!r)
        r = map_ports(m, &m->pci_host->dev, PCI_HOST_PORTS, PCI_HOST_PORT_BASE, PCI_HOST_PORT_COUNT,
                      e);
    return r;
}

/* ---- virtio --------------------------------------------------------------------------------- */

/* Puts an initialised-to-be virtio device behind a PCI function in the next slot. */
static int add_virtio(struct machine *m, struct virtio_device *v, struct err *e)
{
    v->dma = &m->vm->dma;
    int r = device_init(&v->dev, e);
    if (r)
        return r;
    char id[32];
    str_format(id, sizeof id, "%s-pci", v->dev.id);
    struct virtio_pci *p = make(m, &virtio_pci_type, id, e);
    if (!p)
        return -ENOMEM;
    p->vdev = v;
    p->bus = &m->pci;
    p->devfn = PCI_DEVFN(m->next_slot++, 0);
    return device_init(&p->pci.dev, e);
}

static int add_rng(struct machine *m, struct err *e)
{
    struct virtio_rng *rng = make(m, &virtio_rng_type, "rng", e);
    if (!rng)
        return -ENOMEM;
    rng->entropy = &entropy_host;
    return add_virtio(m, &rng->virtio, e);
}

static int add_console(struct machine *m, const struct machine_config *c, struct err *e)
{
    struct virtio_console *v = make(m, &virtio_console_type, "console", e);
    if (!v)
        return -ENOMEM;
    for (unsigned i = 0; i < c->ports; i++) {
        int r = virtio_console_add_port(v, c->port[i].name, c->port[i].backend, e);
        if (r)
            return r;
    }
    return add_virtio(m, &v->virtio, e);
}

static int add_disk(struct machine *m, const struct machine_disk *d, unsigned index, struct err *e)
{
    char id[16], serial[16];
    str_format(id, sizeof id, "disk%u", index);
    str_format(serial, sizeof serial, "doppel-%u", index);
    int r = block_file_create(&m->block[m->blocks], d->path, d->read_only,
                              d->serial ? d->serial : serial, e);
    if (r)
        return r;
    struct block_backend *backend = m->block[m->blocks++];
    struct virtio_blk *b = make(m, &virtio_blk_type, id, e);
    if (!b)
        return -ENOMEM;
    b->backend = backend;
    return add_virtio(m, &b->virtio, e);
}

static int add_virtio_devices(struct machine *m, const struct machine_config *c, struct err *e)
{
    m->next_slot = PC_SLOT_VIRTIO;
    int r = add_rng(m, e);
    if (!r && c->ports)
        r = add_console(m, c, e);
    for (unsigned i = 0; i < c->disks && !r; i++)
        r = add_disk(m, &c->disk[i], i, e);
    return r;
}

int pc_create(struct machine *m, const struct machine_config *c, struct err *e)
{
    int r = add_interrupt_controllers(m, e);
    if (!r)
        r = add_timers(m, e);
    if (!r)
        r = add_hpet(m, e);
    if (!r)
        r = add_keyboard(m, e);
    if (!r)
        r = add_exit_port(m, e);
    if (!r)
        r = add_reset_port(m, e);
    if (!r)
        r = add_post_port(m, e);
    if (!r)
        r = add_uarts(m, c, e);
    if (!r)
        r = add_pci(m, e);
    return r ? r : add_virtio_devices(m, c, e);
}

void pc_destroy(struct machine *m)
{
    while (m->device_count)
        device_destroy(m->device[--m->device_count]);
    while (m->blocks) {
        struct block_backend *b = m->block[--m->blocks];
        b->ops->destroy(b);
    }
}
