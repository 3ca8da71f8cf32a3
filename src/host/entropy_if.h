/* SPDX-License-Identifier: BSD-2-Clause */
/* Where random bytes for the guest come from. */
#ifndef HOST_ENTROPY_IF_H
#define HOST_ENTROPY_IF_H

#include "base/types.h"

struct entropy {
    /* 0 or -errno; never blocks for long. */
    int (*fill)(struct entropy *, void *dst, size_t n);
    void *ctx;
};

#endif
