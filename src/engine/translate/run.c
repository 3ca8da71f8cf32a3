/* SPDX-License-Identifier: BSD-2-Clause */
/* The loop between translations: finds blocks, runs them by what they have, translates hot ones,
 * joins translations to each other. All of it on the vCPU's own thread. */
#include "base/mem.h"
#include "engine/translate/lockstep.h"
#include "engine/translate/lower.h"
#include "isa/x86/exec/place.h"
#include "isa/x86/exec/vector.h"

/* 32-bit code whose addresses are linear, limits none. */
static bool is_flat_32(const struct x86_cpu *cpu)
{
    enum { DATA = 1 << X86_ES | 1 << X86_SS | 1 << X86_DS };
    const struct x86_segment *cs = &cpu->s.seg[X86_CS];
    return cpu->mode == X86_MODE32 && cpu->stack_size == 4 && !cpu->real &&
           (cpu->flat & DATA) == DATA && cs->base == 0 && cs->limit == 0xffffffff;
}

/* What of the processor's state translations have built in, beside the key of the block. */
static u8 environment(const struct x86_cpu *cpu)
{
    /* What a monitor wants to see is not translated. */
    u8 env =
        (cpu->intercepts.other ? (u8)ENV_TLB : cpu->tlb_index) | (u8)(cpu->cpl << ENV_CPL_SHIFT);
    if (cpu->mode != X86_MODE64) {
        if (!is_flat_32(cpu))
            return X86_TLB_CHECKED;
        env |= ENV_32;
    }
    u64 cr0 = cpu->s.cr0, cr4 = cpu->s.cr4, xcr0 = cpu->s.xcr0;
    if (cr0 & X86_CR0_TS)
        return env;
    if (!(cr0 & X86_CR0_EM) && (cr4 & X86_CR4_OSFXSR))
        env |= ENV_SSE;
    if ((cr4 & X86_CR4_OSXSAVE) && (xcr0 & 0x06) == 0x06)
        env |= ENV_VEX;
    if ((cr4 & X86_CR4_OSXSAVE) && (xcr0 & 0xe6) == 0xe6)
        env |= ENV_EVEX;
    return env;
}

static u64 context_of(const struct translator *t, u8 env)
{
    return t->soft.epoch << 8 | env;
}

static void forget_far_pages(struct translator *t, unsigned user)
{
    for (unsigned k = 0; k < t->far_used[user]; k++)
        t->far[user][t->far_slot[user][k]].linear = FAR_NONE;
    t->far_used[user] = 0;
}

static void note_far_page(struct translator *t, unsigned user, u64 linear, u64 pa)
{
    u64 k = linear >> 12 & mask_low(FAR_BITS);
    struct far_page *f = &t->far[user][k];
    if (f->linear == FAR_NONE)
        t->far_slot[user][t->far_used[user]++] = (u16)k;
    *f = (struct far_page){linear & ~(u64)(PAGE_SIZE - 1), pa >> 12};
}

/* Where b's instruction goes on, was found with it; its translation looks there. */
static void note_second_page(struct translator *t, const struct block *b, u8 env)
{
    if (likely(!b->second_page))
        return;
    u64 next = (t->soft.cpu.s.rip | (PAGE_SIZE - 1)) + 1;
    note_far_page(t, is_user(env), env & ENV_32 ? (u32)next : next, b->second_page);
}

/* One that nobody returns to, or finds nothing that is known. */
static void forget_returns(struct translator *t, unsigned tlb)
{
    for (unsigned k = 0; k < RETURNS; k++)
        t->returns[tlb][k] = (struct return_to){0, t->exit_jump};
}

/* Before translated code runs on. */
static void set_context(struct translator *t, u8 env)
{
    unsigned user = is_user(env);
    bool moved = t->far_epoch[user] != t->soft.epoch;
    u8 rest = env & (u8)~ENV_TLB;
    t->context = context_of(t, env);
    if (moved)
        forget_far_pages(t, user);
    if (moved || t->far_env[user] != rest) {
        forget_returns(t, user ? X86_TLB_USER : X86_TLB_KERNEL);
        if (!user)
            forget_returns(t, X86_TLB_KERNEL_AC);
    }
    t->far_epoch[user] = t->soft.epoch;
    t->far_env[user] = rest;
}

