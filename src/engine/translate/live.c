/* SPDX-License-Identifier: BSD-2-Clause */
/* Which arithmetic flags are used later. Behind a branch to the same page the bytes there say it;
 * the block then depends on them as on its own, and a store to them drops it. */
#include "engine/translate/lower.h"

#include "base/mem.h"

enum { LOOK_AHEAD = 40 }; /* instructions behind one block */

/* Flags that may stay as they were before i, although the table says it writes them. */
static u32 flags_kept(const struct x86_insn *i)
{
    const struct x86_form *f = &x86_forms[i->form];
    u32 kept = (f->flags_written | f->flags_undefined) & f->flags_read;
    switch (i->op) {
    case X86_OP_SHL:
    case X86_OP_SHR:
    case X86_OP_SAR:
    case X86_OP_ROL:
    case X86_OP_ROR:
    case X86_OP_SHLD:
    case X86_OP_SHRD:
        /* Only a count of 0 keeps any, and this one is known. */
        if (i->off_imm && (i->imm & (i->osz == 8 ? 63 : 31)))
            return 0;
    }
    return kept;
}

u32 live_flags_used(const struct x86_insn *i)
{
    const struct x86_form *f = &x86_forms[i->form];
    u32 set = f->flags_written | f->flags_undefined;
    return ((f->flags_read & ~set) | flags_kept(i)) & X86_STATUS_FLAGS;
}

u32 live_flags_set(const struct x86_insn *i)
{
    const struct x86_form *f = &x86_forms[i->form];
    return (f->flags_written | f->flags_undefined) & ~flags_kept(i) & X86_STATUS_FLAGS;
}

bool live_is_transparent(const struct x86_insn *i)
{
    switch (i->op) {
    case X86_OP_CLI:
    case X86_OP_STI:
    case X86_OP_STAC:
    case X86_OP_CLAC:
    case X86_OP_SWAPGS:
    case X86_OP_RDFSBASE:
    case X86_OP_RDGSBASE:
    case X86_OP_WRFSBASE:
    case X86_OP_WRGSBASE:
    case X86_OP_RDTSC:
    case X86_OP_RDTSCP: return true;
    case X86_OP_MOV: return i->map == 1 && i->opcode == 0x20; /* from CR */
    default: return false;
    }
}

/* Reads the instruction at offset of the block's page; false when it is not whole there. The
 * granules are marked before the bytes are read, so that a store is either seen here or finds the
 * mark. */
static bool look_at(struct lower *l, unsigned offset, struct x86_insn *i)
{
    struct soft *sv = &l->t->soft;
    u64 pa = (l->b->pa & ~(u64)(PAGE_SIZE - 1)) + offset;
    unsigned n = MIN((unsigned)X86_MAX_INSN, PAGE_SIZE - offset);
    u8 bytes[X86_MAX_INSN];
    u64 granules = code_granules(pa, n);
    const u8 *p = guest_memory_ptr(sv->svm->vm->memory, gpa(pa), n);
    struct x86_decode_config cfg = {.mode = sv->cpu.mode, .vendor = sv->cpu.vendor};
    if (!p)
        return false;
    if (granules & ~l->b->seen) {
        l->b->seen |= granules;
        code_page_cover(sv, pa, n);
    }
    mem_copy(bytes, p, n);
    return x86_decode(i, bytes, n, cfg) == X86_DECODE_OK;
}

/* Flags of `wanted` that are used from offset on, as far as a few instructions tell. */
static u32 used_from(struct lower *l, i64 offset, u32 wanted, unsigned *budget)
{
    u32 used = 0;
    while (wanted) {
        struct x86_insn i;
        if (offset < 0 || offset >= PAGE_SIZE || !*budget || !look_at(l, (unsigned)offset, &i))
            return used | wanted;
        --*budget;
        i64 next = offset + i.len, target = next + (i64)i.imm;
        bool direct = x86_forms[i.form].opnd[0].kind == X86_OPND_J && i.osz == l->word;
        if (i.op == X86_OP_JCC && direct) {
            used |= wanted & live_flags_used(&i);
            used |= used_from(l, target, wanted & ~used, budget);
            offset = next;
        } else if ((i.op == X86_OP_JMP || i.op == X86_OP_CALL) && direct) {
            offset = target;
        } else if (live_is_transparent(&i)) {
            offset = next;
        } else if (x86_forms[i.form].cls == X86_CLASS_COPY) {
            used |= wanted & live_flags_used(&i);
            wanted &= ~live_flags_set(&i);
            offset = next;
        } else {
            return used | wanted; /* a handler may look at all, a return leads anywhere */
        }
        wanted &= ~used;
    }
    return used;
}

u32 live_at(struct lower *l, i64 offset)
{
    unsigned budget = LOOK_AHEAD;
    return used_from(l, offset, X86_STATUS_FLAGS, &budget);
}

u32 live_before(struct lower *l, const struct x86_insn *i, i64 next, u32 after)
{
    bool direct = x86_forms[i->form].opnd[0].kind == X86_OPND_J && i->osz == l->word;
    i64 target = next + (i64)i->imm;
    if (direct && (i->op == X86_OP_JMP || i->op == X86_OP_CALL))
        return live_at(l, target);
    if (direct && i->op == X86_OP_JCC)
        return (after | live_at(l, target) | live_flags_used(i)) & X86_STATUS_FLAGS;
    if (live_is_transparent(i))
        return after;
    if (x86_forms[i->form].cls != X86_CLASS_COPY)
        return X86_STATUS_FLAGS;
    return (after & ~live_flags_set(i)) | live_flags_used(i);
}
