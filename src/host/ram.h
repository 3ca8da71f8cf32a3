/* SPDX-License-Identifier: BSD-2-Clause */
/* Guest RAM from memfd: lazily populated, shareable with back-end processes. */
#ifndef HOST_RAM_H
#define HOST_RAM_H

#include "base/err.h"
#include "base/types.h"

/* Zeroed shared mapping of size bytes (page-aligned); -ENOMEM when the host has not that much. */
int host_ram_allocate(const char *name, u64 size, u8 **host, int *fd, struct err *e);
void host_ram_release(u8 *host, u64 size, int fd);

#endif
