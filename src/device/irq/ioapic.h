/* SPDX-License-Identifier: BSD-2-Clause */
/* I/O APIC with 24 inputs: turns lines into interrupt messages by its redirection table.
 *
 * A line here carries "asserted", not a voltage, so the polarity bit of an entry is kept for the
 * guest to read and changes nothing: a table that calls a PCI line active-low and one that calls
 * it active-high both work. */
#ifndef DEVICE_IRQ_IOAPIC_H
#define DEVICE_IRQ_IOAPIC_H

#include "vm/device.h"

enum { IOAPIC_PINS = 24, IOAPIC_SIZE = 0x1000 };

struct ioapic {
    struct device dev;
    /* Handed in before init. */
    struct msi_sink msi;
    /* Optional: told about every change of an entry, for engines whose local APIC must know which
     * vectors end with a broadcast. addr and data are the message the entry sends. */
    void (*route_changed)(void *ctx, unsigned pin, u64 addr, u32 data, bool masked);
    void *route_ctx;

    u8 id;
    u8 select;
    u32 lines; /* asserted inputs */
    u64 entry[IOAPIC_PINS];
};

extern const struct device_type ioapic_type;

/* Input n changed; usable as irq_line.set with the device as ctx. Any thread. */
void ioapic_set_irq(void *ioapic, unsigned n, bool asserted);
/* End-of-interrupt broadcast of a local APIC. Any thread. */
void ioapic_eoi(void *ioapic, u8 vector);

#endif
