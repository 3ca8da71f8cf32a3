/* SPDX-License-Identifier: BSD-2-Clause */
/* The 8254 in all modes while time passes. */
#include "device_fuzz.h"

#include "device/timer/pit8254.h"

static void plug(struct device_fuzz *f, struct device *d)
{
    struct pit8254 *p = container_of(d, struct pit8254, dev);
    p->irq = fake_line(&f->lines, 0);
    p->clock = &f->clock.clock;
}

static void event(struct device *d, u8 n, u8 v)
{
    (void)n;
    pit8254_disable_irq(container_of(d, struct pit8254, dev), v & 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct device_fuzz f = {
        .type = &pit8254_type,
        .region_size = {4, 1},
        .plug = plug,
        .event = event,
    };
    return device_fuzz_run(&f, data, size);
}
