/* SPDX-License-Identifier: BSD-2-Clause */
/* Random bytes for the guest from the host's kernel. */
#include "host/entropy.h"

#include "base/os.h"

static int host_fill(struct entropy *s, void *dst, size_t n)
{
    return os_random(dst, n);
}

struct entropy entropy_host = {.fill = host_fill};
