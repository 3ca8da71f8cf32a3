/* SPDX-License-Identifier: BSD-2-Clause */
/* The 8259A pair with lines that move and a processor that acknowledges. */
#include "device_fuzz.h"

#include "device/irq/pic8259.h"

static void plug(struct device_fuzz *f, struct device *d)
{
    container_of(d, struct pic8259, dev)->intr = fake_line(&f->lines, 0);
}

static void event(struct device *d, u8 n, u8 v)
{
    struct pic8259 *p = container_of(d, struct pic8259, dev);
    if (v & 2)
        (void)pic8259_acknowledge(p);
    else
        pic8259_set_irq(p, n & 31, v & 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct device_fuzz f = {
        .type = &pic8259_type,
        .region_size = {2, 2, 2},
        .plug = plug,
        .event = event,
    };
    return device_fuzz_run(&f, data, size);
}
