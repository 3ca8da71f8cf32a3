/* SPDX-License-Identifier: BSD-2-Clause */
/* The other processors of a test guest. */
#ifndef TESTS_GUEST_SMP_H
#define TESTS_GUEST_SMP_H

#include "guest.h"

enum { PROCESSORS_MAX = 4 };

/* What each runs, in long mode with its local APIC enabled; the guest has it. */
void ap_main(void);
/* Starts the second one, or all; ends the guest with a skip where there is no second. */
void ap_begin(void);
unsigned ap_begin_all(void); /* how many processors run now */
/* Number of the processor that asks, from 0. */
unsigned processor(void);
/* Writes the low word of the interrupt command register with it of the second processor as the
 * destination. */
void ap_send(u32 command);

#endif
