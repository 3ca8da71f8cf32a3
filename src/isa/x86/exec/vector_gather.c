/* SPDX-License-Identifier: BSD-2-Clause */
/* Gathers and scatters, element by element on the saved state. An element that is done clears its
 * mask, so that after a fault the instruction goes on where it stopped [SDM2 VPGATHERDD]. */
#include "isa/x86/exec/vector.h"

struct gather {
    unsigned element, index, count; /* bytes, bytes, elements */
    u8 value[64], indices[64], mask[64];
    u64 pending;  /* elements still to do */
    u64 beyond;   /* opmask bits of no element: cleared when all is done */
    u64 finished; /* elements passed, selected or not */
};

static bool is_scatter(const struct x86_insn *insn)
{
    return insn->opcode >= 0xa0;
}

static void load_registers(struct x86_cpu *cpu, const struct x86_insn *insn, struct gather *g)
{
    /* 90 and 92, A0 and A2: 32-bit indices; 91, 93, A1, A3: 64-bit ones. */
    g->index = insn->opcode & 1 ? 8 : 4;
    g->element = insn->flags & X86_I_W ? 8 : 4;
    g->count = insn->vl / MAX(g->index, g->element);
    g->finished = 0;
    x86_vector_image(cpu);
    x86_image_get(cpu, insn->reg, g->value);
    x86_image_get(cpu, insn->index, g->indices);
    if (insn->flags & X86_I_EVEX) {
        u64 mask = x86_image_opmask(cpu, insn->aaa);
        g->pending = mask & mask_low(g->count);
        g->beyond = mask & ~mask_low(g->count);
        return;
    }
    x86_image_get(cpu, insn->vvvv, g->mask);
    g->pending = 0;
    for (unsigned n = 0; n < g->count; n++)
        g->pending |= (u64)(g->mask[(n + 1) * g->element - 1] >> 7) << n;
}

static u64 element_offset(const struct x86_cpu *cpu, const struct x86_insn *insn,
                          const struct gather *g, unsigned n)
{
    u64 index =
        g->index == 8 ? load64(g->indices + 8 * n) : (u64)(i64)(i32)load32(g->indices + 4 * n);
    u64 base = insn->base < 16 ? cpu->s.gpr[insn->base] : 0;
    u64 ea = base + index * insn->scale + (u64)(i64)insn->disp;
    return insn->asz == 8 ? ea : (u32)ea;
}

/* Puts the registers back: done is false when a fault interrupts the instruction. */
static void store_registers(struct x86_cpu *cpu, const struct x86_insn *insn, struct gather *g,
                            bool done)
{
    if (!is_scatter(insn)) {
        unsigned size = g->count * g->element;
        if (done)
            mem_fill(g->value + size, 0, 64 - size);
        x86_image_put(cpu, insn->reg, g->value);
    }
    if (insn->flags & X86_I_EVEX) {
        x86_image_set_opmask(cpu, insn->aaa, done ? 0 : g->pending | g->beyond);
        return;
    }
    for (unsigned n = 0; n < g->count; n++)
        if (g->finished >> n & 1)
            mem_fill(g->mask + n * g->element, 0, g->element);
    if (done)
        mem_fill(g->mask, 0, 64);
    x86_image_put(cpu, insn->vvvv, g->mask);
}

static int exec_gather(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    struct gather g;
    int r = x86_vector_enter(cpu, insn->flags & X86_I_EVEX ? X86_GATE_EVEX : X86_GATE_VEX, false);
    if (r)
        return r;
    load_registers(cpu, insn, &g);
    for (unsigned n = 0; n < g.count; n++) {
        u8 *element = g.value + n * g.element;
        u64 v = 0;
        if (!(g.pending >> n & 1)) {
            g.finished |= BIT(n);
            continue;
        }
        u64 off = element_offset(cpu, insn, &g, n);
        if (is_scatter(insn)) {
            mem_copy(&v, element, g.element);
            r = x86_store(cpu, insn->seg, off, g.element, v);
        } else {
            r = x86_load(cpu, insn->seg, off, g.element, &v);
            if (r == X86_OK)
                mem_copy(element, &v, g.element);
        }
        if (r)
            break;
        g.pending &= ~BIT(n);
        g.finished |= BIT(n);
    }
    store_registers(cpu, insn, &g, r == X86_OK);
    return r;
}

x86_exec_fn x86_bind_gather(const struct x86_insn *insn)
{
    const struct x86_form *f = &x86_forms[insn->form];
    for (int n = 0; n < X86_OPND_MAX; n++)
        if (f->opnd[n].kind == X86_OPND_VM)
            return exec_gather;
    return NULL;
}
