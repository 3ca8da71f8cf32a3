/* SPDX-License-Identifier: BSD-2-Clause */
/* Drives a differential test: forms in turn, so that each gets its share of cases; memory evolves
 * from case to case and is compared after each batch. A batch whose memory differs is run again
 * case by case to name the culprit. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "native.h"

enum { BATCH = 32, REPORTS_MAX = 40, FORM_REPORTS_MAX = 2 };
enum { MEMORY = NATIVE_DATA_SIZE + 4096 };

struct run {
    const struct native_suite *suite;
    struct native_random random;
    enum x86_mode only; /* 0: all */
    enum x86_mode modes[3];
    unsigned mode_count;
    const char *op;
    u64 cases, done, skipped, faulted, differences;
    u32 *tested;    /* cases by form */
    u32 *undefined; /* by form: differences in flags that are left undefined */
    u8 *reported;   /* by form */
    struct native_case *batch;
    unsigned batch_count;
    u8 *before; /* memory at the batch's begin */
};

static const struct native_case *running;

/* --- Reports --- */

static void print_case(const struct native_case *c)
{
    char text[160] = "";
    x86_describe(text, sizeof(text), &c->insn, c->regs.rip);
    printf("%s  [", text);
    for (unsigned n = 0; n < c->insn.len; n++)
        printf("%s%02x", n ? " " : "", c->code[n]);
    printf("]  %u-bit, form %u\n",
           c->mode == X86_MODE64   ? 64u
           : c->mode == X86_MODE32 ? 32u
                                   : 16u,
           c->insn.form);
}

static const char *const register_names[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp",
                                             "rsi", "rdi", "r8",  "r9",  "r10", "r11",
                                             "r12", "r13", "r14", "r15"};

static void print_before(const struct native_regs *r, unsigned count)
{
    for (unsigned n = 0; n < count; n++)
        printf("    %-3s %016lx%s", register_names[n], r->gpr[n], n % 4 == 3 ? "\n" : "");
    printf("    rip %016lx    rflags %08lx\n", r->rip, r->rflags);
}

/* What one side came to, as far as the other differs. */
static void print_result(const char *title, const struct native_result *r,
                         const struct native_result *other, unsigned count)
{
    printf("  %s:", title);
    for (unsigned n = 0; n < count; n++) {
        if (r->regs.gpr[n] != other->regs.gpr[n])
            printf(" %s %016lx", register_names[n], r->regs.gpr[n]);
    }
    if (r->regs.rip != other->regs.rip)
        printf(" rip %016lx", r->regs.rip);
    printf(" rflags %08lx", r->regs.rflags);
    if (r->vector != NATIVE_NO_VECTOR)
        printf(", exception %u, error %x, address %lx", r->vector, r->error, r->address);
    printf("\n");
}

static void stuck(void)
{
    printf("STUCK: ");
    if (running)
        print_case(running);
    fflush(stdout);
}

static void report(struct run *run, const struct native_case *c, const char *what,
                   const struct native_result *native, const struct native_result *engine)
{
    unsigned count = c->mode == X86_MODE64 ? 16 : 8;
    run->differences++;
    if (run->reported[c->insn.form]++ >= FORM_REPORTS_MAX || run->differences > REPORTS_MAX)
        return;
    printf("DIFFERS (%s): ", what);
    print_case(c);
    print_before(&c->regs, count);
    print_result("native", native, engine, count);
    print_result("engine", engine, native, count);
}

/* --- Comparison --- */

static u64 flags_mask(const struct native_case *c, bool defined_only)
{
    u64 mask = X86_STATUS_FLAGS | X86_DF | X86_NT | X86_AC | X86_ID;
    return defined_only ? mask & ~(u64)x86_forms[c->insn.form].flags_undefined : mask;
}

/* An operand that runs past 4 GiB: which exception it gives is left open [SDM3 5.3]. */
static bool wraps(const struct native_case *c, const struct native_result *native,
                  const struct native_result *engine)
{
    return c->mode != X86_MODE64 &&
           (engine->vector == X86_PF_FAULT || engine->vector == X86_AC_FAULT) &&
           (u32)(engine->address + 0x100) < 0x200 &&
           (native->vector == X86_GP || native->vector == X86_SS_FAULT);
}

