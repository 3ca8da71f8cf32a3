/* SPDX-License-Identifier: BSD-2-Clause */
/* Accesses of one block that share a check: their addresses differ by constants, and one lookup
 * covers all of them. Registers are followed by value, so that pushes, pops and a frame pointer
 * made from the stack pointer are one group. */
#include "engine/translate/lower.h"

enum {
    SPAN_MAX = 256, /* more would cross a page too often, and then the slow copy runs */
    STEP_MAX = 64,  /* bytes that a register moves in a block and still stays near */
    FIRST_ID = 1,
    PAGE_VALUE = 16,
    VALUES,
};

/* A register holds what had number `id` when it was new, plus delta. */
struct value {
    u32 id;
    i64 delta;
};

struct place {
    u32 base, index; /* ids of values; 0: none */
    u8 scale, seg;
    i64 disp;
};

struct group {
    struct place at; /* of its first access */
    i64 low, high;   /* displacements: of all, from that one */
    u8 align, leader, which, count;
    bool write;
    u32 exits; /* of the block when its first access was done */
};

struct sharing {
    unsigned word; /* bytes of an address; sums of 4 bytes wrap, but not inside a page */
    struct value value[VALUES];
    u32 next_id;
    u32 exits;             /* places so far where a block may be left: branches, accesses */
    u32 renewed;           /* registers that got another id by the running instruction */
    unsigned groups, open; /* those before `open` ended with a callout */
    struct group group[CHECK_GROUPS_MAX];
};

static void forget(struct sharing *s, unsigned reg)
{
    s->value[reg] = (struct value){.id = s->next_id++};
    s->renewed |= 1u << reg;
}

static void forget_all(struct sharing *s)
{
    for (unsigned r = 0; r < PAGE_VALUE; r++)
        forget(s, r);
    s->open = s->groups;
}

/* --- What an instruction does to the registers --- */

static void forget_operands(struct sharing *s, const struct x86_insn *i)
{
    for (unsigned n = 0; n < X86_OPND_MAX; n++) {
        const struct x86_opnd *o = &x86_forms[i->form].opnd[n];
        unsigned r = i->rm;
        if (!(o->access & X86_WR))
            continue;
        switch (o->kind) {
        case X86_OPND_G: r = i->reg; break;
        case X86_OPND_B: r = i->vvvv; break;
        case X86_OPND_E:
            if (i->flags & X86_I_MEM)
                continue;
            break;
        case X86_OPND_R:
        case X86_OPND_Z: break;
        case X86_OPND_FIX: {
            static const u8 fixed[] = {X86_RAX, X86_RCX, X86_RDX, X86_RBX,
                                       X86_RSP, X86_RBP, X86_RSI, X86_RDI};
            if (o->reg > X86_FIX_DI)
                continue;
            r = fixed[o->reg];
            break;
        }
        default: continue;
        }
        forget(s, r & 15);
        if (x86_opnd_bytes(i, n) == 1) /* AH is a part of RAX */
            forget(s, r & 3);
    }
}

/* Registers that the operands do not show are these four. */
static bool writes_operands_only(const struct x86_insn *i)
{
    switch (i->op) {
    case X86_OP_ADD:
    case X86_OP_ADC:
    case X86_OP_SUB:
    case X86_OP_SBB:
    case X86_OP_AND:
    case X86_OP_OR:
    case X86_OP_XOR:
    case X86_OP_CMP:
    case X86_OP_TEST:
    case X86_OP_INC:
    case X86_OP_DEC:
    case X86_OP_NEG:
    case X86_OP_NOT:
    case X86_OP_MOV:
    case X86_OP_MOVZX:
    case X86_OP_MOVSX:
    case X86_OP_MOVSXD:
    case X86_OP_LEA:
    case X86_OP_SHL:
    case X86_OP_SHR:
    case X86_OP_SAR:
    case X86_OP_ROL:
    case X86_OP_ROR:
    case X86_OP_SHLD:
    case X86_OP_SHRD:
    case X86_OP_RORX:
    case X86_OP_BSWAP:
    case X86_OP_SETCC:
    case X86_OP_CMOVCC:
    case X86_OP_XCHG:
    case X86_OP_XADD:
    case X86_OP_BT:
    case X86_OP_PUSH:
    case X86_OP_POP:
    case X86_OP_CALL:
    case X86_OP_JCC:
    case X86_OP_NOP: return true;
    case X86_OP_IMUL: return i->off_imm || i->map;
    }
    return false;
}

