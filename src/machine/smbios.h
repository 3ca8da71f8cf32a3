/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine's SMBIOS tables: what an inventory program shows of it. */
#ifndef MACHINE_SMBIOS_H
#define MACHINE_SMBIOS_H

#include "base/err.h"
#include "base/types.h"

struct smbios_config {
    unsigned cpus;
    u64 memory;     /* bytes */
    u64 low_memory; /* of them below 4 GiB */
};

/* Writes entry point and structures for guest address addr, which must lie in 0xf0000-0xfffff on a
 * 16-byte boundary [SMBIOS3.4 5.2], into out, size zeroed bytes. -ENOSPC when they do not fit. */
int smbios_build(u8 *out, u32 size, u64 addr, const struct smbios_config *c,
                 struct err *e) must_check;

#endif
