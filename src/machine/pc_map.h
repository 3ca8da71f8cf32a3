/* SPDX-License-Identifier: BSD-2-Clause */
/* The PC's addresses and interrupts: the one place that decides them. Devices are handed theirs,
 * the ACPI tables and the memory map tell the guest the same. */
#ifndef MACHINE_PC_MAP_H
#define MACHINE_PC_MAP_H

#include "base/types.h"

/* Guest physical memory:
 *
 *   0          RAM                      640 KiB
 *   a0000      nothing (a display's window)
 *   e0000      tables made by us        128 KiB, reserved in the memory map
 *   100000     RAM                      up to 3 GiB
 *   c0000000   PCI memory window        512 MiB
 *   e0000000   ECAM                     256 MiB: 256 buses
 *   f0000000   PCI memory window        236 MiB
 *   fec00000   I/O APIC, HPET, local APICs
 *   100000000  RAM                      the rest
 *   4000000000 PCI memory window        64 GiB
 */
#define PC_CONVENTIONAL_END 0xa0000ull
#define PC_EBDA             0x9fc00ull
#define PC_TABLES           0xe0000ull
#define PC_TABLES_SIZE      0x20000ull
#define PC_SMBIOS           0xf0000ull /* where guests look for it; the ACPI tables lie below */
#define PC_SMBIOS_SIZE      0x10000ull
#define PC_HIGH_BASE        0x100000ull
#define PC_LOW_RAM_END      0xc0000000ull
#define PC_PCI32            0xc0000000ull
#define PC_PCI32_SIZE       0x20000000ull
#define PC_ECAM             0xe0000000ull
#define PC_ECAM_SIZE        0x10000000ull
#define PC_PCI32_B          0xf0000000ull
#define PC_PCI32_B_SIZE     0x0ec00000ull
#define PC_IOAPIC           0xfec00000ull
#define PC_HPET             0xfed00000ull
#define PC_LAPIC            0xfee00000ull
#define PC_RAM_ABOVE_4G     0x100000000ull
#define PC_PCI64            0x4000000000ull
#define PC_PCI64_SIZE       0x1000000000ull
enum { PC_PCI64_ADDRESS_BITS = 39 }; /* what a processor needs to reach PC_PCI64 */

/* Ports. */
enum pc_port {
    PC_PORT_PIC1 = 0x20,
    PC_PORT_PIT = 0x40,
    PC_PORT_I8042 = 0x60,
    PC_PORT_61 = 0x61,
    PC_PORT_RTC = 0x70,
    PC_PORT_POST = 0x80,
    PC_PORT_92 = 0x92,
    PC_PORT_PIC2 = 0xa0,
    PC_PORT_EXIT = 0xf4,
    PC_PORT_ELCR = 0x4d0,
    PC_PORT_FW_CFG = 0x510,
    PC_PORT_PM = 0x600,
    PC_PORT_RESET = 0xcf9,
    PC_PORT_PCI_CONFIG = 0xcf8,
    PC_PORT_PCI = 0x1000,
    PC_PORT_PCI_SIZE = 0xf000,
};
static const u16 pc_port_uart[4] = {0x3f8, 0x2f8, 0x3e8, 0x2e8};

/* ISA interrupts, which are I/O APIC inputs of the same number, but for the timer [ACPI6.4
 * 5.2.12.5: the interrupt source override]. */
enum pc_irq {
    PC_IRQ_PIT = 0,
    PC_IRQ_KEYBOARD = 1,
    PC_IRQ_RTC = 8,
    PC_IRQ_SCI = 9,
    PC_IRQ_MOUSE = 12,
    PC_GSI_PIT = 2,
    PC_GSI_PIRQ = 16, /* four PCI lines: 16 to 19 */
    PC_GSI_HPET = 20, /* what is left: HPET timers may choose */
};
static const u8 pc_irq_uart[4] = {4, 3, 4, 3};
/* The same four lines for a guest that uses the PICs. */
static const u8 pc_irq_pirq[4] = {10, 11, 10, 11};

enum { PC_SLOT_VIRTIO = 1, PC_SLOT_LPC = 31 };

#endif
