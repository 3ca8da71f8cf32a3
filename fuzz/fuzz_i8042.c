/* SPDX-License-Identifier: BSD-2-Clause */
/* The keyboard controller and its keyboard. */
#include "device_fuzz.h"

#include "device/misc/i8042.h"

static void plug(struct device_fuzz *f, struct device *d)
{
    container_of(d, struct i8042, dev)->irq = fake_line(&f->lines, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct device_fuzz f = {
        .type = &i8042_type,
        .region_size = {1, 1},
        .plug = plug,
    };
    return device_fuzz_run(&f, data, size);
}
