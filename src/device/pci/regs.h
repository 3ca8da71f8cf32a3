/* SPDX-License-Identifier: BSD-2-Clause */
/* Configuration space of a PCI function: offsets and bits [PCI3.0 6.1]. */
#ifndef DEVICE_PCI_REGS_H
#define DEVICE_PCI_REGS_H

enum {
    PCI_VENDOR_ID = 0x00,
    PCI_DEVICE_ID = 0x02,
    PCI_COMMAND = 0x04,
    PCI_STATUS = 0x06,
    PCI_REVISION = 0x08,
    PCI_CLASS = 0x09, /* three bytes: interface, sub-class, class */
    PCI_CACHE_LINE = 0x0c,
    PCI_LATENCY = 0x0d,
    PCI_HEADER_TYPE = 0x0e,
    PCI_BAR0 = 0x10,
    PCI_SUBSYSTEM_VENDOR = 0x2c,
    PCI_SUBSYSTEM = 0x2e,
    PCI_CAPABILITIES = 0x34,
    PCI_INTERRUPT_LINE = 0x3c,
    PCI_INTERRUPT_PIN = 0x3d,
    PCI_HEADER_END = 0x40,

    PCI_CONFIG_SIZE = 256,
    PCI_BARS = 6,
};

enum {
    PCI_COMMAND_IO = 1 << 0,
    PCI_COMMAND_MEMORY = 1 << 1,
    PCI_COMMAND_MASTER = 1 << 2,
    PCI_COMMAND_PARITY = 1 << 6,
    PCI_COMMAND_SERR = 1 << 8,
    PCI_COMMAND_INTX_OFF = 1 << 10,

    PCI_STATUS_INTX = 1 << 3,
    PCI_STATUS_CAPABILITIES = 1 << 4,

    PCI_BAR_IO = 1 << 0,
    PCI_BAR_64 = 2 << 1,
    PCI_BAR_PREFETCH = 1 << 3,
};

enum {
    PCI_CAP_VENDOR = 0x09,
    PCI_CAP_MSIX = 0x11,

    /* MSI-X capability, relative to its start [PCI3.0 6.8.2] */
    PCI_MSIX_CONTROL = 2,
    PCI_MSIX_TABLE = 4,
    PCI_MSIX_PBA = 8,
    PCI_MSIX_CAP_SIZE = 12,
    PCI_MSIX_ENABLE = 1 << 15,
    PCI_MSIX_MASK_ALL = 1 << 14,
    PCI_MSIX_ENTRY_SIZE = 16,
    PCI_MSIX_ENTRY_MASKED = 1 << 0,
};

#endif
