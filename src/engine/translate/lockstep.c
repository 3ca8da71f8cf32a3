/* SPDX-License-Identifier: BSD-2-Clause */
/* See lockstep.h. The interpreter's run leaves no trace but in the store buffer: state, derived
 * fields and the TLB are put back. */
#include "engine/translate/lockstep.h"

#include "base/mem.h"
#include "isa/x86/exec/system.h"
#include "isa/x86/exec/vector.h"
#include "vm/vm.h"

#include <errno.h>

enum {
    DERIVED = offsetof(struct x86_cpu, vendor),
    DERIVED_BYTES = offsetof(struct x86_cpu, request) - DERIVED,
};

/* Blocks of plain instructions change the first few words only. */
static void copy_state(const struct lockstep *ls, struct x86_state *to,
                       const struct x86_state *from)
{
    u64 *p = (u64 *)(void *)to;
    const u64 *q = (const u64 *)(const void *)from;
    for (unsigned k = 0; k < ls->words; k++)
        p[k] = q[k];
}

/* --- What must happen once --- */

/* ... and what is too long for the buffer. */
static bool happens_once(const struct x86_cpu *cpu, const struct x86_insn *i)
{
    enum { COUNT_MAX = 64 };
    if ((i->flags & (X86_I_REP | X86_I_REPNE)) && (x86_forms[i->form].flags & X86_F_REP))
        return cpu->s.gpr[X86_RCX] > COUNT_MAX;
    switch (i->op) {
    case X86_OP_IN:
    case X86_OP_OUT:
    case X86_OP_INS:
    case X86_OP_OUTS:
    case X86_OP_RDTSC:
    case X86_OP_RDTSCP:
    case X86_OP_RDPMC:
    case X86_OP_RDRAND:
    case X86_OP_RDSEED:
    case X86_OP_CPUID:
    case X86_OP_RDMSR:
    case X86_OP_WRMSR:
    case X86_OP_XSETBV:
    case X86_OP_HLT:
    case X86_OP_MWAIT:
    case X86_OP_INVLPG:
    case X86_OP_INVPCID:
    case X86_OP_WBINVD:
    case X86_OP_INVD:
    case X86_OP_LMSW:
    case X86_OP_CLTS: return true;
    }
    x86_exec_fn f = i->exec;
    return f == x86_exec_mov_to_cr || f == x86_exec_mov_from_cr || f == x86_exec_mov_to_dr ||
           f == x86_exec_hypercall;
}

static struct lockstep *lockstep_of(struct x86_cpu *cpu)
{
    return translator_of(soft_of(cpu))->lockstep;
}

static u8 *shadow_page(struct x86_cpu *cpu, u64 pa, bool for_write, bool *writable)
{
    return soft_world.phys_page(cpu, pa, for_write, writable);
}

static int shadow_read(struct x86_cpu *cpu, u64 pa, unsigned size, u64 *value)
{
    if (guest_memory_ptr(soft_of(cpu)->svm->vm->memory, gpa(pa), size))
        return soft_world.phys_read(cpu, pa, size, value);
    lockstep_of(cpu)->foul = true;
    *value = 0;
    return X86_OK;
}

static int foul_write(struct x86_cpu *cpu, u64 pa, unsigned size, u64 value)
{
    lockstep_of(cpu)->foul = true;
    return X86_OK;
}

static int foul_cmpxchg(struct x86_cpu *cpu, u64 pa, unsigned size, u64 expect, u64 value,
                        u64 *seen)
{
    lockstep_of(cpu)->foul = true;
    *seen = expect;
    return X86_OK;
}

static int foul_port_read(struct x86_cpu *cpu, u16 port, unsigned size, u32 *value)
{
    lockstep_of(cpu)->foul = true;
    *value = 0;
    return X86_OK;
}

static int foul_port_write(struct x86_cpu *cpu, u16 port, unsigned size, u32 value)
{
    lockstep_of(cpu)->foul = true;
    return X86_OK;
}

static int foul_msr_read(struct x86_cpu *cpu, u32 index, u64 *value)
{
    lockstep_of(cpu)->foul = true;
    *value = 0;
    return 0;
}

static int foul_msr_write(struct x86_cpu *cpu, u32 index, u64 value)
{
    lockstep_of(cpu)->foul = true;
    return 0;
}

static u64 foul_tsc(struct x86_cpu *cpu)
{
    lockstep_of(cpu)->foul = true;
    return 0;
}

static void foul_flush(struct x86_cpu *cpu, bool all, u64 va)
{
    lockstep_of(cpu)->foul = true;
}

