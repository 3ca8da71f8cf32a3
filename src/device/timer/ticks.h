/* SPDX-License-Identifier: BSD-2-Clause */
/* Counting at a fixed frequency from virtual nanoseconds: no counter is ever stepped, each is
 * computed from the clock when somebody looks. */
#ifndef DEVICE_TIMER_TICKS_H
#define DEVICE_TIMER_TICKS_H

#include "base/types.h"

enum { NS_PER_SECOND = 1000000000 };

/* Whole ticks of hz in ns. */
static inline u64 ticks_at(u64 ns, u32 hz)
{
    return (u64)((u128)ns * hz / NS_PER_SECOND);
}

/* The first nanosecond at which `ticks` have passed; saturates. */
static inline u64 ticks_to_ns(u64 ticks, u32 hz)
{
    u128 ns = ((u128)ticks * NS_PER_SECOND + hz - 1) / hz;
    return ns > UINT64_MAX ? UINT64_MAX : (u64)ns;
}

/* A guest can program periods far below what it can handle; the host's event thread is woken no
 * more often than this, and interrupts in between are one interrupt. */
enum { TIMER_MIN_WAKE_NS = 50000 };

#endif
