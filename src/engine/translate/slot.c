/* SPDX-License-Identifier: BSD-2-Clause */
/* Checks by the page that was found last, for accesses that are expected to stay in it: those to
 * the stack and to fixed addresses, and those of loops that step through memory. */
#include "engine/translate/lower.h"

static const u16 sizes[SLOT_SIZES] = {8, 16, 32, 64, 256};

void translate_void_slots(struct translator *t)
{
    for (unsigned c = 0; c < SLOT_CLASSES; c++)
        for (unsigned s = 0; s < SLOT_SIZES; s++)
            for (unsigned k = 0; k < SLOTS; k++) {
                t->slot[c][s][k].limit = 0;
                t->slot[c][s][k].valid_limit = PAGE_SIZE - sizes[s] + 1u;
            }
    t->slots_at = t->soft.cpu.tlb_changes;
}

/* opcode reg, [rsp + rax + disp] */
static void emit_by_rax(struct emit *e, unsigned opcode, unsigned reg, i32 disp)
{
    emit8(e, 0x40 | REX_W | (reg >> 3) << 2);
    emit8(e, opcode);
    emit8(e, 0x84 | (reg & 7) << 3);
    emit8(e, 0x04);
    emit32(e, (u32)disp);
}

/* T0 = linear address, T1 = the slot's offset from the first. A page is asked for only for all of
 * an access, or it would be marked as written when the access faults in the next one. */
static void emit_fill(struct translator *t, struct emit *e, unsigned class, unsigned s)
{
    enum { PUSHED = 24 };
    i32 tlb =
        PUSHED + AT(soft.cpu.tlb) + (i32)(class / 2 * X86_TLB_SIZE * sizeof(struct x86_tlb_entry));
    i32 tag = tlb + (i32)offsetof(struct x86_tlb_entry, tag) +
              8 * (i32)(class & 1 ? X86_WRITE : X86_READ);
    i32 slot = PUSHED + AT(slot);
    t->fill_slot[class][s] = emit_rx(e, e->p);
    const u8 *again = t->fill_slot[class][s];
    EMIT(e, 0x50, 0x51, 0x44, 0x89, 0xd0, 0xc1, 0xe8, 0x06, 0x25); /* push rax, rcx; */
    emit32(e, (X86_TLB_SIZE - 1) * 64);                            /* mov eax, r10d; shr 6; and */
    emit_by_rax(e, 0x8b, X86_RCX, tag);
    emit_rr(e, REX_W, 0x2b, T0, X86_RCX);
    EMIT(e, 0x49, 0x81, 0xfa); /* cmp r10, imm32 */
    emit32(e, PAGE_SIZE - 1);
    u8 *missed = emit_jcc_open(e, CC_A);
    emit_table(e, 0x89, X86_RCX, 0, slot + (i32)offsetof(struct page_slot, tag));
    emit_by_rax(e, 0x8b, X86_RCX, tlb + (i32)offsetof(struct x86_tlb_entry, host));
    emit_table(e, 0x89, X86_RCX, 0, slot + (i32)offsetof(struct page_slot, host));
    emit_table(e, 0x8b, X86_RCX, 0, slot + (i32)offsetof(struct page_slot, valid_limit));
    emit_table(e, 0x89, X86_RCX, 0, slot + (i32)offsetof(struct page_slot, limit));
    EMIT(e, 0x59, 0x58, 0xc3); /* pop rcx, rax; ret */
    emit_land(e, missed);
    EMIT(e, 0x4c, 0x03, 0xd1, 0x59, 0x58, 0x41, 0x53, 0x41, 0xbb); /* add r10, rcx; pop rcx, rax; */
    emit32(e, refill_of(sizes[s], class & 1 ? X86_WRITE : X86_READ,
                        class / 2)); /* push r11; mov r11d */
    emit_call(e, t->do_refill_for_slot);
    EMIT(e, 0x41, 0x5b); /* pop r11 */
    emit_jcc(e, CC_NE, again);
    EMIT(e, 0x49, 0x83, 0xca, 0xff, 0xc3); /* or r10, -1; ret */
}

void slot_routines(struct translator *t, struct emit *e)
{
    for (unsigned class = 0; class < SLOT_CLASSES; class ++)
        for (unsigned s = 0; s < SLOT_SIZES; s++)
            emit_fill(t, e, class, s);
    translate_void_slots(t);
}

/* A table at a fixed address, by a byte: does it go on in another page? */
static bool table_crosses(const struct x86_insn *i)
{
    return i->base == X86_NO_REG && ((u32)i->disp & (PAGE_SIZE - 1)) + 256u * i->scale > PAGE_SIZE;
}

bool slot_is_near(const struct lower *l)
{
    const struct x86_insn *i = l->i;
    u32 base = i->base < 16 ? 1u << i->base : 0, index = i->index < 16 ? 1u << i->index : 0;
    if (!index && i->base == X86_RSP)
        return true;
    /* Outside loops other blocks take the slot away: half of the accesses to fixed addresses, and a
     * third of those through stepped registers, did not find their page in large programs. */
    bool longer_loop = (l->b->ways & WAY_BACK) && ((base | index) & l->stepped);
    if (!(l->loops || longer_loop) || l->index > l->near_end ||
        (index & ~(l->narrow[l->index] | l->steady)))
        return false;
    if ((index & ~l->steady) && table_crosses(i))
        return false;
    return i->base == X86_RSP || !base || (base & l->steady);
}

void slot_check(struct lower *l, unsigned size, enum x86_access access, bool stack)
{
    unsigned class = (l->env & ENV_TLB) * 2u + (access == X86_WRITE), s = 0;
    while (sizes[s] < size)
        s++;
    /* The stack's slot is the first; the others go round. */
    u8 *last = &l->t->last_slot[class][s];
    if (!stack)
        *last = (u8)(*last % (SLOTS - 1) + 1);
    unsigned slot = stack ? 0 : *last;
    i32 offset = (i32)(((class * SLOT_SIZES + s) * SLOTS + slot) * sizeof(struct page_slot));
    emit_state(&l->e, REX_W, 0x2b, T0, AT(slot) + offset + (i32)offsetof(struct page_slot, tag));
    emit_state(&l->e, REX_W, 0x3b, T0, AT(slot) + offset + (i32)offsetof(struct page_slot, limit));
    u8 *site = emit_jcc_open(&l->e, CC_AE);
    l->miss[l->misses++] = (struct miss){.site = site,
                                         .back = l->e.p,
                                         .offset = offset,
                                         .size = (u16)size,
                                         .class = (u8) class,
                                         .sizes = (u8)s,
                                         .slow = (u16)l->slows};
    lower_slow_at(l, NULL);
    emit_state(&l->e, REX_W, 0x03, T0, AT(slot) + offset + (i32)offsetof(struct page_slot, host));
}

void slot_emit_misses(struct lower *l)
{
    struct emit *e = &l->e;
    for (unsigned k = 0; k < l->misses; k++) {
        const struct miss *m = &l->miss[k];
        emit_land(e, m->site);
        emit_state(e, REX_W, 0x03, T0, AT(slot) + m->offset + (i32)offsetof(struct page_slot, tag));
        EMIT(e, 0x41, 0xbb); /* mov r11d, imm32 */
        emit32(e, (u32)m->offset);
        emit_call(e, l->t->fill_slot[m->class][m->sizes]);
        EMIT(e, 0x49, 0x81, 0xfa); /* cmp r10, imm32 */
        emit32(e, 4096u - m->size);
        l->slow[m->slow].site = emit_jcc_open(e, CC_A);
        emit_jump(e, emit_rx(e, m->back));
    }
}
