/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of the exit counters. */
#include "vm/stats.h"

const char *const exit_reason_name[EXIT_REASON_COUNT] = {
#define X(id, text) [EXIT_##id] = text,
    VM_EXIT_REASONS(X)
#undef X
};
