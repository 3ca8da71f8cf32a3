/* SPDX-License-Identifier: BSD-2-Clause */
/* Operands of guest instructions: registers, addresses, the way through the software TLB. */
#include "engine/translate/lower.h"

unsigned lower_gpr(struct lower *l, unsigned guest, unsigned scratch)
{
    if (guest == X86_RSP)
        return GUEST_SP;
    if (!is_homed(guest))
        return guest;
    emit_load(&l->e, scratch, AT_GPR(guest));
    if (scratch == T0)
        l->in_t0 = -1;
    return scratch;
}

void lower_set_gpr(struct lower *l, unsigned guest, unsigned host)
{
    if (is_homed(guest))
        emit_store(&l->e, host, AT_GPR(guest));
    else
        emit_move(&l->e, guest == X86_RSP ? (unsigned)GUEST_SP : guest, host);
}

/* AH = SF ZF AF PF CF, AL = OF: the only way to keep flags that is not slow. T1 is used. */
void emit_save_flags(struct emit *e)
{
    emit_move(e, T1, X86_RAX);
    EMIT(e, 0x9f, 0x0f, 0x90, 0xc0, 0x66); /* lahf; seto al; mov [..], ax */
    emit_state(e, 0, 0x89, X86_RAX, AT(flags_check));
    emit_move(e, X86_RAX, T1);
}

void emit_restore_flags(struct emit *e)
{
    emit_move(e, T1, X86_RAX);
    emit8(e, 0x0f); /* movzx eax, word [..] */
    emit_state(e, 0, 0xb7, X86_RAX, AT(flags_check));
    EMIT(e, 0x04, 0x7f, 0x9e); /* add al, 127; sahf */
    emit_move(e, X86_RAX, T1);
}

void lower_spoil_flags(struct lower *l)
{
    if (!l->flags_live || l->flags_saved)
        return;
    if (l->first_use == FLAGS_UNTOUCHED)
        l->first_use = FLAGS_SPOILED;
    emit_save_flags(&l->e);
    l->flags_saved = true;
}

void lower_use_flags(struct lower *l)
{
    if (l->first_use == FLAGS_UNTOUCHED)
        l->first_use = FLAGS_USED;
    if (l->flags_saved && l->flags_live)
        emit_restore_flags(&l->e);
    l->flags_saved = false;
}

static i64 rip_displacement(const struct lower *l)
{
    return (i64)l->next + l->i->disp;
}

bool lower_has_address(const struct lower *l)
{
    const struct x86_insn *i = l->i;
    if (i->index != X86_NO_REG && i->index >= 16)
        return false;
    if (l->word == 4 && i->seg == X86_CS) /* cannot be written, at most read */
        return false;
    return i->base != X86_REG_RIP || rip_displacement(l) == (i32)rip_displacement(l);
}

/* to = base + disp, the shortest way */
static void emit_sum(struct emit *e, unsigned w, unsigned to, unsigned base, i32 disp)
{
    bool small = disp == (i8)disp;
    if (disp == 0) {
        emit_rr(e, w, 0x8b, to, base);
        return;
    }
    emit8(e, 0x40 | w | (to >> 3) << 2 | base >> 3);
    emit8(e, 0x8d);
    emit8(e, (small ? 0x40 : 0x80) | (to & 7) << 3 | (base & 7));
    if ((base & 7) == 4)
        emit8(e, 0x24);
    if (small)
        emit8(e, (u8)disp);
    else
        emit32(e, (u32)disp);
}

/* lea to, [base + index * scale + disp32], base or index may be X86_NO_REG */
static void emit_lea_full(struct emit *e, unsigned w, unsigned to, unsigned base, unsigned index,
                          unsigned scale, i32 disp)
{
    bool no_base = base == X86_NO_REG, no_index = index == X86_NO_REG;
    emit8(e, 0x40 | w | (to >> 3) << 2 | (no_index ? 0 : (index >> 3) << 1) |
                 (no_base ? 0 : base >> 3));
    emit8(e, 0x8d);
    emit8(e, (no_base ? 0x00 : 0x80) | (to & 7) << 3 | 4);
    emit8(e, (unsigned)__builtin_ctz(scale) << 6 | (no_index ? 4 : index & 7) << 3 |
                 (no_base ? 5 : base & 7));
    emit32(e, (u32)disp);
}

static void emit_movzx16(struct emit *e, unsigned reg)
{
    emit8(e, 0x40 | (reg >> 3) << 2 | reg >> 3);
    EMIT(e, 0x0f, 0xb7);
    emit8(e, 0xc0 | (reg & 7) << 3 | (reg & 7));
}

void lower_offset(struct lower *l, unsigned to, unsigned w)
{
    const struct x86_insn *i = l->i;
    unsigned base = i->base, index = i->index;
    i32 disp = i->disp;
    if (to == T0 || base == X86_REG_RIP)
        l->in_t0 = -1;
    if (base == X86_REG_RIP) {
        emit_load(&l->e, T0, AT(page));
        base = T0;
        disp = (i32)rip_displacement(l);
    } else if (base != X86_NO_REG) {
        base = lower_gpr(l, base, T0);
    }
    if (index != X86_NO_REG)
        index = lower_gpr(l, index, T1);
    disp += l->bias;
    if (base != X86_NO_REG && index == X86_NO_REG)
        emit_sum(&l->e, w, to, base, disp);
    else
        emit_lea_full(&l->e, w, to, base, index, index == X86_NO_REG ? 1 : i->scale, disp);
    if (i->asz == 2)
        emit_movzx16(&l->e, to);
}

void lower_address(struct lower *l)
{
    const struct x86_insn *i = l->i;
    lower_offset(l, T0, i->asz == 8 ? REX_W : 0);
    lower_add_base(l);
}

