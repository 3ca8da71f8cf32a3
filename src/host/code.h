/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the process has code memory (os_code_create): no system call may come from there. */
#ifndef HOST_CODE_H
#define HOST_CODE_H

#include "base/types.h"

struct code_range {
    u64 start, size;
};
/* Fills at most max; how many there are. */
unsigned code_ranges(struct code_range *out, unsigned max);

#endif