static const struct x86_ops shadow_world = {
    .phys_page = shadow_page,
    .phys_read = shadow_read,
    .phys_write = foul_write,
    .phys_cmpxchg = foul_cmpxchg,
    .port_read = foul_port_read,
    .port_write = foul_port_write,
    .msr_read = foul_msr_read,
    .msr_write = foul_msr_write,
    .tsc = foul_tsc,
    .tlb_flushed = foul_flush,
};

/* Stores to devices, to ROM and into code have consequences. */
static bool stores_are_plain(const struct lockstep *ls)
{
    const struct guest_memory *m = ls->t->soft.svm->vm->memory;
    const struct x86_store_buffer *b = &ls->stores;
    if (b->overflow)
        return false;
    for (unsigned k = 0; k < b->count; k++) {
        u64 pa = b->slot[b->order[k]].group;
        const struct ram_block *ram = guest_memory_find(m, gpa(pa));
        if (!ram || ram->read_only || guest_memory_is_code(m, pa))
            return false;
    }
    return true;
}

/* --- The interpreter's run --- */

/* What the block loop would look at before the next instruction. */
static bool moved(const struct x86_cpu *cpu, u8 cpl, u8 privilege)
{
    return cpu->cpl != cpl || cpu->privilege != privilege || cpu->vector_strict;
}

/* Flags that the manuals leave undefined are whatever the host makes of them: an instruction that
 * stores all flags is left to the translation while there are any. */
static bool stores_undefined(const struct x86_insn *i, u32 undefined)
{
    return undefined && (i->op == X86_OP_PUSHF || i->op == X86_OP_LAHF || i->op == X86_OP_SYSCALL ||
                         i->op == X86_OP_INT);
}

/* From ls->first to the end, or up to and without `limit`. One instruction at a time: *fouled is
 * the first that may not be run here. */
static int interpret(struct lockstep *ls, unsigned limit, bool careful, unsigned *fouled)
{
    struct x86_cpu *cpu = &ls->t->soft.cpu;
    u8 cpl = cpu->cpl, privilege = cpu->privilege;
    const struct x86_insn *i = &ls->block->insn[ls->first];
    u64 rip = cpu->s.rip;
    u32 *undefined = &ls->undefined;
    *undefined = ls->undefined_before;
    ls->stop = NULL;
    for (unsigned k = ls->first;; k++, i++) {
        if (i->exec == soft_block_end) {
            return X86_BRANCH;
        }
        if (k == limit || happens_once(cpu, i) || stores_undefined(i, *undefined)) {
            ls->stop = i;
            return X86_OK;
        }
        cpu->fault_rip = rip;
        rip += i->len;
        cpu->s.rip = rip;
        int r = i->exec(cpu, i);
        if (r == X86_EXCEPTION || r == X86_REPEAT || r == X86_INTERCEPT)
            cpu->s.rip = cpu->fault_rip;
        *fouled = k;
        if (r == X86_REPEAT || ls->foul || (careful && !stores_are_plain(ls))) {
            ls->foul = true;
            return r;
        }
        const struct x86_form *f = &x86_forms[i->form];
        *undefined = (*undefined & ~(u32)f->flags_written) | f->flags_undefined;
        if (r != X86_OK)
            return r;
        if (unlikely(moved(cpu, cpl, privilege)))
            return X86_BRANCH;
    }
}

static void run_again(struct lockstep *ls)
{
    struct x86_cpu *cpu = &ls->t->soft.cpu;
    if (ls->vectors) {
        cpu->vector_live = cpu->vector_strict = 0;
        mem_copy(cpu->s.xsave, ls->before.xsave, sizeof cpu->s.xsave);
    }
    x86_tlb_forget(cpu, &ls->stores);
    copy_state(ls, &cpu->s, &ls->before);
    x86_cpu_derive(cpu);
    x86_store_buffer_clear(&ls->stores);
    ls->foul = false;
}

/* Vector registers after the run to `after`, those before it back to the processor. */
static void take_vectors(struct lockstep *ls)
{
    struct x86_cpu *cpu = &ls->t->soft.cpu;
    x86_vector_release(cpu);
    mem_copy(ls->after.xsave, cpu->s.xsave, sizeof cpu->s.xsave);
    mem_copy(cpu->s.xsave, ls->before.xsave, sizeof cpu->s.xsave);
}

/* Runs the stretch: in one go, or, when that touched something it may not, with care and up to
 * there. */
