/* SPDX-License-Identifier: BSD-2-Clause */
/* The host's own entropy source. */
#ifndef HOST_ENTROPY_H
#define HOST_ENTROPY_H

#include "host/entropy_if.h"

extern struct entropy entropy_host;

#endif