/* An operand of several pieces that runs past 64 KiB of 16-bit offsets: processors wrap each piece
 * around, or fault before or after some of them are done. */
static bool runs_past_64k(const struct native_case *c)
{
    const struct x86_insn *i = &c->insn;
    unsigned bytes = 0;
    if (i->asz != 2 || !(i->flags & X86_I_MEM))
        return false;
    for (unsigned n = 0; n < X86_OPND_MAX; n++)
        bytes = MAX(bytes, x86_opnd_bytes(i, n));
    u64 off = (u64)(i64)i->disp + (i->base < 16 ? c->regs.gpr[i->base] : 0) +
              (i->index < 16 ? c->regs.gpr[i->index] * i->scale : 0);
    return bytes > 8 && (u16)off + bytes > 0x10000;
}

/* A misaligned operand that is not mapped: we follow [SDM3 6.9], AMD's processors do not. */
static bool misaligned_and_missing(const struct native_result *native,
                                   const struct native_result *engine)
{
    return native->vector == X86_AC_FAULT && engine->vector == X86_PF_FAULT;
}

/* What differs, or NULL. */
static const char *compare(struct run *run, const struct native_case *c,
                           const struct native_result *native, const struct native_result *engine)
{
    unsigned count = c->mode == X86_MODE64 ? 16 : 8;
    u64 width = c->mode == X86_MODE64 ? ~(u64)0 : 0xffffffff;

    if (wraps(c, native, engine) || misaligned_and_missing(native, engine))
        return NULL;
    if (native->vector != engine->vector)
        return "exception";
    if (native->vector != NATIVE_NO_VECTOR) {
        /* Whether a page is present cannot be known where the host may have mapped something. */
        u32 known = native->vector == X86_PF_FAULT && native->address >> 32 ? ~(u32)1 : ~(u32)0;
        if ((native->error ^ engine->error) & known)
            return "error code";
        /* Wide operands are accessed in pieces, in what order is the processor's business. */
        u64 piece = c->vector ? 4095 : 0;
        if (native->vector == X86_PF_FAULT &&
            (native->address | piece) != (engine->address | piece))
            return "fault address";
    }
    if (native->regs.rip != engine->regs.rip)
        return "rip";
    /* Some processors load registers until POPA faults; repeated, it comes to the same. */
    bool partial = c->insn.op == X86_OP_POPA && native->vector != NATIVE_NO_VECTOR;
    for (unsigned n = 0; n < count && !partial; n++) {
        if ((native->regs.gpr[n] & width) != (engine->regs.gpr[n] & width))
            return "register";
    }
    u64 flags = native->regs.rflags ^ engine->regs.rflags;
    if (flags & flags_mask(c, true))
        return "flags";
    if (flags & flags_mask(c, false))
        run->undefined[c->insn.form]++;
    return c->vector ? native_vector_differ(c, native->xsave, engine->xsave) : NULL;
}

static bool memory_differs(void)
{
    return memcmp((const u8 *)NATIVE_DATA, native_engine_data(), MEMORY) != 0;
}

static const char *describe_memory(void)
{
    static char text[64];
    const u8 *native = (const u8 *)NATIVE_DATA, *engine = native_engine_data();
    u32 n = 0;
    while (native[n] == engine[n])
        n++;
    snprintf(text, sizeof(text), "memory at %lx: native %02x, engine %02x",
             (unsigned long)(NATIVE_DATA + n), native[n], engine[n]);
    return text;
}