/* --- Flags between cpu->s.rflags and AH, AL of LAHF, SETO --- */

static void flags_out(struct translator *t)
{
    u64 *rflags = &t->soft.cpu.s.rflags;
    enum { BY_LAHF = X86_STATUS_FLAGS & ~X86_OF };
    *rflags = (*rflags & ~(u64)X86_STATUS_FLAGS) | (t->flags >> 8 & BY_LAHF) |
              (t->flags & 1 ? X86_OF : 0);
}

static void flags_in(struct translator *t)
{
    u64 rflags = t->soft.cpu.s.rflags;
    t->flags = (u16)((rflags & 0xff) << 8 | (rflags & X86_OF ? 1 : 0));
}

/* --- Callouts --- */

/* After an instruction that ended the block: on in translated code if nothing else is due. */
static enum callout_end go_on(struct translator *t, int r)
{
    struct soft *sv = &t->soft;
    struct x86_cpu *cpu = &sv->cpu;
    if (r == X86_EXCEPTION || r == X86_REPEAT || r == X86_INTERCEPT) {
        cpu->s.rip = cpu->fault_rip;
        cpu->retired--;
    }
    if (unlikely(t->lockstep)) {
        lockstep_leave(t, r);
        return CALLOUT_LEAVE;
    }
    if (r == X86_EXCEPTION) {
        r = x86_deliver(cpu, &cpu->fault);
        if (r == X86_OK)
            r = X86_END;
    }
    t->kind = EXIT_RESULT;
    t->result = (u32)r;
    /* Requests are looked at on the way: too early in an interrupt shadow. */
    if ((r != X86_BRANCH && r != X86_END) || cpu->s.shadow_sti || cpu->s.shadow_mov_ss ||
        !soft_is_quiet(sv) || !x86_canonical(cpu->s.rip))
        return CALLOUT_LEAVE;
    soft_context_update(sv);
    set_context(t, environment(cpu));
    flags_in(t);
    t->flags_check = t->flags;
    translate_settle(t);
    return CALLOUT_ONWARD;
}

/* Executes an instruction by its handler in the middle of translated code. */
int translate_callout(struct translator *t, u32 name)
{
    struct soft *sv = &t->soft;
    struct x86_cpu *cpu = &sv->cpu;
    const struct x86_insn *i = named_insn(t, name);
    bool vectors = cpu->vector_live;
    u64 kills = sv->kills;
    flags_out(t);
    if (unlikely(t->lockstep))
        lockstep_before(t, i);
    cpu->fault_rip = t->page + i->at;
    cpu->s.rip = (cpu->fault_rip + i->len) & cpu->rip_mask;
    int r = i->exec(cpu, i);
    cpu->retired++;
    t->calls[i->op]++;
    if (unlikely(r != X86_OK))
        return go_on(t, r);
    /* Translations, addresses or permissions may be others now; MXCSR may unmask exceptions. */
    if (unlikely(context_of(t, environment(cpu)) != t->context || sv->kills != kills))
        return go_on(t, X86_BRANCH);
    if (vectors || x86_vector_stub(i)) /* the code behind it counts on them */
        x86_vector_acquire(cpu);
    if (unlikely(cpu->vector_strict && cpu->vector_live))
        return go_on(t, X86_BRANCH);
    if (unlikely(t->lockstep))
        lockstep_behind(t, i);
    flags_in(t);
    translate_settle(t);
    return CALLOUT_NEXT;
}

int translate_refill(struct translator *t, u64 lin, u32 refill)
{
    struct x86_cpu *cpu = &t->soft.cpu;
    unsigned size = refill >> 4, index = refill >> 2 & 3;
    bool vectors = cpu->vector_live;
    struct x86_place place;
    if ((lin & (PAGE_SIZE - 1)) + size > PAGE_SIZE || t->lockstep || !x86_canonical(lin))
        return 0;
    /* The callout raises the fault again, from the instruction. */
    bool direct = x86_resolve(cpu, lin, refill & 3, index, &place) == X86_OK && place.host;
    if (vectors)
        x86_vector_acquire(cpu);
    translate_settle(t);
    return direct;
}

/* An indirect branch to an address that is not canonical has gone too far: its handler raises #GP
 * from where it stood. */
