/* SPDX-License-Identifier: BSD-2-Clause */
/* Compares our decoder with Zydis on one instruction and collects the disagreements. */
#ifndef TESTS_ISA_DECODE_COMPARE_ZYDIS_H
#define TESTS_ISA_DECODE_COMPARE_ZYDIS_H

#include "isa/x86/insn.h"

/* Decodes code[0..n) both ways for this code size and counts the result; unexplained differences
 * are kept for compare_report(). Returns the length both agree on, or ours, or 0. */
unsigned compare_one(const u8 *code, unsigned n, enum x86_mode mode, enum x86_vendor vendor);
/* Prints what was compared and each kind of unexplained difference with examples; returns the
 * number of unexplained differences. */
unsigned long compare_report(const char *title);

#endif