static void run_stretch(struct lockstep *ls)
{
    unsigned at = 0, limit = ~0u;
    x86_store_buffer_clear(&ls->stores);
    ls->foul = false;
    ls->result = interpret(ls, limit, false, &at);
    if (!ls->foul && stores_are_plain(ls))
        return;
    do {
        limit = ls->foul ? at : limit;
        run_again(ls);
        ls->result = interpret(ls, limit, true, &at);
    } while (ls->foul); /* an interrupt may come up that stops a string instruction before */
}

static void shadow(struct lockstep *ls)
{
    struct soft *sv = &ls->t->soft;
    struct x86_cpu *cpu = &sv->cpu;
    u8 derived[DERIVED_BYTES];
    u64 retired = cpu->retired, dr6 = cpu->dr6_pending;
    u8 trap = cpu->trap_pending;
    bool live = cpu->vector_live;
    if (ls->vectors) {
        x86_vector_release(cpu);
        mem_copy(ls->before.xsave, cpu->s.xsave, sizeof cpu->s.xsave);
    }
    copy_state(ls, &ls->before, &cpu->s);
    mem_copy(derived, (u8 *)cpu + DERIVED, DERIVED_BYTES);
    u32 flags = (u32)cpu->s.rflags & X86_STATUS_FLAGS;
    if (ls->flags_rip == cpu->s.rip && ls->flags_translated == flags)
        cpu->s.rflags = (cpu->s.rflags & ~(u64)X86_STATUS_FLAGS) | ls->flags_interpreted;
    ls->before.rflags = cpu->s.rflags;
    cpu->ops = &shadow_world;
    cpu->stores = &ls->stores;
    cpu->tlb_index = X86_TLB_CHECKED;
    ls->undefined_before = ls->undefined;
    run_stretch(ls);
    if (ls->vectors)
        take_vectors(ls);
    copy_state(ls, &ls->after, &cpu->s);
    ls->fault = cpu->fault;
    ls->before.rflags = (ls->before.rflags & ~(u64)X86_STATUS_FLAGS) | flags;
    x86_tlb_forget(cpu, &ls->stores);
    cpu->stores = NULL;
    cpu->ops = &soft_world;
    copy_state(ls, &cpu->s, &ls->before);
    mem_copy((u8 *)cpu + DERIVED, derived, DERIVED_BYTES);
    cpu->retired = retired;
    cpu->dr6_pending = dr6;
    cpu->trap_pending = trap;
    if (ls->vectors && live)
        x86_vector_acquire(cpu);
}

/* --- What memory must be --- */

static struct lockstep_line *line_at(struct lockstep *ls, u64 pa)
{
    const struct guest_memory *m = ls->t->soft.svm->vm->memory;
    u64 at = pa & ~(u64)(LOCKSTEP_LINE - 1);
    unsigned h = (unsigned)(at / LOCKSTEP_LINE) % LOCKSTEP_HASH;
    for (; ls->hash[h]; h = (h + 1) % LOCKSTEP_HASH)
        if (ls->line[ls->hash[h] - 1].pa == at)
            return &ls->line[ls->hash[h] - 1];
    struct lockstep_line *l = &ls->line[ls->lines++];
    ls->hash[h] = (u16)ls->lines;
    l->pa = at;
    l->stored = 0;
    mem_copy(l->before, guest_memory_ptr(m, gpa(at), LOCKSTEP_LINE), LOCKSTEP_LINE);
    mem_copy(l->want, l->before, LOCKSTEP_LINE);
    return l;
}

static void want_byte(void *ctx, u64 pa, u8 value)
{
    struct lockstep_line *l = line_at(ctx, pa);
    l->want[pa % LOCKSTEP_LINE] = value;
    l->stored |= BIT(pa % LOCKSTEP_LINE);
}

static void want_memory(struct lockstep *ls)
{
    if (ls->lines)
        mem_fill(ls->hash, 0, sizeof ls->hash);
    ls->lines = 0;
    x86_store_buffer_each(&ls->stores, want_byte, ls);
}

/* --- The translation's run --- */

static void open_stretch(struct lockstep *ls, unsigned first)
{
    ls->first = first;
    shadow(ls);
    want_memory(ls);
    ls->open = true;
}

static void put_stored(struct lockstep *ls, bool back)
{
    for (unsigned k = 0; k < ls->lines; k++) {
        struct lockstep_line *l = &ls->line[k];
        u8 *host = guest_memory_ptr(ls->t->soft.svm->vm->memory, gpa(l->pa), LOCKSTEP_LINE);
        if (!back)
            mem_copy(l->now, host, LOCKSTEP_LINE);
        for (unsigned n = 0; n < LOCKSTEP_LINE; n++)
            if (l->stored & BIT(n))
                host[n] = back ? l->now[n] : l->before[n];
    }
}

