/* SPDX-License-Identifier: BSD-2-Clause */
/* The log's threshold, sink and rate limit. */
#include "base/log.h"

#include "base/os.h"
#include "base/str.h"

enum log_level log_threshold = LOG_WARN;
static log_sink_fn log_sink;

void log_set_sink(log_sink_fn sink)
{
    __atomic_store_n(&log_sink, sink, __ATOMIC_RELEASE);
}

void log_write(enum log_level level, const char *area, const char *fmt, ...)
{
    log_sink_fn sink = __atomic_load_n(&log_sink, __ATOMIC_ACQUIRE);
    if (!sink)
        return;
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    str_vformat(text, sizeof text, fmt, ap);
    va_end(ap);
    sink(level, area, text);
}

bool log_limit_pass(struct log_limit *l, u32 burst)
{
    /* Racing threads may let a message more or less through: it is a limit, not an account. */
    u64 second = os_clock_ns() / 1000000000u;
    if (__atomic_exchange_n(&l->second, second, __ATOMIC_RELAXED) != second)
        __atomic_store_n(&l->count, 0, __ATOMIC_RELAXED);
    return __atomic_fetch_add(&l->count, 1, __ATOMIC_RELAXED) < burst;
}
