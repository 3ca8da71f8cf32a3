/* SPDX-License-Identifier: BSD-2-Clause */
/* Intervals of port and memory-mapped addresses, and who answers in them. Look-ups take no lock: a
 * sequence number tells them that the table changed under them. Changes are rare, and serialised by
 * the bus's own lock. */
#ifndef VM_BUS_H
#define VM_BUS_H

#include "vm/device.h"

struct bus;
int bus_create(struct bus **out, const char *name, struct err *e) must_check;
void bus_destroy(struct bus *b);
/* Region `region` of d answers at [base, base+size). -EEXIST names the device that is there. */
int bus_map(struct bus *b, u64 base, u64 size, struct device *d, unsigned region, struct err *e);
/* Removes every interval of that device and region (all regions when region is -1). */
void bus_unmap(struct bus *b, struct device *d, int region);
/* Finds the device and performs the access; IO_UNCLAIMED when nobody is there: then val is all
 * ones for a read. An access that starts inside a region and leaves it is unclaimed. */
enum io_result bus_access(struct bus *b, u64 addr, struct io_access *a);

#endif
