/* SPDX-License-Identifier: BSD-2-Clause */
/* The two ways into configuration space: mechanism 1 at ports 0xcf8 and 0xcfc [PCI3.0 3.2.2.3.2]
 * and the memory-mapped window (ECAM). It is a device of its own, apart from the host bridge's
 * function, because its lock is held while a function is called. */
#include "base/bits.h"
#include "device/pci/pci.h"

enum {
    ADDRESS_ENABLE = 1u << 31,
    ADDRESS_WRITABLE = 0x80fffffcu,
    RESET_CONTROL = 1, /* port 0xcf9 [ICH9 13.7.5] */
    RESET_SYSTEM = 1 << 1,
    RESET_CPU = 1 << 2,
    RESET_FULL = 1 << 3,
};

static enum io_result config_access(struct pci_host *h, unsigned bus, u8 devfn, unsigned reg,
                                    struct io_access *a)
{
    struct pci_function *f = bus ? NULL : h->bus->function[devfn];
    if (!f || a->size > 4)
        return IO_UNCLAIMED;
    with_lock(&f->dev.lock);
    if (a->write)
        pci_config_write(f, reg, (u32)a->val, a->size);
    else
        a->val = pci_config_read(f, reg, a->size);
    return IO_OK;
}

static enum io_result reset_control(struct pci_host *h, struct io_access *a)
{
    if (!a->write) {
        a->val = h->reset_control;
        return IO_OK;
    }
    bool was = h->reset_control & RESET_CPU;
    h->reset_control = (u8)a->val & (RESET_SYSTEM | RESET_CPU | RESET_FULL);
    /* The reset happens when the bit goes from 0 to 1. */
    if (!was && h->reset_control & RESET_CPU && h->reset_request)
        h->reset_request(h->reset_ctx);
    return IO_OK;
}

static enum io_result ports_access(struct pci_host *h, struct io_access *a)
{
    if (a->off == RESET_CONTROL && a->size == 1)
        return reset_control(h, a);
    if (a->off < 4) {
        /* Only a doubleword access reaches the address register. */
        if (a->off || a->size != 4)
            return IO_UNCLAIMED;
        if (a->write)
            h->address = (u32)a->val & ADDRESS_WRITABLE;
        else
            a->val = h->address;
        return IO_OK;
    }
    if (!(h->address & ADDRESS_ENABLE) || a->off + a->size > PCI_HOST_PORT_COUNT)
        return IO_UNCLAIMED;
    return config_access(h, h->address >> 16 & 0xff, (u8)(h->address >> 8),
                         (h->address & 0xfc) + (unsigned)(a->off & 3), a);
}

static enum io_result host_io(struct device *d, unsigned region, struct io_access *a)
{
    struct pci_host *h = container_of(d, struct pci_host, dev);
    if (region == PCI_HOST_PORTS)
        return ports_access(h, a);
    return config_access(h, (unsigned)(a->off >> 20), (u8)(a->off >> 12), a->off & 0xfff, a);
}

static void host_reset(struct device *d, enum reset_kind kind)
{
    struct pci_host *h = container_of(d, struct pci_host, dev);
    h->address = 0;
    h->reset_control = 0;
}

static int host_post_load(struct device *d, struct err *e)
{
    struct pci_host *h = container_of(d, struct pci_host, dev);
    h->address &= ADDRESS_WRITABLE;
    return 0;
}

static const struct reg_desc host_regs[] = {
    {"CONFIG_ADDRESS", PCI_HOST_PORTS, 0, 4, 0, ADDRESS_WRITABLE, 0, "PCI3.0 3.2.2.3.2"},
    {"RST_CNT", PCI_HOST_PORTS, RESET_CONTROL, 1, 0, RESET_SYSTEM | RESET_CPU | RESET_FULL, 0,
     "ICH9 13.7.5"},
    {NULL},
};

static const struct state_desc host_state[] = {
    STATE_FIELD(struct pci_host, address, STATE_U32),
    STATE_FIELD(struct pci_host, reset_control, STATE_U8),
    STATE_END,
};

const struct device_type pci_host_type = {
    .name = "pci-host",
    .description = "PCI configuration ports and ECAM window",
    .size = sizeof(struct pci_host),
    .regs = host_regs,
    .state = host_state,
    .io = host_io,
    .reset = host_reset,
    .post_load = host_post_load,
};
