/* SPDX-License-Identifier: BSD-2-Clause */
/* ACPI fixed hardware as in the ICH9: PM1a event and control blocks, the 3.579545 MHz power
 * management timer, general-purpose event block 0, and the interrupt they share (SCI).
 * The machine is always in ACPI mode: there is no SMI command port to leave it with. */
#ifndef DEVICE_TIMER_ACPI_PM_H
#define DEVICE_TIMER_ACPI_PM_H

#include "vm/device.h"

enum {
    ACPI_PM_SIZE = 0x80,
    /* Offsets for the FADT. */
    ACPI_PM1_EVENT = 0x00,
    ACPI_PM1_CONTROL = 0x04,
    ACPI_PM_TIMER = 0x08,
    ACPI_PM_GPE0 = 0x20,
    ACPI_PM_GPE0_SIZE = 16,
    ACPI_PM_SLP_S5 = 7, /* SLP_TYP of soft off: the \_S5 object must say so [ICH9 13.8.3.3] */
    ACPI_PM_HZ = 3579545,
};

struct acpi_pm {
    struct device dev;
    /* Handed in before init. */
    struct irq_line sci;
    struct clock *clock;
    void (*power_off)(void *ctx);
    void *power_ctx;
    bool timer_32; /* option: the timer has 32 bits instead of 24 (FADT TMR_VAL_EXT) */

    u16 status, enable, control;
    u64 gpe_status, gpe_enable, gpe_lines;
    u64 carry_tick; /* tick of the last seen change of the timer's top bit */
    struct vtimer timer;
};

extern const struct device_type acpi_pm_type;

/* The power button was pressed. Any thread. */
void acpi_pm_press_power(struct acpi_pm *p);
/* General-purpose event n (0-63) became active or inactive; its status bit stays until the guest
 * clears it. Usable as irq_line.set. Any thread. */
void acpi_pm_set_gpe(void *pm, unsigned n, bool level);

#endif
