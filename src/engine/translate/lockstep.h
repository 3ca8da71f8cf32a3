/* SPDX-License-Identifier: BSD-2-Clause */
/* Running interpreter and translation side by side. Every time a translation is to run, the
 * interpreter runs the same block first, with its stores diverted; then the translation runs for
 * real and must come to the same registers, flags and memory. What must happen only once
 * (devices, time, stores into code) splits a block into stretches: the interpreter stops before it,
 * the translation's callout does it, and both go on behind it. Translations are not joined to each
 * other meanwhile. One processor only: another one could store between the two runs. */
#ifndef ENGINE_TRANSLATE_LOCKSTEP_H
#define ENGINE_TRANSLATE_LOCKSTEP_H

#include "engine/translate/translate_priv.h"
#include "isa/x86/exec/store_buffer.h"

enum {
    LOCKSTEP_LINE = 64,
    LOCKSTEP_HASH = 1024,
    LOCKSTEP_WORDS = offsetof(struct x86_state, lapic) / 8, /* what instructions may change */
    LOCKSTEP_FEW = offsetof(struct x86_state, seg) / 8, /* what those that are not sensitive do */
};
_Static_assert(offsetof(struct x86_state, lapic) % 8 == 0 &&
                   offsetof(struct x86_state, seg) % 8 == 0 &&
                   offsetof(struct x86_state, rflags) == offsetof(struct x86_state, seg) - 8,
               "the state is copied and compared in words");

/* A piece of memory that is stored to, as it must be afterwards: a store that is too wide shows. */
struct lockstep_line {
    u64 pa;
    u64 stored; /* a bit for each byte */
    u8 before[LOCKSTEP_LINE], want[LOCKSTEP_LINE], now[LOCKSTEP_LINE];
};

struct lockstep {
    struct translator *t;
    const struct block *block;
    const struct translation *translation;
    u64 rip;        /* of the block */
    unsigned words; /* of struct x86_state that are compared */

    /* The open stretch: from the instruction `first` on; `stop` is what the translation must call
     * out at its end, NULL when it ends the block. */
    bool open;
    unsigned first;
    const struct x86_insn *stop;
    int result;             /* enum x86_result at the block's end */
    struct x86_event fault; /* with X86_EXCEPTION */
    bool foul;              /* something that must happen once was touched */
    bool vectors;           /* the block may use vector state */
    bool left;              /* a callout made the translation leave before its end */
    bool failed;            /* a difference was found: the machine ends */
    struct x86_store_buffer stores;
    struct x86_state before, after, now; /* what is before lapic, and xsave if `vectors` */
    unsigned lines;
    struct lockstep_line line[X86_STORE_MAX];
    u16 hash[LOCKSTEP_HASH]; /* 1 + index in line */

    /* Flags may differ while nothing uses them: the interpreter goes on with its own. */
    u64 flags_rip;
    u32 flags_translated, flags_interpreted;
    u32 undefined, undefined_before; /* flags that the manuals leave undefined: now, at its start */

    /* What was done. */
    u64 compared, unfinished, excused;
};

int lockstep_create(struct translator *t, struct err *e) must_check;
void lockstep_destroy(struct translator *t);
/* Runs tr, b's translation, by run(), and compares; enum x86_result. */
int lockstep_run(struct translator *t, const struct block *b, const struct translation *tr,
                 int (*run)(struct translator *, const struct translation *));
/* Before a callout, behind one that translated code goes on from, and
 * after one with another result (enum x86_result), which leaves. */
void lockstep_before(struct translator *t, const struct x86_insn *i);
void lockstep_behind(struct translator *t, const struct x86_insn *i);
void lockstep_leave(struct translator *t, int r);

/* lockstep_report.c: tells how ls->after differs from the processor's state and from memory. */
void lockstep_report(struct lockstep *ls, int result);
/* True when the registers, results and vector registers agree; flags aside. */
bool lockstep_same(const struct lockstep *ls, int result);
/* The first line of memory that is not as it must be; NULL: none. */
const struct lockstep_line *lockstep_bad_line(const struct lockstep *ls);

#endif
