/* SPDX-License-Identifier: BSD-2-Clause */
/* The HPET with comparators anywhere. */
#include "device_fuzz.h"

#include "device/timer/hpet.h"

static void plug(struct device_fuzz *f, struct device *d)
{
    struct hpet *h = container_of(d, struct hpet, dev);
    for (unsigned i = 0; i < HPET_ROUTES; i++)
        h->route[i] = fake_line(&f->lines, i);
    h->legacy[0] = fake_line(&f->lines, 24);
    h->legacy[1] = fake_line(&f->lines, 25);
    h->msi = fake_msi_sink(&f->msi);
    h->clock = &f->clock.clock;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct device_fuzz f = {
        .type = &hpet_type,
        .region_size = {HPET_SIZE},
        .plug = plug,
    };
    return device_fuzz_run(&f, data, size);
}
