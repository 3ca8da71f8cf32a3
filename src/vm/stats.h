/* SPDX-License-Identifier: BSD-2-Clause */
/* Exit counters: the same table explains every engine. One row per reason; each vCPU counts its
 * own, so counting takes no lock. */
#ifndef VM_STATS_H
#define VM_STATS_H

#include "base/types.h"

/* clang-format cannot settle on a layout of this list. */
/* clang-format off */
#define VM_EXIT_REASONS(X)                                                                         \
    X(PORT_IN, "port in") X(PORT_OUT, "port out")                                                  \
    X(MMIO_READ, "mmio read") X(MMIO_WRITE, "mmio write")                                          \
    X(MSR_READ, "msr read") X(MSR_WRITE, "msr write") X(CPUID, "cpuid")                            \
    X(HYPERCALL, "hypercall") X(HALT, "halt") X(INTERRUPT, "interrupt taken")                      \
    X(INTERRUPT_WINDOW, "interrupt window") X(EOI, "end of interrupt") X(KICK, "kick")             \
    X(UNCLAIMED_PORT, "unclaimed port") X(UNCLAIMED_MMIO, "unclaimed mmio")                        \
    X(UNKNOWN_MSR, "unknown msr") X(EMULATION_FALLBACK, "instruction finished by exec")            \
    X(SHUTDOWN, "shutdown") X(OTHER, "other")
/* clang-format on */

enum exit_reason {
#define X(id, text) EXIT_##id,
    VM_EXIT_REASONS(X)
#undef X
        EXIT_REASON_COUNT
};
extern const char *const exit_reason_name[EXIT_REASON_COUNT];

struct exit_counters {
    u64 count[EXIT_REASON_COUNT];
    u64 ns[EXIT_REASON_COUNT]; /* time in the monitor, when timing is on */
    u64 instructions;          /* retired, where the engine knows */
};

#endif
