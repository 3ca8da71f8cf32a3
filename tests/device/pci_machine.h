/* SPDX-License-Identifier: BSD-2-Clause */
/* The world of a PCI device in a test: RAM, buses, the host bridge, and recorders for interrupts.
 * RAM is two blocks that touch, so that ranges across them are no single piece. */
#ifndef TESTS_DEVICE_PCI_MACHINE_H
#define TESTS_DEVICE_PCI_MACHINE_H

#include "device/pci/pci.h"

enum {
    TEST_RAM_BASE = 0x100000,
    TEST_RAM_SIZE = 0x100000,
    TEST_RAM_SEAM = 0x180000,
    TEST_MSI_MAX = 64,
};

struct pci_machine {
    struct dma dma;
    u8 ram[TEST_RAM_SIZE];
    u64 dma_written_bytes;
    struct bus *pio, *mmio;
    struct pci_bus bus;
    struct pci_host *host;
    struct pci_mch *mch;
    struct pci_lpc *lpc;
    bool pirq[PCI_PIRQS];
    bool isa[16];
    u32 msi_data[TEST_MSI_MAX]; /* the latest at the end */
    unsigned msi_count;
    unsigned resets;
};

struct pci_machine *pci_machine_create(void);
void pci_machine_destroy(struct pci_machine *m);
void pci_machine_assign(struct pci_machine *m);

u8 *test_ram(struct pci_machine *m, u64 addr);

enum io_result test_mmio(struct pci_machine *m, u64 addr, unsigned size, bool write, u64 *value);
u64 test_mmio_read(struct pci_machine *m, u64 addr, unsigned size);
void test_mmio_write(struct pci_machine *m, u64 addr, unsigned size, u64 value);
u64 test_port_read(struct pci_machine *m, u16 port, unsigned size);
void test_port_write(struct pci_machine *m, u16 port, unsigned size, u64 value);
/* By mechanism 1. */
u32 test_config_read(struct pci_machine *m, u8 devfn, unsigned reg, unsigned size);
void test_config_write(struct pci_machine *m, u8 devfn, unsigned reg, unsigned size, u32 value);

#endif