/* The other segments are flat, or nothing is translated. FS and GS often hold what another process
 * uses; what can't be accessed without a look at its limit is left to the callout. */
static void check_unlimited(struct lower *l, unsigned seg)
{
    lower_spoil_flags(l);
    emit_state(&l->e, 0, 0xf6, 0, AT(soft.cpu.unlimited)); /* test byte [..], imm8 */
    emit8(&l->e, 1u << seg);
    lower_slow(l, CC_E);
}

void lower_add_base(struct lower *l)
{
    unsigned seg = l->i->seg;
    if (seg != X86_FS && seg != X86_GS)
        return;
    if (l->word == 4)
        check_unlimited(l, seg);
    emit_load(&l->e, T1, AT(soft.cpu.s.seg[0].base) + (i32)sizeof(struct x86_segment) * (i32)seg);
    emit8(&l->e, 0x47 | lower_w(l)); /* lea r10, [r10 + r11] */
    EMIT(&l->e, 0x8d, 0x14, 0x1a);
}

void lower_slow_at(struct lower *l, u8 *site)
{
    l->slow[l->slows++] = (struct slow){.site = site,
                                        .name = callout_name(l->t, l->bound),
                                        .index = (u8)l->index,
                                        .flags_saved = l->flags_saved};
}

void lower_slow(struct lower *l, unsigned cc)
{
    lower_slow_at(l, emit_jcc_open(&l->e, cc));
}

void lower_check(struct lower *l, unsigned size, enum x86_access access, unsigned align)
{
    struct emit *e = &l->e;
    i32 entry =
        AT(soft.cpu.tlb) + (i32)((l->env & ENV_TLB) * X86_TLB_SIZE * sizeof(struct x86_tlb_entry));
    _Static_assert(sizeof(struct x86_tlb_entry) == 64 && X86_TLB_BITS == 12,
                   "see the shift and mask");
    lower_spoil_flags(l);
    if (align) {
        EMIT(e, 0x41, 0xf7, 0xc2); /* test r10d, imm32 */
        emit32(e, align);
        lower_slow(l, CC_NE);
    }
    l->in_t0 = -1;
    l->place = 0;
    if (l->near) {
        slot_check(l, size, access, l->near_stack);
        return;
    }
    i32 tag = entry + (i32)offsetof(struct x86_tlb_entry, tag) + 8 * (i32)access;
    u8 *retry = e->p;
    EMIT(e, 0x45, 0x8b, 0xda, 0x41, 0xc1, 0xeb, 0x06, 0x41, 0x81,
         0xe3); /* mov r11d, r10d; shr 6; and */
    emit32(e, (X86_TLB_SIZE - 1) * 64);
    emit_table(e, 0x2b, T0, 0, tag);
    EMIT(e, 0x49, 0x81, 0xfa); /* cmp r10, imm32 */
    emit32(e, 4096 - size);
    lower_slow(l, CC_A);
    struct slow *s = &l->slow[l->slows - 1];
    s->retry = l->partly ? NULL : retry;
    s->tag = tag;
    s->refill = refill_of(size, access, l->env & ENV_TLB);
    emit_table(e, 0x03, T0, 0, entry + (i32)offsetof(struct x86_tlb_entry, host));
}

/* What is known of access n of the running instruction: nothing until COPY_SLOW has found it. */
static const struct access *known(struct lower *l, unsigned n, struct access now)
{
    struct access *a = &l->access[l->index][n];
    if (l->copy == COPY_SLOW)
        *a = now;
    return l->copy == COPY_QUICK && a->group >= 0 ? a : NULL;
}

/* T0 = what the check before gave. */
static void reuse(struct lower *l, const struct access *a)
{
    if (l->in_t0 != a->group)
        emit_load(&l->e, T0, AT(checked) + 8 * a->group);
    l->in_t0 = a->group;
    l->place = a->from_low;
}

static void check_group(struct lower *l, const struct access *a)
{
    lower_check(l, a->span, a->group_writes ? X86_WRITE : X86_READ, a->align);
    emit_store(&l->e, T0, AT(checked) + 8 * a->group);
    l->in_t0 = a->group;
    l->place = a->from_low;
}

void lower_operand(struct lower *l, unsigned size, enum x86_access access, unsigned align)
{
    const struct access *a = known(l, ACCESS_OPERAND,
                                   (struct access){.size = (u16)size,
                                                   .align = (u8)align,
                                                   .write = access == X86_WRITE,
                                                   .partly = l->partly,
                                                   .group = -1});
    if (a && !a->leads) {
        reuse(l, a);
        return;
    }
    l->bias = a ? -a->from_low : 0;
    lower_address(l);
    l->bias = 0;
    l->near = l->copy != COPY_SLOW && !l->partly && slot_is_near(l);
    l->near_stack = l->i->base == X86_RSP;
    if (a)
        check_group(l, a);
    else
        lower_check(l, size, access, align);
    l->near = false;
}

void lower_stack_word(struct lower *l, unsigned base, i32 disp, enum x86_access access)
{
    const struct access *a = known(l, ACCESS_STACK,
                                   (struct access){.size = (u16)l->word,
                                                   .write = access == X86_WRITE,
                                                   .stack = true,
                                                   .base = base == GUEST_SP ? X86_RSP : (u8)base,
                                                   .disp = disp,
                                                   .group = -1});
    if (a && !a->leads) {
        reuse(l, a);
        return;
    }
    emit_sum(&l->e, lower_w(l), T0, base, disp - (a ? a->from_low : 0));
    l->near = l->copy != COPY_SLOW;
    l->near_stack = true;
    if (a)
        check_group(l, a);
    else
        lower_check(l, l->word, access, 0);
    l->near = false;
}
