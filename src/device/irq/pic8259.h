/* SPDX-License-Identifier: BSD-2-Clause */
/* The PC's pair of 8259A interrupt controllers, cascaded through IR2 of the first, with the
 * edge/level registers (ELCR) of the south bridge. */
#ifndef DEVICE_IRQ_PIC8259_H
#define DEVICE_IRQ_PIC8259_H

#include "vm/device.h"

enum { PIC_MASTER, PIC_SLAVE, PIC_ELCR }; /* regions: ports 20-21, a0-a1, 4d0-4d1 */

struct pic_chip {
    u8 irr, isr, imr;
    u8 lines; /* inputs as they are now */
    u8 elcr;  /* inputs that are level-triggered */
    u8 vector_base;
    u8 lowest;   /* input of lowest priority */
    u8 icw_step; /* next initialisation word expected at the odd port; 0: initialised */
    bool icw4_needed, single;
    bool auto_eoi, rotate_auto_eoi, special_mask, special_nested;
    bool read_isr, poll;
};

struct pic8259 {
    struct device dev;
    struct irq_line intr; /* handed in before init: the processor's INTR */
    struct pic_chip chip[2];
};

extern const struct device_type pic8259_type;

/* Input n (0-15) changed; usable as irq_line.set with the device as ctx. Any thread. */
void pic8259_set_irq(void *pic, unsigned n, bool level);
/* The processor's interrupt-acknowledge cycle: the vector, or -1 when INTR is low. */
int pic8259_acknowledge(void *pic);

#endif
