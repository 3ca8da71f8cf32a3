/* SPDX-License-Identifier: BSD-2-Clause */
/* The PC's 8254 timer: three counters at 1.193182 MHz, and port 61h with counter 2's gate, the
 * speaker bit and the refresh toggle. Counter 0's output is IRQ 0. */
#ifndef DEVICE_TIMER_PIT8254_H
#define DEVICE_TIMER_PIT8254_H

#include "vm/device.h"

enum { PIT_HZ = 1193182 };
enum { PIT_COUNTERS, PIT_PORT61 }; /* regions: ports 40-43, 61 */

struct pit_counter {
    u8 mode;   /* 0-5 */
    u8 access; /* 1 low byte, 2 high byte, 3 both */
    bool bcd, gate;
    bool loaded;                    /* a count was written since the control word */
    bool running;                   /* started: at once, or by a gate edge in modes 1 and 5 */
    bool second_read, second_write; /* the high byte of a pair is next */
    u8 write_low;
    u16 reload;      /* count register; 0 counts 65536 (10000 in BCD) */
    u16 next_reload; /* written while modes 2 and 3 run: used from the next period */
    bool has_next;
    u64 start_tick; /* when the count was loaded into the counting element */
    u64 held_ticks; /* ticks counted before the gate went low */
    u16 latch;
    u8 latch_bytes; /* bytes of the latched count still to be read */
    bool status_latched;
    u8 status;
};

struct pit8254 {
    struct device dev;
    struct irq_line irq; /* handed in before init: counter 0's output */
    struct clock *clock;

    struct pit_counter counter[3];
    u8 port61;         /* bits the guest wrote: 0 gate 2, 1 speaker, 2-3 NMI enables */
    bool irq_disabled; /* HPET's legacy replacement route took IRQ 0 */
    u64 next_rise;     /* tick of counter 0's next interrupt; 0: none */
    struct vtimer timer;
};

extern const struct device_type pit8254_type;

/* Cuts counter 0 off from its line [HPET 2.3.5]. Any thread. */
void pit8254_disable_irq(void *pit, bool disabled);

#endif