static void run_case(struct run *run, const struct native_case *c, bool check_memory)
{
    static struct native_result native, engine;
    const char *what = NULL;

    running = c;
    if (c->vector && runs_past_64k(c)) {
        run->skipped++;
        return;
    }
    native_host_write_code(c);
    native_engine_run(c, &engine);
    if (engine.skip) {
        /* Nothing runs natively: what the engine wrote must not stay. */
        memcpy(native_engine_data(), (void *)NATIVE_DATA, MEMORY);
        run->skipped++;
        return;
    }
    native_host_run(c, &native);
    run->faulted += native.vector != NATIVE_NO_VECTOR;
    what = compare(run, c, &native, &engine);
    if (check_memory && memory_differs()) {
        what = describe_memory();
        memcpy(native_engine_data(), (void *)NATIVE_DATA, MEMORY);
    }
    if (what)
        report(run, c, what, &native, &engine);
    run->tested[c->insn.form]++;
    run->done++;
}

/* --- Batches --- */

static void set_memory(const u8 *from)
{
    /* The last page cannot be written natively and never changes. */
    memcpy((void *)NATIVE_DATA, from, NATIVE_DATA_SIZE);
    memcpy(native_engine_data(), from, MEMORY);
}

static void finish_batch(struct run *run)
{
    if (memory_differs()) {
        u64 known = run->differences;
        set_memory(run->before);
        for (unsigned n = 0; n < run->batch_count; n++)
            run_case(run, &run->batch[n], true);
        if (run->differences == known) {
            printf("memory differs after a batch, but not when it is repeated\n");
            run->differences++;
        }
    }
    run->batch_count = 0;
    /* A little new noise, the same on both sides. */
    for (unsigned n = 0; n < 8; n++) {
        u64 at = native_random_below(&run->random, NATIVE_DATA_SIZE / 8) * 8;
        u64 v = native_random_value(&run->random);
        memcpy((u8 *)NATIVE_DATA + at, &v, 8);
        memcpy(native_engine_data() + at, &v, 8);
    }
    memcpy(run->before, (void *)NATIVE_DATA, MEMORY);
}

static void one_case(struct run *run, enum x86_mode mode, unsigned form)
{
    struct native_case *c = &run->batch[run->batch_count];
    c->vector = run->suite->vector;
    if (!native_generate(c, &run->random, mode, form))
        return;
    if (c->vector)
        native_vector_random(c, &run->random);
    run_case(run, c, false);
    if (++run->batch_count == BATCH)
        finish_batch(run);
}

/* --- Choice of forms --- */

static const char *exclusion(const struct native_suite *s, unsigned form)
{
    for (size_t n = 0; n < s->exclusion_count; n++) {
        if (s->exclusions[n].op == x86_forms[form].op)
            return s->exclusions[n].reason;
    }
    return NULL;
}

/* The host may execute what its CPUID does not show, or what our model hides. */
static bool shown(unsigned form)
{
    const struct x86_form *f = &x86_forms[form];
    const struct x86_cpu_model *m = native_engine_cpu()->model;
    return (!f->feature || x86_model_has(m, f->feature)) &&
           (!f->feature2 || x86_model_has(m, f->feature2));
}

static bool chosen(const struct run *run, unsigned form)
{
    return run->suite->wants(form) && !exclusion(run->suite, form) && shown(form) &&
           (!run->op || !strcmp(run->op, x86_forms[form].name));
}

/* Why a form is not tested, or NULL. */
static const char *left_out(const struct run *run, unsigned form)
{
    bool has = false;
    for (unsigned m = 0; m < run->mode_count; m++)
        has |= native_generate_has(run->modes[m], form);
    if (exclusion(run->suite, form))
        return exclusion(run->suite, form);
    if (!shown(form))
        return "not in this processor's CPUID";
    if (!has)
        return "not an encoding of this vendor or of the modes run";
    return NULL;
}

static void report_coverage(const struct run *run)
{
    unsigned total = 0, tested = 0, excluded = 0;
    for (unsigned f = 0; f < X86_FORM_COUNT; f++) {
        const char *reason = left_out(run, f);
        if (!run->suite->wants(f))
            continue;
        total++;
        tested += run->tested[f] != 0;
        excluded += reason != NULL;
        if (reason)
            printf("  left out: %s, form %u: %s\n", x86_forms[f].name, f, reason);
        else if (!run->tested[f])
            printf("  not reached: %s, form %u\n", x86_forms[f].name, f);
        if (run->undefined[f])
            printf("  undefined flags differ: %s, form %u: %u of %u\n", x86_forms[f].name, f,
                   run->undefined[f], run->tested[f]);
    }
    printf("%s: %lu cases, %lu faults, %lu skipped; %u of %u forms tested, %u left out; "
           "%lu differences\n",
           run->suite->name, run->done, run->faulted, run->skipped, tested, total, excluded,
           run->differences);
}

