/* SPDX-License-Identifier: BSD-2-Clause */
/* The real-time clock, set to nonsense and asked for interrupts. */
#include "device_fuzz.h"

#include "device/timer/rtc_cmos.h"

static void plug(struct device_fuzz *f, struct device *d)
{
    struct rtc_cmos *r = container_of(d, struct rtc_cmos, dev);
    r->irq = fake_line(&f->lines, 8);
    r->clock = &f->clock.clock;
}

static void event(struct device *d, u8 n, u8 v)
{
    (void)n;
    rtc_cmos_disable_irq(container_of(d, struct rtc_cmos, dev), v & 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct device_fuzz f = {
        .type = &rtc_cmos_type,
        .region_size = {4},
        .plug = plug,
        .event = event,
    };
    return device_fuzz_run(&f, data, size);
}