static int redo_branch(struct translator *t)
{
    struct x86_cpu *cpu = &t->soft.cpu;
    const struct x86_insn *i = named_insn(t, t->last_indirect);
    if (!(x86_forms[i->form].flags & X86_F_BRANCH)) { /* code went on to there */
        cpu->s.rip = t->arg;
        return X86_BRANCH;
    }
    if (i->op == X86_OP_RET)
        cpu->s.gpr[X86_RSP] -= 8 + (i->off_imm ? (u16)i->imm : 0);
    else if (i->op == X86_OP_CALL)
        cpu->s.gpr[X86_RSP] += 8;
    cpu->fault_rip = t->page + i->at;
    cpu->s.rip = cpu->fault_rip + i->len;
    int r = i->exec(cpu, i);
    if (r == X86_EXCEPTION || r == X86_INTERCEPT)
        cpu->s.rip = cpu->fault_rip;
    return r;
}

/* --- Dropping --- */

static void patch_jump(struct translator *t, const u8 *at, const u8 *to)
{
    u8 *rw = t->code.rw + (at - t->code.rx);
    patch_rel32(rw + 1, at + 1, to);
    *rw = 0xe9;
}

static struct replaced *replaced_slot(struct translator *t, const struct block *b)
{
    return &t->replaced[(b->pa ^ b->pa >> REPLACED_BITS) & mask_low(REPLACED_BITS)];
}

/* Jumps into b's translation lead out from now on. */
static void disable(struct translator *t, struct block *b)
{
    struct translation *tr = b->translation;
    patch_jump(t, tr->entry, tr->dead);
    if (tr->entry_poll)
        patch_jump(t, tr->entry_poll, tr->dead);
    if (tr->entry_far) {
        patch_jump(t, tr->entry_indirect, t->exit_jump);
        patch_jump(t, tr->entry_far, tr->dead_far);
    }
    *replaced_slot(t, b) = (struct replaced){tr, b->pa, b->key};
    b->translation = NULL;
}

/* Jumps into what b's translation takes the place of lead to it. */
static void replace(struct translator *t, const struct block *b)
{
    struct translation *tr = b->translation;
    struct replaced *r = replaced_slot(t, b);
    if (!r->translation || r->pa != b->pa || r->key != b->key || r->translation->env != tr->env)
        return;
    const struct translation *old = r->translation;
    patch_jump(t, old->entry, tr->entry);
    if (old->entry_poll)
        patch_jump(t, old->entry_poll, way_back(t, tr));
    if (old->entry_far) {
        patch_jump(t, old->entry_indirect, way_indirect(t, tr));
        patch_jump(t, old->entry_far, way_far(t, tr));
    }
    r->translation = NULL;
}

void translate_killed(struct soft *sv, struct block *b)
{
    if (b->translation)
        disable(translator_of(sv), b);
}

void translate_emptied(struct soft *sv)
{
    struct translator *t = translator_of(sv);
    if (!t->code_first)
        return; /* nothing was made */
    t->generation += BIT(GENERATION_SHIFT);
    if (!t->generation) { /* an old one comes again */
        t->generation = BIT(GENERATION_SHIFT);
        mem_fill(t->physical, 0, sizeof t->physical);
    }
    t->code_next = t->code_first;
    t->code_main = t->code_rest = (struct code_part){t->code_first, t->code_first};
    t->link_count = 0;
    places_forget(t);
    mem_fill(t->replaced, 0, sizeof t->replaced);
    for (unsigned k = 0; k < X86_TLB_FILLED; k++)
        forget_returns(t, k);
    t->kind = EXIT_RESULT; /* nothing to join */
    for (unsigned k = 0; k < ARRAY_LEN(t->indirect); k++)
        t->indirect[k].host = t->exit_jump;
}

/* The routines and tables of t, for its first translation: guests that end before they need one,
 * and all until then, do without that memory. */
static void prepare(struct translator *t)
{
    if (likely(t->code_first))
        return;
    translate_routines(t);
    for (unsigned k = 0; k < 1u << FAR_BITS; k++)
        t->far[0][k].linear = t->far[1][k].linear = FAR_NONE;
    translate_emptied(&t->soft);
}

/* --- Finding the way --- */

