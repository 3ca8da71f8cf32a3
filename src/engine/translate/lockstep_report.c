/* SPDX-License-Identifier: BSD-2-Clause */
/* Comparing what interpreter and translation came to, and telling of a difference: what differs,
 * the guest's code, the host's, and the registers of before and after. */
#include "engine/translate/lockstep.h"

#include "base/bits.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "isa/x86/exec/vector.h"

#include <errno.h>

static u64 word_of(const struct x86_state *s, unsigned k)
{
    u64 v = load64((const u8 *)s + 8 * k);
    return k == offsetof(struct x86_state, rflags) / 8 ? v & ~(u64)X86_STATUS_FLAGS : v;
}

/* First byte at which the vector registers differ, of those that are state; -1: none. */
static int vector_difference(const u8 *a, const u8 *b)
{
    const struct x86_xsave_layout *l = x86_xsave_layout();
    enum { LEGACY_REGISTERS = X86_FX_XMM + 16 * 16 };
    for (int k = 0; k < LEGACY_REGISTERS; k++)
        if (a[k] != b[k] && !(k >= X86_FX_MXCSR_MASK && k < X86_FX_ST))
            return k;
    for (unsigned c = X86_XC_AVX; c < X86_XC_COUNT; c++)
        for (int k = l->offset[c]; k < l->offset[c] + l->size[c]; k++)
            if (a[k] != b[k])
                return k;
    return -1;
}

static bool same_result(const struct lockstep *ls, int result)
{
    bool on = result == X86_BRANCH || result == X86_END;
    const struct x86_event *f = &ls->t->soft.cpu.fault, *g = &ls->fault;
    if (ls->stop)
        return true;
    if (on)
        return ls->result == X86_BRANCH || ls->result == X86_END;
    return result == ls->result && (result != X86_EXCEPTION || mem_compare(f, g, sizeof *f) == 0);
}

bool lockstep_same(const struct lockstep *ls, int result)
{
    const struct x86_state *s = &ls->t->soft.cpu.s;
    const u64 *p = (const u64 *)(const void *)s, *q = (const u64 *)(const void *)&ls->after;
    u64 different = (s->rflags ^ ls->after.rflags) & ~(u64)X86_STATUS_FLAGS;
    for (unsigned k = 0; k < LOCKSTEP_FEW - 1; k++)
        different |= p[k] ^ q[k];
    for (unsigned k = LOCKSTEP_FEW; k < ls->words; k++)
        different |= p[k] ^ q[k];
    return !different && same_result(ls, result) &&
           (!ls->vectors || vector_difference(s->xsave, ls->after.xsave) < 0);
}

static const u8 *memory_of(const struct lockstep *ls, u64 pa)
{
    return guest_memory_ptr(ls->t->soft.svm->vm->memory, gpa(pa), LOCKSTEP_LINE);
}

const struct lockstep_line *lockstep_bad_line(const struct lockstep *ls)
{
    for (unsigned k = 0; k < ls->lines; k++)
        if (mem_compare(memory_of(ls, ls->line[k].pa), ls->line[k].want, LOCKSTEP_LINE) != 0)
            return &ls->line[k];
    return NULL;
}

/* --- The report --- */

#define SAY(...) log_error("lockstep", __VA_ARGS__)

struct field {
    const char *name;
    unsigned word;
};
#define WORD(f) offsetof(struct x86_state, f) / 8
/* clang-format off */
static const struct field fields[] = {
    {"rax", 0}, {"rcx", 1}, {"rdx", 2}, {"rbx", 3}, {"rsp", 4}, {"rbp", 5}, {"rsi", 6}, {"rdi", 7},
    {"r8", 8}, {"r9", 9}, {"r10", 10}, {"r11", 11}, {"r12", 12}, {"r13", 13}, {"r14", 14},
    {"r15", 15}, {"rip", WORD(rip)}, {"rflags", WORD(rflags)}, {"cs", WORD(seg[X86_CS]) + 1},
    {"ss", WORD(seg[X86_SS]) + 1}, {"fs base", WORD(seg[X86_FS].base)},
    {"gs base", WORD(seg[X86_GS].base)}, {"cr0", WORD(cr0)}, {"cr2", WORD(cr2)},
    {"cr3", WORD(cr3)}, {"cr4", WORD(cr4)}, {"kernel gs base", WORD(kernel_gs_base)},
};
/* clang-format on */

