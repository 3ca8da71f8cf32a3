/* SPDX-License-Identifier: BSD-2-Clause */
/* The PC's real-time clock (MC146818) and its battery-backed memory: two banks of 128 bytes behind
 * ports 70-71 and 72-73. The time is the clock's wall time plus what the guest made of it. */
#ifndef DEVICE_TIMER_RTC_CMOS_H
#define DEVICE_TIMER_RTC_CMOS_H

#include "vm/device.h"

enum { CMOS_BANK = 128, CMOS_CENTURY = 0x32 };

struct rtc_cmos {
    struct device dev;
    struct irq_line irq; /* handed in before init: IRQ 8 */
    struct clock *clock;

    u8 index, index_high;
    u8 ram[2 * CMOS_BANK]; /* the time registers hold the time only while the clock is stopped */
    i64 offset_seconds;    /* guest time minus wall time */
    i64 checked_second;    /* guest second up to which updates and alarms have been looked at */
    u64 periodic_next_ns;  /* virtual time of the next periodic flag; 0: off */
    bool irq_disabled;     /* HPET's legacy replacement route took IRQ 8 */
    struct vtimer timer;
};

extern const struct device_type rtc_cmos_type;

/* Memory contents that firmware expects from the machine; not for the clock's registers 0-0Dh. */
void rtc_cmos_set(struct rtc_cmos *r, u8 index, u8 value);
/* Cuts the clock off from its line [HPET 2.3.5]. Any thread. */
void rtc_cmos_disable_irq(void *rtc, bool disabled);

#endif
