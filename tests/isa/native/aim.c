/* SPDX-License-Identifier: BSD-2-Clause */
/* Registers and flags for an instruction: random, but such that its addresses mostly hit the data,
 * sometimes its edges, and that it does not always fault. */
#include <string.h>

#include "native.h"

/* --- Addresses --- */

/* A linear address for an access of some size. */
static u64 pick_address(struct native_random *r, unsigned align)
{
    u64 n = native_random_below(r, 100), off = native_random_below(r, NATIVE_DATA_SIZE - 128);
    if (align && native_random_chance(r, 95))
        off &= ~(u64)(align - 1);
    if (n < 50)
        return NATIVE_DATA + (off & ~(u64)7);
    if (n < 90)
        return NATIVE_DATA + off;
    if (n < 94) /* around a page boundary, the read-only page and the end included */
        return NATIVE_DATA + (off & ~(u64)4095) + 4096 * (off & 1) - 32 + (off >> 4 & 63);
    if (n < 97)
        return NATIVE_READ_ONLY - 16 + (off & 4127);
    /* Not within GS's base of the edge of the canonical range: whether the offset or the sum must
     * be canonical differs. */
    u64 v = native_random_value(r);
    return x86_canonical(v) == x86_canonical(v - NATIVE_DATA) ? v : NATIVE_DATA;
}

static u64 width(unsigned size)
{
    return mask_low(size * 8);
}

static void set_low(u64 *reg, unsigned size, u64 v)
{
    *reg = size == 4 ? (u32)v : (*reg & ~width(size)) | (v & width(size));
}

/* Segment base as the effective address sees it. */
static u64 segment_base(const struct native_case *c, unsigned seg)
{
    if (c->mode == X86_MODE16)
        return seg == X86_CS ? NATIVE_CODE : NATIVE_DATA;
    return seg == X86_GS ? NATIVE_DATA : 0;
}

/* Writes the displacement into the encoding: 1, 2 or 4 bytes as it was. */
static void patch_displacement(struct native_case *c, u64 disp)
{
    struct x86_insn *i = &c->insn;
    unsigned end = i->off_imm ? i->off_imm : i->len, size = end - i->off_disp;
    if (!i->off_disp || (size != 2 && size != 4))
        return;
    memcpy(c->code + i->off_disp, &disp, size);
    native_decode(i, c->code, c->mode);
}

static void aim_memory_operand(struct native_case *c, struct native_random *r)
{
    struct x86_insn *i = &c->insn;
    unsigned align = x86_forms[i->form].flags & X86_F_ALIGN ? i->vl ? i->vl : 16 : 0;
    u64 want = pick_address(r, align) - segment_base(c, i->seg), *gpr = c->regs.gpr;
    bool vector_index = false;
    for (unsigned n = 0; n < X86_OPND_MAX; n++)
        vector_index |= x86_forms[i->form].opnd[n].kind == X86_OPND_VM;
    if (vector_index) /* its elements are small */
        want = NATIVE_DATA + NATIVE_DATA_SIZE / 2 - segment_base(c, i->seg);

    if (i->base == X86_REG_RIP) {
        patch_displacement(c, want - (NATIVE_CODE + NATIVE_IP + i->len));
        return;
    }
    bool has_index = i->index < 16 && !vector_index;
    if (has_index && i->index != i->base && native_random_chance(r, 70))
        set_low(&gpr[i->index], i->asz, native_random_below(r, 512));
    u64 index = has_index ? gpr[i->index] * i->scale : 0;
    u64 rest = want - (u64)(i64)i->disp - index;
    if (i->base < 16 && has_index && i->base == i->index)
        set_low(&gpr[i->base], i->asz,
                ((want - (u64)(i64)i->disp) & width(i->asz)) / (1u + i->scale));
    else if (i->base < 16)
        set_low(&gpr[i->base], i->asz, rest);
    else
        patch_displacement(c, want - index);
}

/* Memory named by fixed registers: strings, stack, XLAT, MOV with an absolute offset. */
static void aim_fixed_registers(struct native_case *c, struct native_random *r)
{
    const struct x86_form *form = &x86_forms[c->insn.form];
    struct x86_insn *i = &c->insn;
    u64 *gpr = c->regs.gpr;

    for (unsigned n = 0; n < X86_OPND_MAX; n++) {
        switch (form->opnd[n].kind) {
        case X86_OPND_X:
            set_low(&gpr[X86_RSI], i->asz, pick_address(r, 0) - segment_base(c, i->seg));
            break;
        case X86_OPND_Y:
            set_low(&gpr[X86_RDI], i->asz, pick_address(r, 0) - segment_base(c, X86_ES));
            if (native_random_chance(r, 10)) /* overlapping */
                set_low(&gpr[X86_RDI], i->asz, gpr[X86_RSI] + native_random_below(r, 33) - 16);
            break;
        case X86_OPND_MDI:
            set_low(&gpr[X86_RDI], i->asz, pick_address(r, 0) - segment_base(c, i->seg));
            break;
        case X86_OPND_XLAT:
            set_low(&gpr[X86_RBX], i->asz, pick_address(r, 0) - segment_base(c, i->seg));
            break;
        case X86_OPND_O: {
            u64 off = pick_address(r, 0) - segment_base(c, i->seg);
            memcpy(c->code + i->off_imm, &off, i->asz);
            native_decode(i, c->code, c->mode);
            break;
        }
        }
    }
    if (form->flags & X86_F_REP)
        set_low(&gpr[X86_RCX], i->asz,
                native_random_below(r, native_random_chance(r, 90) ? 48 : 6000));
}