static bool is_vector(const struct x86_insn *i)
{
    for (unsigned n = 0; n < X86_OPND_MAX; n++)
        if (x86_forms[i->form].opnd[n].kind == X86_OPND_V)
            return true;
    return false;
}

static void forget_written(struct sharing *s, const struct x86_insn *i)
{
    forget_operands(s, i);
    if (writes_operands_only(i))
        return;
    forget(s, X86_RCX); /* the string comparisons of SSE4.2 among them */
    if (is_vector(i))
        return;
    forget(s, X86_RAX);
    forget(s, X86_RDX);
    forget(s, X86_RBX);
}

/* to = from + delta */
static void derive(struct sharing *s, unsigned to, unsigned from, i64 delta)
{
    if (to != from)
        s->renewed |= 1u << to;
    s->value[to] = (struct value){s->value[from].id, s->value[from].delta + delta};
}

/* Instructions after which a register is another plus a constant. */
static bool follow_values(struct sharing *s, const struct x86_insn *i, i64 next)
{
    bool reg = i->off_modrm && !(i->flags & X86_I_MEM);
    int word = (int)s->word;
    if (i->osz != s->word)
        return false;
    switch (i->op) {
    case X86_OP_MOV:
        if (!reg || i->map != 0 || (i->opcode != 0x89 && i->opcode != 0x8b))
            return false;
        derive(s, i->opcode == 0x89 ? i->rm : i->reg, i->opcode == 0x89 ? i->reg : i->rm, 0);
        return true;
    case X86_OP_ADD:
    case X86_OP_SUB:
        if (!reg || !i->off_imm || i->imm + (1u << 30) > 1u << 31)
            return false;
        derive(s, i->rm, i->rm, i->op == X86_OP_ADD ? (i64)i->imm : -(i64)i->imm);
        return true;
    case X86_OP_INC:
    case X86_OP_DEC:
        if (!reg)
            return false;
        derive(s, i->rm, i->rm, i->op == X86_OP_INC ? 1 : -1);
        return true;
    case X86_OP_LEA:
        if (i->asz != s->word || i->index != X86_NO_REG || i->base == X86_NO_REG)
            return false;
        if (i->base == X86_REG_RIP)
            derive(s, i->reg, PAGE_VALUE, next + i->disp);
        else
            derive(s, i->reg, i->base, i->disp);
        return true;
    case X86_OP_PUSH: derive(s, X86_RSP, X86_RSP, -word); return true;
    case X86_OP_CALL: derive(s, X86_RSP, X86_RSP, -word); return true;
    case X86_OP_POP:
        derive(s, X86_RSP, X86_RSP, word);
        forget(s, i->rm);
        return true;
    case X86_OP_LEAVE:
        derive(s, X86_RSP, X86_RBP, word);
        forget(s, X86_RBP);
        return true;
    }
    return false;
}

/* --- Groups --- */

static bool place_of(const struct sharing *s, const struct x86_insn *i, const struct access *a,
                     i64 next, struct place *p)
{
    *p = (struct place){.seg = X86_DS};
    if (a->stack) {
        p->base = s->value[a->base].id;
        p->disp = s->value[a->base].delta + a->disp;
        return true;
    }
    if (i->asz != s->word)
        return false;
    if (i->seg == X86_FS || i->seg == X86_GS)
        p->seg = i->seg;
    p->disp = i->disp;
    if (i->base != X86_NO_REG) {
        const struct value *v = &s->value[i->base == X86_REG_RIP ? PAGE_VALUE : i->base];
        p->base = v->id;
        p->disp += v->delta + (i->base == X86_REG_RIP ? next : 0);
    }
    if (i->index != X86_NO_REG) {
        p->index = s->value[i->index].id;
        p->scale = i->scale;
        p->disp += s->value[i->index].delta * i->scale;
    }
    return true;
}

/* A check for writing marks the page as dirty, which must not happen when the block is left before
 * the store: a group of reads takes a store only if nothing between them can fault or branch. */
static bool may_store(const struct sharing *s, const struct group *g)
{
    return g->write || g->exits == s->exits;
}

static bool joins(const struct sharing *s, const struct group *g, const struct place *p,
                  const struct access *a)
{
    if (a->write && !may_store(s, g))
        return false;
    i64 from = p->disp - g->at.disp;
    i64 low = MIN(g->low, from), high = MAX(g->high, from + (i64)a->size);
    if (g->at.base != p->base || g->at.index != p->index || g->at.scale != p->scale ||
        g->at.seg != p->seg || high - low > SPAN_MAX)
        return false;
    /* The first access is the only one that looks at alignment. */
    return a->align <= g->align && !(from & a->align) && !(low & g->align);
}

