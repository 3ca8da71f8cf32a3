/* SPDX-License-Identifier: BSD-2-Clause */
/* RAM around the PC's holes, and the map of it that the guest is told. */
#include "machine/boot/boot.h"
#include "machine/machine_priv.h"
#include "machine/pc_map.h"

#include <errno.h>

u64 memory_map_low(u64 size)
{
    return MIN(size, (u64)PC_LOW_RAM_END);
}

u64 memory_map_high(u64 size)
{
    return size - memory_map_low(size);
}

int memory_map_add(struct machine *m, u64 size, struct err *e)
{
    u64 low = memory_map_low(size), high = memory_map_high(size);
    u64 reach = (u64)1 << MIN(m->vm->model.physical_bits, 39);
    if (size < 2 * MiB)
        return err_set(e, -EINVAL, "making a machine of %llu KiB: a PC has at least 2 MiB",
                       (unsigned long long)(size / KiB));
    if (high && high > reach - PC_RAM_ABOVE_4G) {
        err_set(e, -E2BIG, "making a machine of %llu MiB: its processors reach %llu MiB",
                (unsigned long long)(size / MiB), (unsigned long long)(reach / MiB));
        err_hint(e, "choose a smaller --memory");
        return -E2BIG;
    }
    struct guest_memory *g = m->vm->memory;
    int r = guest_memory_add(g, "conventional", 0, PC_CONVENTIONAL_END, false, e);
    if (!r)
        r = guest_memory_add(g, "tables", PC_TABLES, PC_TABLES_SIZE, false, e);
    if (!r)
        r = guest_memory_add(g, "low", PC_HIGH_BASE, low - PC_HIGH_BASE, false, e);
    if (!r && high)
        r = guest_memory_add(g, "high", PC_RAM_ABOVE_4G, high, false, e);
    return r;
}

unsigned memory_map_e820(u64 size, struct e820_entry *out)
{
    u64 low = memory_map_low(size), high = memory_map_high(size);
    unsigned n = 0;
    out[n++] = (struct e820_entry){0, PC_EBDA, E820_RAM};
    out[n++] = (struct e820_entry){PC_EBDA, PC_CONVENTIONAL_END - PC_EBDA, E820_RESERVED};
    out[n++] = (struct e820_entry){PC_TABLES, PC_TABLES_SIZE, E820_RESERVED};
    out[n++] = (struct e820_entry){PC_HIGH_BASE, low - PC_HIGH_BASE, E820_RAM};
    out[n++] = (struct e820_entry){PC_ECAM, PC_ECAM_SIZE, E820_RESERVED};
    if (high)
        out[n++] = (struct e820_entry){PC_RAM_ABOVE_4G, high, E820_RAM};
    return n;
}
