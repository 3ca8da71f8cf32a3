/* SPDX-License-Identifier: BSD-2-Clause */
/* The second processor of a test guest. */
#ifndef TESTS_GUEST_SMP_H
#define TESTS_GUEST_SMP_H

#include "guest.h"

/* What it runs, in long mode with its local APIC enabled; the guest has it. */
void ap_main(void);
/* Starts it; ends the guest with a skip where there is none. */
void ap_begin(void);
/* Writes the low word of the interrupt command register with it as the destination. */
void ap_send(u32 command);

#endif
