/* SPDX-License-Identifier: BSD-2-Clause */
/* The LPC (ISA) bridge of an ICH9, 8086:2918: where the power-management block is placed, and the
 * routing of PCI interrupts for guests that use the 8259s. */
#include "base/bits.h"
#include "base/log.h"
#include "device/pci/pci.h"

enum { PMBASE = 0x40, ACPI_CNTL = 0x44, PIRQ_ROUTE = 0x60, PM_SIZE = 128 };
enum { ACPI_ENABLE = 1 << 7, PIRQ_RESET = 0x80 };

static const struct reg_desc lpc_regs[] = {
    {"PMBASE", 0, PMBASE, 4, 1, 0xff80, 0, "ICH9 13.1.13"},
    {"ACPI_CNTL", 0, ACPI_CNTL, 1, 0, 0x87, 0, "ICH9 13.1.14"},
    {"PIRQA_ROUT", 0, PIRQ_ROUTE, 1, PIRQ_RESET, 0x8f, 0, "ICH9 13.1.17"},
    {"PIRQB_ROUT", 0, PIRQ_ROUTE + 1, 1, PIRQ_RESET, 0x8f, 0, "ICH9 13.1.17"},
    {"PIRQC_ROUT", 0, PIRQ_ROUTE + 2, 1, PIRQ_RESET, 0x8f, 0, "ICH9 13.1.17"},
    {"PIRQD_ROUT", 0, PIRQ_ROUTE + 3, 1, PIRQ_RESET, 0x8f, 0, "ICH9 13.1.17"},
    {NULL},
};

static void pm_update(struct pci_lpc *l)
{
    u64 base = load32(l->pci.config + PMBASE) & 0xff80;
    if (!l->pm)
        return;
    if (l->pm_mapped)
        bus_unmap(l->bus->pio, l->pm, (int)l->pm_region);
    l->pm_mapped = false;
    if (!(l->pci.config[ACPI_CNTL] & ACPI_ENABLE) || !base)
        return;
    if (bus_map(l->bus->pio, base, PM_SIZE, l->pm, l->pm_region, NULL))
        log_guest("pci", "PMBASE at %#llx: taken", (unsigned long long)base);
    else
        l->pm_mapped = true;
}

static void apply(struct pci_lpc *l)
{
    pm_update(l);
    for (unsigned n = 0; n < PCI_PIRQS; n++)
        pci_bus_route_pirq(l->bus, n, l->pci.config[PIRQ_ROUTE + n]);
}

static void lpc_config_written(struct pci_function *f, unsigned off, unsigned size)
{
    struct pci_lpc *l = container_of(f, struct pci_lpc, pci);
    if (off + size > PMBASE && off < PIRQ_ROUTE + PCI_PIRQS)
        apply(l);
}

void pci_lpc_set_pmbase(struct pci_lpc *l, u16 base)
{
    with_lock(&l->pci.dev.lock);
    pci_config_write(&l->pci, PMBASE, base, 4);
    pci_config_write(&l->pci, ACPI_CNTL, ACPI_ENABLE, 1);
}

static int lpc_init(struct device *d, struct err *e)
{
    struct pci_lpc *l = container_of(d, struct pci_lpc, pci.dev);
    static const struct pci_identity id = {
        .vendor = 0x8086,
        .device = 0x2918,
        .subsystem_vendor = 0x1af4,
        .subsystem = 0x1100,
        .class_code = 0x060100,
        .revision = 2,
    };
    static const struct pci_function_ops ops = {.config_written = lpc_config_written};
    int rc = pci_function_init(&l->pci, l->bus, PCI_DEVFN(0x1f, 0), &id, &ops, e);
    if (!rc)
        pci_add_regs(&l->pci, lpc_regs);
    return rc;
}

static void lpc_reset(struct device *d, enum reset_kind kind)
{
    struct pci_lpc *l = container_of(d, struct pci_lpc, pci.dev);
    pci_function_reset(&l->pci);
    apply(l);
}

static int lpc_post_load(struct device *d, struct err *e)
{
    struct pci_lpc *l = container_of(d, struct pci_lpc, pci.dev);
    int rc = pci_function_post_load(&l->pci, e);
    apply(l);
    return rc;
}

static void lpc_fini(struct device *d)
{
    struct pci_lpc *l = container_of(d, struct pci_lpc, pci.dev);
    if (l->pm_mapped)
        bus_unmap(l->bus->pio, l->pm, (int)l->pm_region);
    pci_function_fini(&l->pci);
}

static const struct state_desc lpc_state[] = {PCI_FUNCTION_STATE, STATE_END};

const struct device_type pci_lpc_type = {
    .name = "ich9-lpc",
    .description = "LPC bridge (8086:2918)",
    .size = sizeof(struct pci_lpc),
    .regs = lpc_regs,
    .state = lpc_state,
    .init = lpc_init,
    .reset = lpc_reset,
    .post_load = lpc_post_load,
    .fini = lpc_fini,
};
