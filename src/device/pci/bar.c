/* SPDX-License-Identifier: BSD-2-Clause */
/* Base address registers: sizing follows from the writable mask (the low bits read as zero), and
 * the command register decides what decodes [PCI3.0 6.2.5]. */
#include "base/bits.h"
#include "base/log.h"
#include "device/pci/pci.h"

void pci_add_bar(struct pci_function *f, unsigned n, enum pci_bar_kind kind, bool prefetch,
                 u64 size)
{
    u8 *writable = f->writable + PCI_BAR0 + 4 * n;
    u32 flags = kind == PCI_BAR_KIND_IO ? PCI_BAR_IO : 0;
    if (kind == PCI_BAR_KIND_MEM64)
        flags |= PCI_BAR_64;
    if (prefetch)
        flags |= PCI_BAR_PREFETCH;
    f->bar[n] = (struct pci_bar){.kind = kind, .prefetch = prefetch, .size = size};
    store32(f->config + PCI_BAR0 + 4 * n, flags);
    store32(f->reset_config + PCI_BAR0 + 4 * n, flags);
    store32(writable, (u32) ~(size - 1) & (kind == PCI_BAR_KIND_IO ? 0xfffc : ~(u32)0));
    if (kind == PCI_BAR_KIND_MEM64)
        store32(writable + 4, (u32)(~(size - 1) >> 32));
}

u64 pci_bar_address(const struct pci_function *f, unsigned n)
{
    const u8 *reg = f->config + PCI_BAR0 + 4 * n;
    switch (f->bar[n].kind) {
    case PCI_BAR_KIND_IO: return load32(reg) & ~(u32)3;
    case PCI_BAR_KIND_MEM32: return load32(reg) & ~(u32)15;
    case PCI_BAR_KIND_MEM64: return load64(reg) & ~(u64)15;
    default: return 0;
    }
}

void pci_bar_set_address(struct pci_function *f, unsigned n, u64 address)
{
    pci_config_write(f, PCI_BAR0 + 4 * n, (u32)address, 4);
    if (f->bar[n].kind == PCI_BAR_KIND_MEM64)
        pci_config_write(f, PCI_BAR0 + 4 * n + 4, (u32)(address >> 32), 4);
}

static bool decodes(const struct pci_function *f, unsigned n)
{
    u16 command = load16(f->config + PCI_COMMAND);
    const struct pci_bar *b = &f->bar[n];
    u64 at = pci_bar_address(f, n);
    if (b->kind == PCI_BAR_KIND_NONE)
        return false;
    /* An unassigned register (zero) claims nothing: what lives at address zero is never PCI. */
    if (!at || at + b->size - 1 < at)
        return false;
    return command & (b->kind == PCI_BAR_KIND_IO ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY);
}

void pci_bars_update(struct pci_function *f)
{
    for (unsigned n = 0; n < PCI_BARS; n++) {
        struct pci_bar *b = &f->bar[n];
        struct bus *bus = b->kind == PCI_BAR_KIND_IO ? f->bus->pio : f->bus->mmio;
        bool want = decodes(f, n);
        u64 at = pci_bar_address(f, n);
        if (b->mapped && (!want || at != b->mapped_at)) {
            bus_unmap(bus, &f->dev, (int)n);
            b->mapped = false;
        }
        if (want && !b->mapped) {
            /* Two devices at one address: the first keeps it. On the wire both would answer. */
            if (bus_map(bus, at, b->size, &f->dev, n, NULL))
                log_guest("pci", "%s: BAR %u at %#llx: taken", f->dev.id, n,
                          (unsigned long long)at);
            else
                b->mapped = true;
            b->mapped_at = at;
        }
    }
}
