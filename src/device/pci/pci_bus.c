/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupt pins: the swizzle from (slot, pin) to one of four lines, each the OR of everybody who
 * holds it, and where a line ends: an I/O APIC pin, and the ISA interrupt the LPC bridge routes
 * it to. */
#include "base/bits.h"
#include "device/pci/pci.h"

enum { PIRQ_NOT_ROUTED = 0x80 };

void pci_bus_init(struct pci_bus *bus, struct bus *pio, struct bus *mmio)
{
    *bus = (struct pci_bus){.pio = pio, .mmio = mmio};
    for (unsigned n = 0; n < PCI_PIRQS; n++)
        bus->route[n] = PIRQ_NOT_ROUTED;
}

/* Several PIRQs may be routed to one ISA interrupt: it is their OR. Under irq_lock. */
static void drive_isa(struct pci_bus *bus, u8 route)
{
    bool level = false;
    if (route & PIRQ_NOT_ROUTED)
        return;
    for (unsigned n = 0; n < PCI_PIRQS; n++)
        level |= bus->route[n] == route && bus->asserted[n];
    irq_set(&bus->isa[route & 15], level);
}

void pci_bus_route_pirq(struct pci_bus *bus, unsigned n, u8 route)
{
    with_lock(&bus->irq_lock);
    u8 old = bus->route[n];
    bus->route[n] = route & (PIRQ_NOT_ROUTED | 15);
    drive_isa(bus, old);
    drive_isa(bus, bus->route[n]);
}

static void pirq_change(struct pci_bus *bus, unsigned n, bool level)
{
    with_lock(&bus->irq_lock);
    bus->asserted[n] = (u16)(bus->asserted[n] + (level ? 1 : -1));
    irq_set(&bus->pirq[n], bus->asserted[n] != 0);
    drive_isa(bus, bus->route[n]);
}

void pci_function_set_intx(struct pci_function *f, bool level)
{
    u16 command = load16(f->config + PCI_COMMAND);
    u8 pin = f->config[PCI_INTERRUPT_PIN];
    f->intx = level;
    f->config[PCI_STATUS] = (u8)bits_set(f->config[PCI_STATUS], 3, 1, level);
    bool drive = level && pin && !(command & PCI_COMMAND_INTX_OFF);
    if (drive == f->intx_driven)
        return;
    f->intx_driven = drive;
    pirq_change(f->bus, pci_intx_pirq(f->devfn >> 3, pin), drive);
}
