/* SPDX-License-Identifier: BSD-2-Clause */
/* The log's rate limit: apart from the log itself since it needs a clock. */
#include "base/log.h"

#include "base/os.h"

bool log_limit_pass(struct log_limit *l, u32 burst)
{
    /* Racing threads may let a message more or less through: it is a limit, not an account. */
    u64 second = os_clock_ns() / 1000000000u;
    if (__atomic_exchange_n(&l->second, second, __ATOMIC_RELAXED) != second)
        __atomic_store_n(&l->count, 0, __ATOMIC_RELAXED);
    return __atomic_fetch_add(&l->count, 1, __ATOMIC_RELAXED) < burst;
}
