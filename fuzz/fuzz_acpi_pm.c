/* SPDX-License-Identifier: BSD-2-Clause */
/* ACPI registers with buttons and events. */
#include "device_fuzz.h"

#include "device/timer/acpi_pm.h"

static void plug(struct device_fuzz *f, struct device *d)
{
    struct acpi_pm *p = container_of(d, struct acpi_pm, dev);
    p->sci = fake_line(&f->lines, 9);
    p->clock = &f->clock.clock;
}

static void event(struct device *d, u8 n, u8 v)
{
    struct acpi_pm *p = container_of(d, struct acpi_pm, dev);
    if (v & 2)
        acpi_pm_press_power(p);
    else
        acpi_pm_set_gpe(p, n, v & 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct device_fuzz f = {
        .type = &acpi_pm_type,
        .region_size = {ACPI_PM_SIZE},
        .plug = plug,
        .event = event,
    };
    return device_fuzz_run(&f, data, size);
}
