/* SPDX-License-Identifier: BSD-2-Clause */
/* The inside of a machine, shared by the files of this folder. */
#ifndef MACHINE_MACHINE_PRIV_H
#define MACHINE_MACHINE_PRIV_H

#include "device/irq/ioapic.h"
#include "device/irq/pic8259.h"
#include "device/misc/exit_port.h"
#include "device/misc/i8042.h"
#include "device/misc/post_port.h"
#include "device/misc/reset_port.h"
#include "device/pci/pci.h"
#include "device/serial/uart16550.h"
#include "device/timer/acpi_pm.h"
#include "device/timer/hpet.h"
#include "device/timer/pit8254.h"
#include "device/timer/rtc_cmos.h"
#include "machine/machine.h"

enum { PC_DEVICES_MAX = 96 };

/* An ISA interrupt that several devices drive: asserted while any of them asserts it. */
struct shared_line {
    struct os_mutex lock;
    struct irq_line out;
    u32 asserted; /* a bit a device */
};

struct machine {
    struct vm *vm;
    struct para_kvm *para; /* NULL: none, or the engine's own */
    struct boot_plan *plan;
    u8 *tables;   /* PC_TABLES_SIZE bytes of ACPI and SMBIOS tables for PC_TABLES */
    bool started; /* guest memory is no longer zero */
    char engine_reason[256];

    struct device *device[PC_DEVICES_MAX]; /* in the order of creation */
    unsigned device_count;
    struct pic8259 *pic;
    struct ioapic *ioapic;
    struct pit8254 *pit;
    struct rtc_cmos *rtc;
    struct hpet *hpet;
    struct acpi_pm *pm;
    struct uart16550 *uart[MACHINE_SERIALS];
    struct pci_bus pci;
    struct pci_host *pci_host;
    struct pci_mch *mch;
    struct pci_lpc *lpc;
    unsigned next_slot; /* for virtio functions */
    struct shared_line serial_line[2];
    struct block_backend *block[MACHINE_DISKS];
    unsigned blocks;
};

/* memory_map.c */
struct e820_entry;
int memory_map_add(struct machine *m, u64 size, struct err *e) must_check;
unsigned memory_map_e820(u64 size, struct e820_entry *out);
/* RAM below and above 4 GiB of a machine of size bytes. */
u64 memory_map_low(u64 size);
u64 memory_map_high(u64 size);

/* pc.c: makes the devices, maps and wires them; pc_destroy undoes it, also half-way. */
int pc_create(struct machine *m, const struct machine_config *c, struct err *e) must_check;
void pc_destroy(struct machine *m);

/* firmware.c */
int firmware_build_tables(struct machine *m, const struct machine_config *c,
                          struct err *e) must_check;
/* Devices, tables, kernel and processors as a guest finds them at its first instruction. */
int firmware_start(struct machine *m, struct err *e) must_check;

#endif
