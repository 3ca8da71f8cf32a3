/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs one 64-bit vector or x87 instruction on the host itself, on given registers, and tells what
 * it did: the reference the engine is compared with. */
#ifndef TESTS_ISA_VECTOR_NATIVE_H
#define TESTS_ISA_VECTOR_NATIVE_H

#include "base/types.h"

enum { NATIVE_XSAVE_SIZE = 4096 };

struct native_state {
    alignas(64) u8 xsave[NATIVE_XSAVE_SIZE];
    u64 gpr[16];
    u64 rflags;
};

/* 0, or -1 when the host gives no executable memory. mask: the XSAVE components to load, which are
 * all in the first xsave_size bytes. */
int native_init(u64 mask, u32 xsave_size);
/* Where the instruction will be: its rip. */
u64 native_address(void);
/* Runs code[0..len) on *in; *out gets the state after it, or at the fault. Returns -1, or the
 * exception vector it raised. */
int native_run(const u8 *code, unsigned len, const struct native_state *in,
               struct native_state *out);

#endif
