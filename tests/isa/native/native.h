/* SPDX-License-Identifier: BSD-2-Clause */
/* Differential testing against the processor we run on: one instruction runs natively, in this
 * process, and in the engine, from the same registers, flags, memory and vector state, and
 * everything that the architecture defines must come out the same.
 *
 * 64-bit code is jumped to, 32-bit code is reached by a far jump to the compatibility segment,
 * 16-bit code through segments made by modify_ldt(2). Code, data and stack lie below 4 GiB at fixed
 * addresses, so that pointers mean the same natively and in the engine. */
#ifndef TESTS_ISA_NATIVE_NATIVE_H
#define TESTS_ISA_NATIVE_NATIVE_H

#include "base/bits.h"
#include "isa/x86/exec/exec.h"

/* The address space of a case. What is not named is unmapped natively and in the engine. */
#define NATIVE_CODE      ((u64)0x10000000) /* 64 KiB that cannot be written, see NATIVE_IP */
#define NATIVE_CODE_SIZE ((u64)0x10000)
#define NATIVE_IP        ((u64)0x1000)     /* where in it the instruction is */
#define NATIVE_EXIT      ((u64)0x10)       /* and where code goes when it is done */
#define NATIVE_DATA      ((u64)0x20000000) /* 64 KiB, the data segment of 16-bit code, GS's base */
#define NATIVE_DATA_SIZE ((u64)0x10000)
#define NATIVE_READ_ONLY (NATIVE_DATA + NATIVE_DATA_SIZE) /* one page that cannot be written */

enum { NATIVE_NO_VECTOR = 0xff };

struct native_regs {
    u64 gpr[X86_GPR_COUNT];
    u64 rip; /* offset in the code segment */
    u64 rflags;
};

struct native_case {
    struct x86_insn insn;
    u8 mode; /* enum x86_mode */
    u8 code[16];
    bool vector;      /* vector and x87 state takes part */
    bool interrupted; /* the engine is asked to stop after each iteration of a string instruction */
    struct native_regs regs;
    alignas(64) u8 xsave[X86_XSAVE_SIZE]; /* standard format, when vector */
};

struct native_result {
    struct native_regs regs;
    u8 vector; /* exception, or NATIVE_NO_VECTOR */
    u32 error;
    u64 address; /* of a page fault */
    bool skip;   /* the engine cannot say what comes next: the case is not run natively */
    alignas(64) u8 xsave[X86_XSAVE_SIZE];
};

/* --- host.c: the processor --- */

/* Maps the address space and catches signals; 0, or -1 when the host does not let us. */
int native_host_init(void);
bool native_host_has(enum x86_mode mode);
/* Features that this process may use, as XCR0. */
u64 native_host_xcr0(void);
u16 native_host_code_selector(enum x86_mode mode);
u16 native_host_data_selector(enum x86_mode mode);
/* Puts the instruction in its place. */
void native_host_write_code(const struct native_case *c);
void native_host_run(const struct native_case *c, struct native_result *r);
/* Called from a watchdog when a case does not come back: prints what was running. */
extern void (*native_host_stuck)(void);

/* --- engine.c: our engine in a world of the same shape --- */

void native_engine_init(void);
struct x86_cpu *native_engine_cpu(void);
/* Its copy of [NATIVE_DATA, +NATIVE_DATA_SIZE + 4096). */
u8 *native_engine_data(void);
void native_engine_run(const struct native_case *c, struct native_result *r);

/* --- random.c --- */

struct native_random {
    u64 state;
};
u64 native_random_next(struct native_random *r);
static inline u64 native_random_below(struct native_random *r, u64 n)
{
    return native_random_next(r) % n;
}
static inline bool native_random_chance(struct native_random *r, unsigned percent)
{
    return native_random_below(r, 100) < percent;
}
/* Numbers at which arithmetic turns over, small numbers, pointers, and noise. */
u64 native_random_value(struct native_random *r);

/* --- generate.c: instructions and states for a form --- */

/* Finds encodings of every form in the mode by asking the decoder. */
void native_generate_init(enum x86_mode mode);
/* True when the form has an encoding in this mode. */
bool native_generate_has(enum x86_mode mode, unsigned form);
/* Fills everything in c but c->vector and c->xsave; false when this try gave another form. */
bool native_generate(struct native_case *c, struct native_random *r, enum x86_mode mode,
                     unsigned form);

/* Decodes 15 bytes as this host's vendor does. */
int native_decode(struct x86_insn *insn, const u8 *code, enum x86_mode mode);

/* --- aim.c: registers and flags for c->insn, displacements too where no register helps --- */

void native_aim(struct native_case *c, struct native_random *r);

/* --- vector.c: vector and x87 state --- */

void native_vector_random(struct native_case *c, struct native_random *r);
/* Name of the first component that differs, or NULL. */
const char *native_vector_differ(const struct native_case *c, const u8 *native, const u8 *engine);

/* --- suite.c --- */

/* Instructions that cannot be compared, and why. */
struct native_exclusion {
    u16 op;
    const char *reason;
};

struct native_suite {
    const char *name;
    /* Forms that the suite is about. */
    bool (*wants)(unsigned form);
    const struct native_exclusion *exclusions;
    size_t exclusion_count;
    bool vector;
};
/* Arguments: --cases N --seed N --mode 16|32|64 --op NAME. Prints seed, coverage by forms, what was
 * left out and every difference. Exit status of the test: 0, 1, or 77 when nothing can run here. */
int native_suite_main(const struct native_suite *s, int argc, char **argv);

#endif
