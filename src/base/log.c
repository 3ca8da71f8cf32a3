/* SPDX-License-Identifier: BSD-2-Clause */
/* The log's threshold and sink. */
#include "base/log.h"

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
