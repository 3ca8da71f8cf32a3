/* SPDX-License-Identifier: BSD-2-Clause */
/* Diagnostics. Levels below the chosen one cost a load and a branch. The sink is set by the cli;
 * without one, messages are dropped: the core never writes to a terminal by itself. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/types.h"
#include <stdarg.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG, LOG_TRACE };

typedef void (*log_sink_fn)(enum log_level level, const char *area, const char *message);

extern enum log_level log_threshold;
void log_set_sink(log_sink_fn sink);
void log_write(enum log_level level, const char *area, const char *fmt, ...) printf_like(3, 4);

#define log_at(level, area, ...)                                                                   \
    do {                                                                                           \
        if (unlikely((level) <= log_threshold))                                                    \
            log_write((level), (area), __VA_ARGS__);                                               \
    } while (0)
#define log_error(area, ...) log_at(LOG_ERROR, area, __VA_ARGS__)
#define log_warn(area, ...)  log_at(LOG_WARN, area, __VA_ARGS__)
#define log_info(area, ...)  log_at(LOG_INFO, area, __VA_ARGS__)
#define log_debug(area, ...) log_at(LOG_DEBUG, area, __VA_ARGS__)
#define log_trace(area, ...) log_at(LOG_TRACE, area, __VA_ARGS__)

/* For what a guest can provoke at will: writes the first `burst` messages of this call site a
 * second, then counts silently. */
struct log_limit {
    u64 second;
    u32 count;
};
bool log_limit_pass(struct log_limit *l, u32 burst);
#define log_guest(area, ...)                                                                       \
    do {                                                                                           \
        static struct log_limit limit_;                                                            \
        if (unlikely(LOG_DEBUG <= log_threshold) && log_limit_pass(&limit_, 10))                   \
            log_write(LOG_DEBUG, (area), __VA_ARGS__);                                             \
    } while (0)

#endif