static void add(struct lower *l, struct sharing *s, const struct place *p, unsigned k, unsigned n)
{
    struct access *a = &l->access[k][n];
    unsigned g = s->open;
    while (g < s->groups && !joins(s, &s->group[g], p, a))
        g++;
    if (g == s->groups) {
        s->exits++;
        if (g == CHECK_GROUPS_MAX)
            return;
        s->group[s->groups++] = (struct group){.at = *p,
                                               .high = a->size,
                                               .align = (u8)a->align,
                                               .leader = (u8)k,
                                               .which = (u8)n,
                                               .exits = s->exits};
    }
    struct group *to = &s->group[g];
    a->group = (i8)g;
    a->from_first = (i32)(p->disp - to->at.disp);
    to->low = MIN(to->low, p->disp - to->at.disp);
    to->high = MAX(to->high, p->disp - to->at.disp + (i64)a->size);
    to->write |= a->write;
    to->count++;
}

/* Groups of one are none; the others learn what their check covers. */
static bool settle(struct lower *l, const struct sharing *s, unsigned count)
{
    bool any = false;
    for (unsigned k = 0; k < count; k++)
        for (unsigned n = 0; n < ACCESSES; n++) {
            struct access *a = &l->access[k][n];
            if (!a->size || a->group < 0)
                continue;
            const struct group *g = &s->group[a->group];
            if (g->count < 2) {
                a->group = -1;
                continue;
            }
            any = true;
            a->leads = g->leader == k && g->which == n;
            a->from_low = (i32)(a->from_first - g->low);
            a->span = (u16)(g->high - g->low);
            a->group_writes = g->write;
        }
    return any;
}

/* Registers that are now what they were at the block's start, plus little. */
static void note_steady(struct lower *l, const struct sharing *s)
{
    for (unsigned r = 0; r < PAGE_VALUE; r++) {
        i64 step = s->value[r].delta;
        if (s->value[r].id != FIRST_ID + r || step > STEP_MAX || step < -STEP_MAX)
            continue;
        l->steady |= 1u << r;
        if (step)
            l->stepped |= 1u << r;
    }
}

/* Registers that hold a byte behind i, given those before. */
static u32 narrow_behind(const struct x86_insn *i, const struct sharing *s, u32 narrow)
{
    bool byte = i->op == X86_OP_MOVZX && x86_opnd_bytes(i, 1) == 1;
    return byte ? narrow | s->renewed : narrow & ~s->renewed;
}

static bool branches_to(const struct x86_insn *i, i64 next, i64 start)
{
    return (i->op == X86_OP_JCC || i->op == X86_OP_JMP) &&
           x86_forms[i->form].opnd[0].kind == X86_OPND_J && next + (i64)i->imm == start;
}

bool share_checks(struct lower *l, const struct x86_insn *insn, unsigned count)
{
    struct sharing s = {.next_id = FIRST_ID, .word = l->word};
    i64 start = (i64)(l->b->pa & (PAGE_SIZE - 1)), next = start;
    u32 narrow = 0;
    for (unsigned r = 0; r < VALUES; r++)
        forget(&s, r);
    for (unsigned k = 0; k < count; k++) {
        struct place p;
        next += insn[k].len;
        if (l->called_out[k]) {
            forget_all(&s);
            narrow = 0;
            continue;
        }
        for (unsigned n = 0; n < ACCESSES; n++)
            if (l->access[k][n].size) {
                if (!l->access[k][n].partly && place_of(&s, &insn[k], &l->access[k][n], next, &p))
                    add(l, &s, &p, k, n);
                else
                    s.exits++;
            }
        s.exits +=
            insn[k].op == X86_OP_JCC || insn[k].op == X86_OP_DIV || insn[k].op == X86_OP_IDIV;
        s.renewed = 0;
        if (!follow_values(&s, &insn[k], next))
            forget_written(&s, &insn[k]);
        l->narrow[k] = (u16)narrow;
        narrow = narrow_behind(&insn[k], &s, narrow);
        if (l->loops)
            continue;
        l->loops = branches_to(&insn[k], next, start);
        l->near_end = k;
        if (l->loops || k + 1 == count)
            note_steady(l, &s);
    }
    return settle(l, &s, count);
}
