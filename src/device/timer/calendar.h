/* SPDX-License-Identifier: BSD-2-Clause */
/* Seconds since 1970 and the Gregorian calendar, without a libc. */
#ifndef DEVICE_TIMER_CALENDAR_H
#define DEVICE_TIMER_CALENDAR_H

#include "base/types.h"

struct calendar {
    i32 year;      /* 1970 ... */
    u8 month, day; /* 1-12, 1-31 */
    u8 hour, minute, second;
    u8 weekday; /* 1 Sunday ... 7, as clock chips count */
};

struct calendar calendar_from_seconds(i64 seconds);
/* Fields out of range carry over, as a clock that was set to nonsense does sooner or later. */
i64 calendar_to_seconds(const struct calendar *c);

#endif
