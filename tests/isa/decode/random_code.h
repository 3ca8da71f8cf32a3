/* SPDX-License-Identifier: BSD-2-Clause */
/* Random encodings that reach deep into the opcode maps more often than uniform bytes do. */
#ifndef TESTS_ISA_DECODE_RANDOM_CODE_H
#define TESTS_ISA_DECODE_RANDOM_CODE_H

#include "base/types.h"

void random_code_seed(u64 seed);
/* Prefixes, an opcode of a random map, plausible VEX and EVEX payloads, then noise. */
void random_code(u8 code[16]);

#endif