static bool part_has_room(struct translator *t, struct code_part *p)
{
    if (likely(p->end - p->at >= BLOCK_CODE_MAX))
        return true;
    u64 size = MIN((u64)t->code.size, cache_translation_share(&t->soft));
    if ((u64)(t->code_next - t->code.rw) + CODE_CHUNK > size)
        return false;
    os_code_grown(&t->code, (size_t)(t->code_next - t->code.rw));
    *p = (struct code_part){t->code_next, t->code_next + CODE_CHUNK};
    t->code_next = p->end;
    return true;
}

static bool has_room(struct translator *t)
{
    return part_has_room(t, &t->code_main) && part_has_room(t, &t->code_rest) &&
           t->link_count + EXITS_MAX + 2 <= LINKS_MAX;
}

static bool is_untranslatable(struct translator *t, const struct block *b, u8 env)
{
    enum give_up why = b->second_page >> 12 > INT32_MAX     ? GIVE_UP_TWO_PAGES
                       : (env & ENV_TLB) == X86_TLB_CHECKED ? GIVE_UP_CHECKED
                       : !has_room(t)                       ? GIVE_UP_NO_ROOM
                                                            : GIVE_UP_COUNT;
    if (why == GIVE_UP_COUNT)
        return false;
    t->given_up[why]++;
    return true;
}

/* The translation of b for the running environment; NULL: interpret it. */
static struct translation *ready(struct translator *t, struct block *b, u8 env)
{
    if (b->translation && b->translation->env == env)
        return b->translation;
    if (++b->heat < t->hot)
        return NULL;
    prepare(t);
    if (is_untranslatable(t, b, env))
        return NULL;
    b->heat = 0;
    if (b->translation)
        disable(t, b);
    x86_vector_release(&t->soft.cpu);
    vcpu_in_tier(t->soft.vcpu, TIER_TRANSLATING);
    b->translation = translate_block(t, b, env);
    if (b->translation)
        replace(t, b);
    return b->translation;
}

/* rip leads to b, in the running context; and so do others to its physical address. */
static void remember(struct translator *t, u64 rip, const struct block *b)
{
    struct translation *tr = b->translation;
    t->indirect[rip & mask_low(INDIRECT_BITS)] =
        (struct indirect){.host = way_indirect(t, tr), .rip = rip, .context = t->context};
    if (b->pa >> (GENERATION_SHIFT - 8))
        return;
    note_far_page(t, is_user(tr->env), rip, b->pa);
    t->physical[(b->pa ^ b->pa >> 12) & mask_low(PHYSICAL_BITS)] =
        (struct physical){.tag = t->generation | b->pa << 8 | tr->env,
                          .far = way_far(t, tr),
                          .indirect = way_indirect(t, tr)};
}

/* A far branch that came out: the page it leads to, and the code there. */
static void join_far(struct translator *t, const struct block *b, struct translation *tr, u64 rip)
{
    const struct link *k = &t->links[t->target];
    u64 number = b->pa >> 12;
    if (tr->env != k->env || number > INT32_MAX)
        return;
    note_far_page(t, is_user(tr->env), rip, b->pa);
    store32(k->site - FAR_NUMBER, (u32)number);
    patch_rel32(k->site, k->site - t->code.rw + t->code.rx, way_far(t, tr));
}

/* Joins the branch that came out to b, if that is where it still leads. */
static void join(struct translator *t, const struct block *b, struct translation *tr, u64 rip)
{
    if (t->lockstep)
        return; /* one translation at a time */
    if (t->kind == EXIT_JUMP || t->kind == EXIT_AT) {
        remember(t, rip, b);
    } else if (t->kind == EXIT_FAR) {
        join_far(t, b, tr, rip);
    } else if (t->kind == EXIT_LINK) {
        const struct link *k = &t->links[t->arg];
        if (b->pa == k->pa && tr->env == k->env)
            patch_rel32(k->site, k->site - t->code.rw + t->code.rx,
                        k->landing    ? way_far(t, tr)
                        : k->backward ? way_back(t, tr)
                                      : tr->entry);
    }
}

/* Accesses that share a check are not in one page that may be accessed: the rest of the block is
 * interpreted. A block that this happens to often gets a copy for it. */
