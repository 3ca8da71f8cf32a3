/* SPDX-License-Identifier: BSD-2-Clause */
/* The I/O APIC with lines that move and ends of interrupt. */
#include "device_fuzz.h"

#include "device/irq/ioapic.h"

static void plug(struct device_fuzz *f, struct device *d)
{
    container_of(d, struct ioapic, dev)->msi = fake_msi_sink(&f->msi);
}

static void event(struct device *d, u8 n, u8 v)
{
    struct ioapic *io = container_of(d, struct ioapic, dev);
    if (v & 2)
        ioapic_eoi(io, n);
    else
        ioapic_set_irq(io, n & 31, v & 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct device_fuzz f = {
        .type = &ioapic_type,
        .region_size = {IOAPIC_SIZE},
        .plug = plug,
        .event = event,
    };
    return device_fuzz_run(&f, data, size);
}