static void say_registers(const struct lockstep *ls)
{
    const struct x86_state *s = &ls->t->soft.cpu.s;
    SAY("%-16s %16s %16s %16s", "", "before", "interpreted", "translated");
    for (unsigned k = 0; k < ls->words; k++) {
        const char *name = NULL;
        char number[24];
        for (unsigned n = 0; n < ARRAY_LEN(fields); n++)
            if (fields[n].word == k)
                name = fields[n].name;
        bool differs = word_of(s, k) != word_of(&ls->after, k);
        if (!name && !differs)
            continue;
        str_format(number, sizeof number, "state+%#x", 8 * k);
        SAY("%-16s %16llx %16llx %16llx%s", name ? name : number,
            (unsigned long long)load64((const u8 *)&ls->before + 8 * k),
            (unsigned long long)load64((const u8 *)&ls->after + 8 * k),
            (unsigned long long)load64((const u8 *)s + 8 * k), differs ? " <- differs" : "");
    }
}

static void say_vectors(const struct lockstep *ls)
{
    int at = ls->vectors ? vector_difference(ls->t->soft.cpu.s.xsave, ls->after.xsave) : -1;
    if (at < 0)
        return;
    unsigned from = (unsigned)at & ~7u;
    SAY("vector state at byte %#x of the XSAVE area: before %llx, interpreted %llx, translated "
        "%llx",
        from, (unsigned long long)load64(ls->before.xsave + from),
        (unsigned long long)load64(ls->after.xsave + from),
        (unsigned long long)load64(ls->t->soft.cpu.s.xsave + from));
}

static void say_memory(const struct lockstep *ls)
{
    const struct lockstep_line *l = lockstep_bad_line(ls);
    if (!l)
        return;
    const u8 *now = memory_of(ls, l->pa);
    for (unsigned k = 0; k < LOCKSTEP_LINE; k += 8)
        if (load64(now + k) != load64(l->want + k))
            SAY("memory at physical %#llx: before %llx, interpreted %llx, translated %llx",
                (unsigned long long)l->pa + k, (unsigned long long)load64(l->before + k),
                (unsigned long long)load64(l->want + k), (unsigned long long)load64(now + k));
}

static void say_results(const struct lockstep *ls, int result)
{
    static const char *const names[] = {"ok",   "branch",       "end",       "exception", "repeat",
                                        "halt", "triple fault", "intercept", "stop"};
    const struct x86_event *f = &ls->t->soft.cpu.fault, *g = &ls->fault;
    if (same_result(ls, result))
        return;
    SAY("the interpreter ended with %s, the translation with %s", names[ls->result], names[result]);
    if (ls->result == X86_EXCEPTION)
        SAY("interpreted: exception %u, error %#x, address %#llx", g->vector, g->error,
            (unsigned long long)g->payload);
    if (result == X86_EXCEPTION)
        SAY("translated: exception %u, error %#x, address %#llx", f->vector, f->error,
            (unsigned long long)f->payload);
}

static void say_line(void *ctx, const char *text)
{
    SAY("%s", text);
}

void lockstep_report(struct lockstep *ls, int result)
{
    static const struct vm_trace log = {.line = say_line};
    struct err e = {0};
    SAY("interpreter and translation differ in the block at %#llx (stretch from instruction %u), "
        "after %llu equal stretches",
        (unsigned long long)ls->rip, ls->first, (unsigned long long)ls->compared - 1);
    say_results(ls, result);
    say_registers(ls);
    say_vectors(ls);
    say_memory(ls);
    listing_guest(ls->t, ls->block, ls->rip, &log);
    listing_host(ls->t, ls->translation, &log);
    err_set(&e, -EINVAL, "lockstep: interpreter and translation differ in the block at %#llx",
            (unsigned long long)ls->rip);
    vm_request_failure(ls->t->soft.svm->vm, &e);
}