/* --- The whole test --- */

static int parse(struct run *run, int argc, char **argv)
{
    for (int n = 1; n + 1 < argc; n += 2) {
        const char *name = argv[n], *value = argv[n + 1];
        if (!strcmp(name, "--cases"))
            run->cases = strtoull(value, NULL, 0);
        else if (!strcmp(name, "--seed"))
            run->random.state = strtoull(value, NULL, 0);
        else if (!strcmp(name, "--mode"))
            run->only = !strcmp(value, "64")   ? X86_MODE64
                        : !strcmp(value, "32") ? X86_MODE32
                                               : X86_MODE16;
        else if (!strcmp(name, "--op"))
            run->op = value;
        else
            return -1;
    }
    return argc % 2 ? 0 : -1;
}

static void run_all(struct run *run)
{
    /* 64-bit mode gets half of the cases. */
    while (run->done + run->skipped < run->cases) {
        u64 before = run->done + run->skipped;
        for (unsigned m = 0; m < run->mode_count; m++) {
            enum x86_mode mode = run->modes[m];
            for (unsigned f = 0; f < X86_FORM_COUNT; f++) {
                if (!chosen(run, f) || !native_generate_has(mode, f))
                    continue;
                for (unsigned n = 0; n < (mode == X86_MODE64 ? 4 : 2); n++)
                    one_case(run, mode, f);
                if (run->done + run->skipped >= run->cases)
                    return;
            }
        }
        if (run->done + run->skipped == before)
            return;
    }
}

int native_suite_main(const struct native_suite *s, int argc, char **argv)
{
    static const enum x86_mode all[] = {X86_MODE64, X86_MODE32, X86_MODE16};
    struct run run = {.suite = s, .cases = 200000, .random.state = 20260731};

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (parse(&run, argc, argv)) {
        fprintf(stderr, "usage: %s [--cases N] [--seed N] [--mode 16|32|64] [--op NAME]\n",
                argv[0]);
        return 2;
    }
    if (BUILT_WITH_SANITIZER) {
        printf("skipped: a sanitizer's shadow memory lies where the cases expect nothing\n");
        return 77;
    }
    if (native_host_init()) {
        printf("skipped: the host does not let us map low memory or catch signals\n");
        return 77;
    }
    native_host_stuck = stuck;
    native_engine_init();
    for (unsigned m = 0; m < 3; m++) {
        if (run.only && run.only != all[m])
            continue;
        if (native_host_has(all[m])) {
            native_generate_init(all[m]);
            run.modes[run.mode_count++] = all[m];
        } else {
            printf("mode %u left out: no segments for it, or no FSGSBASE, on this host\n", all[m] * 8);
        }
    }
    if (!run.mode_count)
        return 77;
    run.tested = calloc(X86_FORM_COUNT, sizeof(u32));
    run.undefined = calloc(X86_FORM_COUNT, sizeof(u32));
    run.reported = calloc(X86_FORM_COUNT, 1);
    run.batch = aligned_alloc(64, BATCH * sizeof(struct native_case));
    run.before = calloc(1, MEMORY);
    if (!run.tested || !run.undefined || !run.reported || !run.batch || !run.before)
        return 2;
    printf("%s: seed %lu\n", s->name, run.random.state);
    for (u64 n = 0; n < NATIVE_DATA_SIZE; n += 8)
        store64(run.before + n, native_random_value(&run.random));
    set_memory(run.before);
    run_all(&run);
    finish_batch(&run);
    report_coverage(&run);
    return run.differences || !run.done ? 1 : 0;
}
