/* SPDX-License-Identifier: BSD-2-Clause */
/* The host bridge's function, 8086:29c0: what firmware and kernels recognise as Q35. Of its many
 * registers only PCIEXBAR does something; shadowing and SMRAM registers hold what was written,
 * for memory below 1 MiB is always RAM here. */
#include "base/bits.h"
#include "base/log.h"
#include "device/pci/pci.h"

enum { PCIEXBAR = 0x60, PAM = 0x90, SMRAM = 0x9d, ESMRAMC = 0x9e };
#define PCIEXBAR_ENABLE   BIT(0)
#define PCIEXBAR_WRITABLE 0x0000000ffc000007ull

static const struct reg_desc mch_regs[] = {
    {"PCIEXBAR", 0, PCIEXBAR, 8, 0, PCIEXBAR_WRITABLE, 0, "MCH 5.1.16"},
    {"PAM0_6", 0, PAM, 7, 0, 0x33333333333330, 0, "MCH 5.1.21"},
    {"SMRAM", 0, SMRAM, 1, 0x02, 0x78, 0, "MCH 5.1.30"},
    {"ESMRAMC", 0, ESMRAMC, 1, 0x38, 0x87, 0, "MCH 5.1.31"},
    {NULL},
};

static void ecam_update(struct pci_mch *m)
{
    u64 reg = load64(m->pci.config + PCIEXBAR);
    unsigned length = reg >> 1 & 3; /* 0: 256 buses, 1: 128, 2: 64, 3: reserved */
    u64 size = 256 * MiB >> length;
    u64 base = align_down(reg & PCIEXBAR_WRITABLE & ~(u64)7, size);
    if (m->ecam_mapped)
        bus_unmap(m->bus->mmio, &m->host->dev, PCI_HOST_ECAM);
    m->ecam_mapped = false;
    if (!(reg & PCIEXBAR_ENABLE) || length == 3 || !base)
        return;
    if (bus_map(m->bus->mmio, base, size, &m->host->dev, PCI_HOST_ECAM, NULL))
        log_guest("pci", "PCIEXBAR at %#llx: taken", (unsigned long long)base);
    else
        m->ecam_mapped = true;
}

static void mch_config_written(struct pci_function *f, unsigned off, unsigned size)
{
    if (off < PCIEXBAR + 8 && off + size > PCIEXBAR)
        ecam_update(container_of(f, struct pci_mch, pci));
}

void pci_mch_set_ecam(struct pci_mch *m, u64 base)
{
    with_lock(&m->pci.dev.lock);
    pci_config_write(&m->pci, PCIEXBAR, 0, 4);
    pci_config_write(&m->pci, PCIEXBAR + 4, (u32)(base >> 32), 4);
    pci_config_write(&m->pci, PCIEXBAR, (u32)(base | PCIEXBAR_ENABLE), 4);
}

static int mch_init(struct device *d, struct err *e)
{
    struct pci_mch *m = container_of(d, struct pci_mch, pci.dev);
    static const struct pci_identity id = {
        .vendor = 0x8086,
        .device = 0x29c0,
        .subsystem_vendor = 0x1af4,
        .subsystem = 0x1100,
        .class_code = 0x060000,
        .revision = 2,
    };
    static const struct pci_function_ops ops = {.config_written = mch_config_written};
    int rc = pci_function_init(&m->pci, m->bus, PCI_DEVFN(0, 0), &id, &ops, e);
    if (!rc)
        pci_add_regs(&m->pci, mch_regs);
    return rc;
}

static void mch_reset(struct device *d, enum reset_kind kind)
{
    struct pci_mch *m = container_of(d, struct pci_mch, pci.dev);
    pci_function_reset(&m->pci);
    ecam_update(m);
}

static int mch_post_load(struct device *d, struct err *e)
{
    struct pci_mch *m = container_of(d, struct pci_mch, pci.dev);
    int rc = pci_function_post_load(&m->pci, e);
    ecam_update(m);
    return rc;
}

static void mch_fini(struct device *d)
{
    struct pci_mch *m = container_of(d, struct pci_mch, pci.dev);
    if (m->ecam_mapped)
        bus_unmap(m->bus->mmio, &m->host->dev, PCI_HOST_ECAM);
    pci_function_fini(&m->pci);
}

static const struct state_desc mch_state[] = {PCI_FUNCTION_STATE, STATE_END};

const struct device_type pci_mch_type = {
    .name = "q35-mch",
    .description = "host bridge (8086:29c0)",
    .size = sizeof(struct pci_mch),
    .regs = mch_regs,
    .state = mch_state,
    .init = mch_init,
    .reset = mch_reset,
    .post_load = mch_post_load,
    .fini = mch_fini,
};
