/* SPDX-License-Identifier: BSD-2-Clause */
/* Guest RAM, populated lazily. */
#ifndef HOST_RAM_H
#define HOST_RAM_H

#include "base/err.h"
#include "base/types.h"

/* Zeroed mapping of size bytes (page-aligned); -ENOMEM when the host has not that much. *fd: of the
 * memory file that back-ends in other processes can map, or -1 when there is none, because such
 * files have no huge pages here. */
int host_ram_allocate(const char *name, u64 size, u8 **host, int *fd, struct err *e);
void host_ram_release(u8 *host, u64 size, int fd);

#endif