/* Bytes beside what the interpreter stored have changed. */
static bool stored_beside(const struct lockstep *ls)
{
    for (unsigned k = 0; k < ls->lines; k++)
        for (unsigned n = 0; n < LOCKSTEP_LINE; n++)
            if (!(ls->line[k].stored & BIT(n)) && ls->line[k].now[n] != ls->line[k].before[n])
                return true;
    return false;
}

/* Memory may have been changed by a device between the two runs: then the interpreter agrees when
 * it runs once more. The vector state is released. */
static bool agrees_now(struct lockstep *ls, int result)
{
    struct x86_cpu *cpu = &ls->t->soft.cpu;
    ls->now = cpu->s;
    put_stored(ls, false);
    if (stored_beside(ls)) {
        put_stored(ls, true);
        return false;
    }
    copy_state(ls, &cpu->s, &ls->before);
    if (ls->vectors)
        mem_copy(cpu->s.xsave, ls->before.xsave, sizeof cpu->s.xsave);
    x86_cpu_derive(cpu);
    ls->undefined = ls->undefined_before;
    shadow(ls);
    put_stored(ls, true);
    cpu->s = ls->now;
    x86_cpu_derive(cpu);
    want_memory(ls);
    bool same = lockstep_same(ls, result) && !lockstep_bad_line(ls);
    ls->excused += same;
    return same;
}

/* The processor is at the end of the stretch. */
static void close_stretch(struct lockstep *ls, int result)
{
    struct x86_cpu *cpu = &ls->t->soft.cpu;
    bool live = cpu->vector_live;
    ls->open = false;
    if (ls->vectors)
        x86_vector_release(cpu);
    ls->compared++;
    if (!lockstep_same(ls, result) || lockstep_bad_line(ls)) {
        x86_vector_release(cpu);
        if (!agrees_now(ls, result)) {
            lockstep_report(ls, result);
            ls->failed = true;
        }
    }
    ls->flags_rip = cpu->s.rip;
    ls->flags_translated = (u32)cpu->s.rflags & X86_STATUS_FLAGS;
    ls->flags_interpreted = (u32)ls->after.rflags & X86_STATUS_FLAGS;
    if (live)
        x86_vector_acquire(cpu);
}

void lockstep_before(struct translator *t, const struct x86_insn *i)
{
    struct lockstep *ls = t->lockstep;
    if (!ls->open || ls->stop != i)
        return;
    t->soft.cpu.s.rip = t->page + i->at;
    close_stretch(ls, X86_OK);
}

void lockstep_leave(struct translator *t, int r)
{
    t->lockstep->left = r == X86_BRANCH;
    t->kind = EXIT_RESULT;
    t->result = (u32)r;
}

void lockstep_behind(struct translator *t, const struct x86_insn *i)
{
    struct lockstep *ls = t->lockstep;
    if (ls->open || ls->failed)
        return;
    const struct x86_form *f = &x86_forms[i->form];
    u32 changed = f->flags_written | f->flags_undefined;
    u32 now = (u32)t->soft.cpu.s.rflags & X86_STATUS_FLAGS;
    ls->flags_rip = t->soft.cpu.s.rip;
    ls->flags_interpreted = (ls->flags_interpreted & ~changed) | (now & changed);
    ls->flags_translated = now;
    open_stretch(ls, (unsigned)(i - ls->block->insn) + 1);
}

int lockstep_run(struct translator *t, const struct block *b, const struct translation *tr,
                 int (*run)(struct translator *, const struct translation *))
{
    struct lockstep *ls = t->lockstep;
    ls->block = b;
    ls->translation = tr;
    ls->rip = t->soft.cpu.s.rip;
    ls->vectors = tr->vectors;
    ls->words = tr->sensitive ? LOCKSTEP_WORDS : LOCKSTEP_FEW;
    ls->left = false;
    open_stretch(ls, 0);
    int r = run(t, tr);
    bool early = ls->left && t->soft.cpu.s.rip != ls->after.rip;
    if (ls->open && (ls->stop || early || r == X86_REPEAT)) {
        ls->open = false;
        ls->unfinished++;
    }
    if (ls->open)
        close_stretch(ls, r);
    return ls->failed ? X86_STOP : r;
}

int lockstep_create(struct translator *t, struct err *e)
{
    struct lockstep *ls = mem_alloc_aligned(64, sizeof *ls);
    if (!ls)
        return err_set(e, -ENOMEM, "making room for lockstep: out of memory");
    ls->t = t;
    t->lockstep = ls;
    return 0;
}

void lockstep_destroy(struct translator *t)
{
    mem_free(t->lockstep);
}