static void aim_stack(struct native_case *c, struct native_random *r)
{
    u64 base = segment_base(c, X86_SS), *gpr = c->regs.gpr;
    unsigned size = c->mode == X86_MODE64 ? 8 : c->mode == X86_MODE32 ? 4 : 2;
    u64 sp = native_random_chance(r, 96) ? NATIVE_DATA + 4096 + native_random_below(r, 48 * 1024)
                                         : pick_address(r, 0);
    if (native_random_chance(r, 85))
        sp &= ~(u64)7;
    set_low(&gpr[X86_RSP], size, sp - base);
    if (native_random_chance(r, 50))
        set_low(&gpr[X86_RBP], size, sp - base + native_random_below(r, 256));
}

/* Operations whose operands must be related to do anything but fault. */
static void aim_values(struct native_case *c, struct native_random *r)
{
    u64 *gpr = c->regs.gpr;
    switch (c->insn.op) {
    case X86_OP_DIV:
    case X86_OP_IDIV:
        if (native_random_chance(r, 80)) {
            u64 high = native_random_chance(r, 50) ? native_random_below(r, 3) : 0;
            set_low(&gpr[X86_RDX], c->insn.osz > 1 ? c->insn.osz : 2,
                    -(native_random_next(r) & 1) ^ high);
            if (c->insn.osz == 1)
                gpr[X86_RAX] &= ~(u64)0xfe00;
        }
        break;
    case X86_OP_BT:
    case X86_OP_BTS:
    case X86_OP_BTR:
    case X86_OP_BTC: /* bit offsets that stay near the operand */
        if ((c->insn.flags & X86_I_MEM) && c->insn.reg != c->insn.base &&
            c->insn.reg != c->insn.index && native_random_chance(r, 80))
            gpr[c->insn.reg] = native_random_below(r, 4096) - 2048;
        break;
    case X86_OP_CLZERO:
        set_low(&gpr[X86_RAX], c->insn.asz, pick_address(r, 0) - segment_base(c, X86_DS));
        break;
    case X86_OP_MOVDIR64B:
        set_low(&gpr[c->insn.reg], c->insn.asz, pick_address(r, 64) - segment_base(c, X86_ES));
        break;
    }
}

/* Gathers, scatters and the moves by a mask in a vector register. */
static bool by_element(const struct native_case *c)
{
    const struct x86_form *f = &x86_forms[c->insn.form];
    for (unsigned n = 0; n < X86_OPND_MAX; n++)
        if (f->opnd[n].kind == X86_OPND_VM)
            return true;
    return c->insn.op == X86_OP_VMASKMOVPS || c->insn.op == X86_OP_VMASKMOVPD ||
           c->insn.op == X86_OP_VPMASKMOVD || c->insn.op == X86_OP_VPMASKMOVQ;
}

void native_aim(struct native_case *c, struct native_random *r)
{
    for (unsigned n = 0; n < X86_GPR_COUNT; n++)
        c->regs.gpr[n] = native_random_value(r);
    c->regs.rflags = X86_FLAG1 | X86_IF | (native_random_next(r) & X86_STATUS_FLAGS);
    if (native_random_chance(r, 15))
        c->regs.rflags |= X86_DF;
    /* Linux sets CR0.AM: misaligned accesses fault, but for elements on AMD's processors, where
     * Intel's fault too. */
    if (native_random_chance(r, 8) && !by_element(c))
        c->regs.rflags |= X86_AC;
    if (native_random_chance(r, 8))
        c->regs.rflags |= X86_ID;
    c->interrupted = native_random_chance(r, 50);
    aim_stack(c, r);
    aim_fixed_registers(c, r);
    if (c->insn.flags & X86_I_MEM)
        aim_memory_operand(c, r);
    aim_values(c, r);
    if (c->mode != X86_MODE64) {
        for (unsigned n = 0; n < X86_GPR_COUNT; n++)
            c->regs.gpr[n] = n < 8 ? (u32)c->regs.gpr[n] : 0;
    }
    c->regs.rip = NATIVE_CODE + NATIVE_IP - (c->mode == X86_MODE16 ? NATIVE_CODE : 0);
}
