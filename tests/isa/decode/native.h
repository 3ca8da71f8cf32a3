/* SPDX-License-Identifier: BSD-2-Clause */
/* What this host's processor makes of an encoding: executed in a child at the end of a page. */
#ifndef TESTS_ISA_DECODE_NATIVE_H
#define TESTS_ISA_DECODE_NATIVE_H

#include "isa/x86/insn.h"

struct native {
    bool undefined;               /* #UD */
    bool more;                    /* the fetch went past the last byte */
    unsigned len;                 /* bytes fetched before it ran or faulted */
    int signal, trap;             /* how it ended: SIGTRAP after one step, or what it raised */
    unsigned long error, address; /* of the fault, minus the data page's end */
    unsigned long rip;            /* relative to the instruction, valid with SIGTRAP */
};

/* Runs code[0..n) in this code size with every general register pointing at the last two bytes of
 * a data page that is followed by an unmapped one. 0 or -1 when the host can't. */
int native_once(struct native *r, const u8 *code, unsigned n, enum x86_mode mode);
/* As above with as few of the n bytes as it takes. */
int native_run(struct native *r, const u8 *code, unsigned n, enum x86_mode mode);

#endif
