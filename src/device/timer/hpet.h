/* SPDX-License-Identifier: BSD-2-Clause */
/* High precision event timer: a 64-bit counter at 100 MHz and three comparators, the first of them
 * periodic; interrupts by I/O APIC inputs, by the legacy routes of PIT and RTC, or as messages. */
#ifndef DEVICE_TIMER_HPET_H
#define DEVICE_TIMER_HPET_H

#include "vm/device.h"

enum { HPET_TIMERS = 3, HPET_ROUTES = 24, HPET_SIZE = 0x400, HPET_PERIOD_NS = 10 };

struct hpet_timer {
    u64 config, comparator, period;
    u64 fsb;    /* message: data in the low half, address in the high one */
    u64 due_ns; /* virtual time of the next match; 0: none within reach */
    struct vtimer timer;
    struct hpet *hpet;
};

struct hpet {
    struct device dev;
    /* Handed in before init. */
    struct irq_line route[HPET_ROUTES]; /* to the I/O APIC; those without set are not offered */
    struct irq_line legacy[2];          /* in place of the PIT and of the RTC */
    void (*legacy_changed)(void *ctx, bool on); /* cut PIT and RTC off; may take their locks */
    void *legacy_ctx;
    struct msi_sink msi;
    struct clock *clock;

    u64 config, status;
    u64 counter; /* while halted */
    u64 base_ns; /* virtual time at which a running counter would have been 0 */
    struct hpet_timer timer[HPET_TIMERS];
};

extern const struct device_type hpet_type;

/* The ACPI table's hardware ID is the low half of the capabilities register. */
u32 hpet_hardware_id(void);

#endif
