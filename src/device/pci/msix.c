/* SPDX-License-Identifier: BSD-2-Clause */
/* MSI-X: a table of messages in a BAR, a mask a vector and one for all, and a pending bit for what
 * was raised while masked [PCI3.0 6.8.2]. */
#include "base/bits.h"
#include "device/pci/pci.h"

enum { PBA_OFFSET = 0x800, MSIX_BAR_SIZE = 0x1000 };
_Static_assert(PCI_MSIX_VECTORS *PCI_MSIX_ENTRY_SIZE <= PBA_OFFSET, "table meets pending bits");

void pci_add_msix(struct pci_function *f, unsigned bar, unsigned vectors)
{
    u8 cap = pci_add_capability(f, PCI_CAP_MSIX, PCI_MSIX_CAP_SIZE);
    const struct reg_desc regs[] = {
        {"MSIX_CONTROL", 0, cap + PCI_MSIX_CONTROL, 2, vectors - 1,
         PCI_MSIX_ENABLE | PCI_MSIX_MASK_ALL, 0, "PCI3.0 6.8.2.3"},
        {"MSIX_TABLE", 0, cap + PCI_MSIX_TABLE, 4, bar, 0, 0, "PCI3.0 6.8.2.4"},
        {"MSIX_PBA", 0, cap + PCI_MSIX_PBA, 4, PBA_OFFSET | bar, 0, 0, "PCI3.0 6.8.2.5"},
        {NULL},
    };
    pci_add_regs(f, regs);
    pci_add_bar(f, bar, PCI_BAR_KIND_MEM32, false, MSIX_BAR_SIZE);
    f->msix.cap = cap;
    f->msix.bar = (u8)bar;
    f->msix.vectors = (u16)vectors;
    for (unsigned i = 0; i < vectors; i++)
        f->msix.table[i * PCI_MSIX_ENTRY_SIZE + 12] = PCI_MSIX_ENTRY_MASKED;
}

static u16 control(const struct pci_function *f)
{
    return f->msix.cap ? load16(f->config + f->msix.cap + PCI_MSIX_CONTROL) : 0;
}

bool pci_msix_enabled(const struct pci_function *f)
{
    return control(f) & PCI_MSIX_ENABLE;
}

static bool masked(const struct pci_function *f, unsigned n)
{
    return control(f) & PCI_MSIX_MASK_ALL ||
           f->msix.table[n * PCI_MSIX_ENTRY_SIZE + 12] & PCI_MSIX_ENTRY_MASKED;
}

static void send(struct pci_function *f, unsigned n)
{
    const u8 *entry = f->msix.table + n * PCI_MSIX_ENTRY_SIZE;
    msi_send(&f->bus->msi, load64(entry), load32(entry + 8));
}

void pci_msix_raise(struct pci_function *f, unsigned n)
{
    if (n >= f->msix.vectors || !pci_msix_enabled(f))
        return;
    if (masked(f, n))
        f->msix.pending |= BIT(n);
    else
        send(f, n);
}

static void send_unmasked(struct pci_function *f)
{
    if (!f->msix.pending || !pci_msix_enabled(f))
        return;
    for (unsigned n = 0; n < f->msix.vectors; n++) {
        if (f->msix.pending & BIT(n) && !masked(f, n)) {
            f->msix.pending &= ~BIT(n);
            send(f, n);
        }
    }
}

void pci_msix_control_written(struct pci_function *f)
{
    send_unmasked(f);
}

enum io_result pci_msix_io(struct pci_function *f, struct io_access *a)
{
    u64 table_size = (u64)f->msix.vectors * PCI_MSIX_ENTRY_SIZE;
    /* Software must use whole, aligned doublewords or quadwords [PCI3.0 6.8.2]. */
    if ((a->size != 4 && a->size != 8) || a->off % a->size)
        return IO_UNCLAIMED;
    if (range_inside(a->off, a->size, 0, table_size)) {
        u8 *at = f->msix.table + a->off;
        if (!a->write) {
            a->val = a->size == 4 ? load32(at) : load64(at);
            return IO_OK;
        }
        if (a->size == 4)
            store32(at, (u32)a->val);
        else
            store64(at, a->val);
        send_unmasked(f);
    } else if (!a->write) {
        a->val = 0;
        if (a->off == PBA_OFFSET)
            a->val = f->msix.pending & mask_low(8 * a->size);
        else if (a->off == PBA_OFFSET + 4)
            a->val = f->msix.pending >> 32;
    }
    return IO_OK;
}
