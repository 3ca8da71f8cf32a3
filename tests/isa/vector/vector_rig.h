/* SPDX-License-Identifier: BSD-2-Clause */
/* A processor with a small paged memory, for tests of vector and x87 instructions. The same linear
 * addresses are mapped natively, so that one instruction runs on both. */
#ifndef TESTS_ISA_VECTOR_RIG_H
#define TESTS_ISA_VECTOR_RIG_H

#include "isa/x86/exec/exec.h"

#define RIG_BASE ((u64)0x60000000)
enum {
    RIG_PAGES = 16,
    RIG_HOLE = 8,  /* not present */
    RIG_MMIO = 12, /* reached through phys_read and phys_write only */
    RIG_SIZE = RIG_PAGES * 4096,
};

extern struct x86_cpu rig_cpu;
extern struct x86_cpu_model rig_model;
/* What the guest sees at RIG_BASE. */
extern u8 *rig_memory;

/* The model is this host's. mode: X86_MODE64 or X86_MODE32 (compatibility mode), CPL 3. */
void rig_init(unsigned mode);
/* Maps the same linear range natively: 0, or -1. */
int rig_map_native(void);
/* Decodes, binds and runs code[0..len) at rip; -1, or the exception vector it raised. -2 when it is
 * not decoded, -3 when no vector handler wants it. */
int rig_run(const u8 *code, unsigned len, u64 rip);
/* The instruction of the last rig_run, or of rig_decode: 0, -2 or -3 as above. */
int rig_decode(const u8 *code, unsigned len);
extern struct x86_insn rig_insn;

/* splitmix64; the seed is printed by the tests. */
extern u64 rig_seed;
u64 rig_random(void);

#endif