static int run_slow(struct translator *t)
{
    struct soft *sv = &t->soft;
    struct block *b = (struct block *)(void *)(sv->arena.base + t->target);
    const struct x86_insn *i = named_insn(t, (u32)t->arg);
    if (b->translation && ++b->heat >= SLOW_RUNS_MAX) {
        disable(t, b);
        b->crosses = true;
        b->heat = (u16)t->hot;
    }
    sv->cpu.s.rip = t->page + i->at;
    return soft_interpret_from(sv, i);
}

/* Runs translated code from b on; enum x86_result. t->kind says how it came out. */
static int run_native(struct translator *t, const struct translation *tr)
{
    struct x86_cpu *cpu = &t->soft.cpu;
    t->page = cpu->s.rip & ~(u64)(PAGE_SIZE - 1);
    flags_in(t);
    translate_settle(t);
    t->entries++;
    t->inside = true;
    t->enter(t, tr->entry);
    t->inside = false;
    t->came_out[t->kind]++;
    if (t->kind == EXIT_RESULT)
        return (int)t->result;
    flags_out(t);
    switch (t->kind) {
    case EXIT_LINK: cpu->s.rip = t->page + (u64)(i64)t->links[t->arg].delta; break;
    case EXIT_AT: cpu->s.rip = t->page + t->arg; break;
    case EXIT_SLOW: return run_slow(t);
    default:
        if (unlikely(!x86_canonical(t->arg)))
            return redo_branch(t);
        cpu->s.rip = t->arg;
    }
    return X86_BRANCH;
}

/* Room ran out: everything goes, between blocks. */
static struct block *make_room(struct translator *t, struct block *b, int *r)
{
    if (likely(!t->code_first || has_room(t)))
        return b;
    block_cache_full(&t->soft);
    return block_find(&t->soft, r);
}

/* The end of an interpreted block, which may be gone when the next one is found. */
struct last_end {
    bool interpreted, direct;
    u64 pa; /* of the block */
};

static struct last_end end_of(const struct block *b)
{
    const struct x86_insn *last = &b->insn[(b->space - sizeof *b) / sizeof b->insn[0] - 2];
    const struct x86_form *f = &x86_forms[last->form];
    return (struct last_end){.interpreted = true,
                             .direct = !(f->flags & (X86_F_BRANCH | X86_F_END)) ||
                                       f->opnd[0].kind == X86_OPND_J,
                             .pa = b->pa};
}

/* How b was reached: for ways_emit(). */
static void note_way(const struct translator *t, struct last_end from, struct block *b)
{
    if (from.interpreted)
        b->ways |= !from.direct || (from.pa ^ b->pa) >= PAGE_SIZE ? WAY_FAR
                   : b->pa <= from.pa                             ? WAY_BACK
                                                                  : WAY_NEAR;
    else if (t->kind == EXIT_LINK)
        b->ways |= t->links[t->arg].backward ? WAY_BACK : WAY_NEAR;
    else
        b->ways |= WAY_FAR;
}

int translate_blocks(struct soft *sv)
{
    struct translator *t = translator_of(sv);
    struct x86_cpu *cpu = &sv->cpu;
    int r;
    soft_context_update(sv);
    t->kind = EXIT_RESULT;
    struct block *b = block_find(sv, &r);
    struct last_end from = {0};
    while (b) {
        if (!b->translation)
            note_way(t, from, b);
        b = make_room(t, b, &r);
        if (!b)
            break;
        u8 env = environment(cpu);
        struct translation *tr = ready(t, b, env);
        if (tr) {
            from.interpreted = false;
            set_context(t, env);
            note_second_page(t, b, env);
            join(t, b, tr, cpu->s.rip);
            r = unlikely(t->lockstep) ? lockstep_run(t, b, tr, run_native) : run_native(t, tr);
        } else {
            t->kind = EXIT_RESULT;
            from = end_of(b);
            r = soft_interpret(sv, b);
        }
        if (likely(r == X86_BRANCH)) {
            if (unlikely(__atomic_load_n(&cpu->request, __ATOMIC_RELAXED)))
                return X86_OK;
        } else {
            if (r != X86_END || !soft_is_quiet(sv))
                return r;
            soft_context_update(sv);
        }
        b = block_find(sv, &r);
    }
    if (r == X86_OK) { /* an instruction that no block can hold */
        r = x86_step(cpu);
        cpu->retired++;
    }
    return r;
}
