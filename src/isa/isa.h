/* SPDX-License-Identifier: BSD-2-Clause */
/* What vm/ needs to know of an architecture: the canonical state as an opaque block, a page walk
 * for debuggers and monitors, and a description of instructions. */
#ifndef ISA_ISA_H
#define ISA_ISA_H

#include "base/types.h"

struct isa_ops {
    const char *name;  /* "x86" */
    size_t state_size; /* of the canonical state */
    u64 (*pc)(const void *state);
    /* One line of text for the instruction in code[0..n) at pc; returns its length in bytes, 0 if
     * it is none. */
    unsigned (*describe)(const void *state, u64 pc, const u8 *code, unsigned n, char *text,
                         size_t size);
    /* Several lines with the registers. */
    size_t (*dump)(const void *state, char *text, size_t size);
};
extern const struct isa_ops isa_x86;

#endif
