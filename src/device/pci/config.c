/* SPDX-License-Identifier: BSD-2-Clause */
/* Configuration space as bytes with masks: a table says what resets to what and what a guest may
 * change; everything else follows from it. */
#include "base/bits.h"
#include "base/mem.h"
#include "device/pci/pci.h"
#include <errno.h>

static const struct reg_desc header_regs[] = {
    {"COMMAND", 0, PCI_COMMAND, 2, 0,
     PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY |
         PCI_COMMAND_SERR | PCI_COMMAND_INTX_OFF,
     0, "PCI3.0 6.2.2"},
    {"STATUS", 0, PCI_STATUS, 2, 0, 0, 0xf900, "PCI3.0 6.2.3"},
    {"CACHE_LINE_SIZE", 0, PCI_CACHE_LINE, 1, 0, 0xff, 0, "PCI3.0 6.2.4"},
    {"LATENCY_TIMER", 0, PCI_LATENCY, 1, 0, 0xff, 0, "PCI3.0 6.2.4"},
    {"INTERRUPT_LINE", 0, PCI_INTERRUPT_LINE, 1, 0, 0xff, 0, "PCI3.0 6.2.4"},
    {NULL},
};

static bool overlaps(unsigned off, unsigned size, unsigned start, unsigned length)
{
    return off < start + length && start < off + size;
}

/* A register's value as it is and as reset leaves it. */
static void set_bytes(struct pci_function *f, unsigned off, u64 value, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        f->config[off + i] = f->reset_config[off + i] = (u8)(value >> 8 * i);
}

void pci_add_regs(struct pci_function *f, const struct reg_desc *regs)
{
    for (const struct reg_desc *r = regs; r->name; r++) {
        set_bytes(f, r->offset, r->reset, r->width);
        for (unsigned i = 0; i < r->width; i++) {
            f->writable[r->offset + i] = (u8)(r->writable >> 8 * i);
            f->clear_by_one[r->offset + i] = (u8)(r->w1c >> 8 * i);
        }
    }
}

int pci_function_init(struct pci_function *f, struct pci_bus *bus, u8 devfn,
                      const struct pci_identity *id, const struct pci_function_ops *ops,
                      struct err *e)
{
    if (bus->function[devfn])
        return err_set(e, -EEXIST, "adding %s: PCI slot 00:%02x.%u: already holds %s", f->dev.id,
                       devfn >> 3, devfn & 7u, bus->function[devfn]->dev.id);
    f->bus = bus;
    f->devfn = devfn;
    f->ops = ops;
    f->next_cap = PCI_HEADER_END;
    pci_add_regs(f, header_regs);
    set_bytes(f, PCI_VENDOR_ID, id->vendor, 2);
    set_bytes(f, PCI_DEVICE_ID, id->device, 2);
    set_bytes(f, PCI_REVISION, id->revision, 1);
    set_bytes(f, PCI_CLASS, id->class_code, 3);
    set_bytes(f, PCI_SUBSYSTEM_VENDOR, id->subsystem_vendor, 2);
    set_bytes(f, PCI_SUBSYSTEM, id->subsystem, 2);
    set_bytes(f, PCI_INTERRUPT_PIN, id->pin, 1);
    bus->function[devfn] = f;
    return 0;
}

u8 pci_add_capability(struct pci_function *f, u8 id, u8 size)
{
    u8 at = f->next_cap;
    set_bytes(f, at, id, 1);
    set_bytes(f, f->last_cap ? f->last_cap + 1u : PCI_CAPABILITIES, at, 1);
    f->config[PCI_STATUS] |= PCI_STATUS_CAPABILITIES;
    f->reset_config[PCI_STATUS] |= PCI_STATUS_CAPABILITIES;
    f->last_cap = at;
    f->next_cap = (u8)align_up(at + size, 4);
    return at;
}

void pci_function_reset(struct pci_function *f)
{
    mem_copy(f->config, f->reset_config, sizeof f->config);
    mem_fill(f->msix.table, 0, sizeof f->msix.table);
    for (unsigned i = 0; i < f->msix.vectors; i++)
        f->msix.table[i * PCI_MSIX_ENTRY_SIZE + 12] = PCI_MSIX_ENTRY_MASKED;
    f->msix.pending = 0;
    pci_function_set_intx(f, false);
    pci_bars_update(f);
}

int pci_function_post_load(struct pci_function *f, struct err *e)
{
    /* What the guest could not have written is not taken from the snapshot either. */
    for (unsigned i = 0; i < PCI_CONFIG_SIZE; i++) {
        u8 from_guest = f->writable[i] | f->clear_by_one[i];
        f->config[i] = (f->config[i] & from_guest) | (f->reset_config[i] & (u8)~from_guest);
    }
    f->msix.pending &= mask_low(f->msix.vectors);
    pci_bars_update(f);
    pci_function_set_intx(f, f->intx);
    return 0;
}

void pci_function_fini(struct pci_function *f)
{
    if (!f->bus)
        return;
    pci_function_set_intx(f, false);
    store16(f->config + PCI_COMMAND, 0);
    pci_bars_update(f);
    f->bus->function[f->devfn] = NULL;
    f->bus = NULL;
}

u32 pci_config_read(struct pci_function *f, unsigned off, unsigned size)
{
    u32 value = 0;
    if (off + size > PCI_CONFIG_SIZE)
        return (u32)mask_low(8 * size);
    if (f->ops && f->ops->config_reading)
        f->ops->config_reading(f, off, size);
    for (unsigned i = 0; i < size; i++)
        value |= (u32)f->config[off + i] << 8 * i;
    return value;
}

void pci_config_write(struct pci_function *f, unsigned off, u32 value, unsigned size)
{
    if (off + size > PCI_CONFIG_SIZE)
        return;
    for (unsigned i = 0; i < size; i++) {
        u8 v = (u8)(value >> 8 * i), w = f->writable[off + i];
        u8 *c = &f->config[off + i];
        *c = ((*c & (u8)~w) | (v & w)) & (u8) ~(v & f->clear_by_one[off + i]);
    }
    if (overlaps(off, size, PCI_COMMAND, 2))
        pci_function_set_intx(f, f->intx);
    if (overlaps(off, size, PCI_COMMAND, 2) || overlaps(off, size, PCI_BAR0, 4 * PCI_BARS))
        pci_bars_update(f);
    if (f->msix.cap && overlaps(off, size, f->msix.cap + PCI_MSIX_CONTROL, 2))
        pci_msix_control_written(f);
    if (f->ops && f->ops->config_written)
        f->ops->config_written(f, off, size);
}
