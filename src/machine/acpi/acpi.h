/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine's ACPI tables. */
#ifndef MACHINE_ACPI_ACPI_H
#define MACHINE_ACPI_ACPI_H

#include "base/err.h"
#include "base/types.h"

enum { ACPI_SIZE = 0x10000 };

struct acpi_config {
    const u32 *apic_id; /* of each processor */
    unsigned cpus;
    bool uart[4];
    bool keyboard; /* an i8042 answers at port 60h */
    bool mouse;    /* and has an auxiliary port */
    bool hpet;
    u32 hpet_id; /* low half of its capability register */
    bool pm_timer_32;
    bool pci64; /* the window above 4 GiB is reachable */
};

/* Writes the tables for guest address PC_TABLES into out, ACPI_SIZE zeroed bytes; the RSDP
 * comes first. -ENOSPC when they do not fit. */
int acpi_build(u8 *out, const struct acpi_config *c, struct err *e) must_check;

#endif
