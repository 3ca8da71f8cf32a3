/* SPDX-License-Identifier: BSD-2-Clause */
/* Hardware task switches through 16- and 32-bit task-state segments [SDM3 7.3].
 *
 * All of the new TSS is read, and all of the old one is known to be writable, before anything is
 * changed: up to there a fault belongs to the old task. After the registers are loaded, faults from
 * checking the new segments belong to the new one. */
#include "base/mem.h"
#include "isa/x86/exec/descriptor.h"

#include "isa/x86/exec/place.h"

/* Where the fields are. */
struct layout {
    u8 size; /* of a register */
    u8 ip, flags, gpr, seg, seg_step, seg_count, ldt, limit;
};
static const struct layout tss16 = {2, 0x0e, 0x10, 0x12, 0x22, 2, 4, 0x2a, 0x2b};
static const struct layout tss32 = {4, 0x20, 0x24, 0x28, 0x48, 4, 6, 0x60, 0x67};
enum { TSS32_CR3 = 0x1c, TSS32_TRAP = 0x64 };

static const struct layout *layout_of(unsigned type)
{
    return type & 8 ? &tss32 : &tss16;
}

struct image {
    u64 cr3, ip, flags, gpr[8], ldt, trap;
    u64 seg[6];
};

static int read_image(struct x86_cpu *cpu, u64 base, const struct layout *l, struct image *im)
{
    mem_fill(im, 0, sizeof *im);
    int r = x86_sys_load(cpu, base + l->ip, l->size, &im->ip);
    if (r == X86_OK)
        r = x86_sys_load(cpu, base + l->flags, l->size, &im->flags);
    for (unsigned i = 0; i < 8 && r == X86_OK; i++)
        r = x86_sys_load(cpu, base + l->gpr + i * l->size, l->size, &im->gpr[i]);
    for (unsigned i = 0; i < l->seg_count && r == X86_OK; i++)
        r = x86_sys_load(cpu, base + l->seg + i * l->seg_step, 2, &im->seg[i]);
    if (r == X86_OK)
        r = x86_sys_load(cpu, base + l->ldt, 2, &im->ldt);
    if (r == X86_OK && l == &tss32)
        r = x86_sys_load(cpu, base + TSS32_CR3, 4, &im->cr3);
    if (r == X86_OK && l == &tss32)
        r = x86_sys_load(cpu, base + TSS32_TRAP, 2, &im->trap);
    return r;
}

/* The caller has checked that the TSS may be written. */
static int save_old(struct x86_cpu *cpu, const struct layout *l, u64 flags)
{
    u64 base = cpu->s.tr.base;
    int r = x86_sys_store(cpu, base + l->ip, l->size, cpu->s.rip);
    if (r == X86_OK)
        r = x86_sys_store(cpu, base + l->flags, l->size, flags);
    for (unsigned i = 0; i < 8 && r == X86_OK; i++)
        r = x86_sys_store(cpu, base + l->gpr + i * l->size, l->size, cpu->s.gpr[i]);
    for (unsigned i = 0; i < l->seg_count && r == X86_OK; i++)
        r = x86_sys_store(cpu, base + l->seg + i * l->seg_step, 2, cpu->s.seg[i].sel);
    return r;
}

/* The busy bit of a TSS descriptor. */
static int set_busy(struct x86_cpu *cpu, u64 desc_lin, bool busy)
{
    if (busy)
        return x86_sys_set_bits(cpu, desc_lin + 5, X86_SYS_BUSY);
    u64 v;
    int r = x86_sys_load(cpu, desc_lin + 5, 1, &v);
    return r ? r : x86_sys_store(cpu, desc_lin + 5, 1, v & ~(u64)X86_SYS_BUSY);
}

static int check_tss(struct x86_cpu *cpu, unsigned sel, enum x86_task_reason reason, unsigned ext,
                     struct x86_descriptor *d)
{
    bool iret = reason == X86_TASK_IRET;
    unsigned bad = iret ? X86_TS : X86_GP;
    if (x86_null_selector(sel) || (sel & 4))
        return x86_selector_fault(cpu, bad, sel, ext);
    int r = x86_descriptor_load(cpu, sel, bad, ext, d);
    if (r)
        return r;
    unsigned type = x86_desc_type(d);
    bool tss = (type & ~(8u | X86_SYS_BUSY)) == X86_SYS_TSS16;
    if (!x86_desc_is_system(d) || !tss || ((type & X86_SYS_BUSY) != 0) != iret)
        return x86_selector_fault(cpu, bad, sel, ext);
    if (!x86_desc_present(d))
        return x86_selector_fault(cpu, X86_NP, sel, ext);
    if (x86_desc_limit(d) < layout_of(type)->limit)
        return x86_selector_fault(cpu, X86_TS, sel, ext);
    return X86_OK;
}

static int load_ldt(struct x86_cpu *cpu, unsigned sel, unsigned ext)
{
    struct x86_descriptor d;
    cpu->s.ldtr = x86_segment_null(sel, 0);
    if (x86_null_selector(sel))
        return X86_OK;
    if (sel & 4)
        return x86_selector_fault(cpu, X86_TS, sel, ext);
    int r = x86_descriptor_load(cpu, sel, X86_TS, ext, &d);
    if (r)
        return r;
    if (!x86_desc_is_system(&d) || x86_desc_type(&d) != X86_SYS_LDT || !x86_desc_present(&d))
        return x86_selector_fault(cpu, X86_TS, sel, ext);
    cpu->s.ldtr = x86_segment_from(sel, &d);
    return X86_OK;
}

static int load_code(struct x86_cpu *cpu, unsigned sel, unsigned ext)
{
    struct x86_descriptor d;
    unsigned rpl = sel & 3;
    if (x86_null_selector(sel))
        return x86_selector_fault(cpu, X86_TS, sel, ext);
    int r = x86_descriptor_load(cpu, sel, X86_TS, ext, &d);
    if (r)
        return r;
    if (!x86_desc_is_code(&d) ||
        (x86_desc_conforming(&d) ? x86_desc_dpl(&d) > rpl : x86_desc_dpl(&d) != rpl))
        return x86_selector_fault(cpu, X86_TS, sel, ext);
    if (!x86_desc_present(&d))
        return x86_selector_fault(cpu, X86_NP, sel, ext);
    r = x86_descriptor_mark_accessed(cpu, &d);
    if (r == X86_OK)
        cpu->s.seg[X86_CS] = x86_segment_from(sel, &d);
    return r;
}

/* In the new task: its segments, checked. */
static int load_segments(struct x86_cpu *cpu, const struct image *im, unsigned ext)
{
    static const u8 data[] = {X86_DS, X86_ES, X86_FS, X86_GS};
    unsigned cpl = im->seg[X86_CS] & 3;
    int r = load_ldt(cpu, (u16)im->ldt, ext);
    if (cpu->s.rflags & X86_VM) {
        for (unsigned i = 0; i < X86_SREG_COUNT; i++)
            x86_segment_load_real(cpu, i, (u16)im->seg[i]);
        return r;
    }
    if (r == X86_OK)
        r = load_code(cpu, (u16)im->seg[X86_CS], ext);
    if (r == X86_OK)
        r = x86_segment_load(cpu, X86_SS, (u16)im->seg[X86_SS], cpl, X86_TS, ext);
    for (unsigned i = 0; i < ARRAY_LEN(data) && r == X86_OK; i++)
        r = x86_segment_load(cpu, data[i], (u16)im->seg[data[i]], cpl, X86_TS, ext);
    return r;
}

/* Registers of the new task; its segments are null until they are checked. */
static void enter_new(struct x86_cpu *cpu, unsigned sel, const struct x86_descriptor *d,
                      const struct layout *l, const struct image *im)
{
    struct x86_state *s = &cpu->s;
    u64 known = X86_STATUS_FLAGS | X86_TF | X86_IF | X86_DF | X86_IOPL | X86_NT | X86_RF | X86_VM |
                X86_AC | X86_VIF | X86_VIP | X86_ID;
    s->tr = x86_segment_from(sel, d);
    s->tr.attr |= X86_SYS_BUSY;
    s->cr0 |= X86_CR0_TS;
    s->rip = im->ip;
    s->rflags = (im->flags & known) | X86_FLAG1;
    for (unsigned i = 0; i < 8; i++)
        s->gpr[i] = l == &tss32 ? im->gpr[i] : im->gpr[i] | 0xffff0000;
    unsigned cpl = im->seg[X86_CS] & 3;
    for (unsigned i = 0; i < X86_SREG_COUNT; i++)
        s->seg[i] = x86_segment_null((u16)im->seg[i], i == X86_SS ? cpl : 0);
    s->dr7 &= ~(u64)0x155; /* local breakpoints belong to the old task [SDM3 17.2.4] */
}

static int push_error(struct x86_cpu *cpu, u32 error)
{
    return x86_push(cpu, cpu->s.tr.attr & 8 ? 4 : 2, error);
}

int x86_task_switch(struct x86_cpu *cpu, unsigned sel, enum x86_task_reason reason, unsigned ext,
                    const u32 *error)
{
    struct x86_descriptor d, old = {.lin = 0};
    struct image im;
    int r = check_tss(cpu, sel, reason, ext, &d);
    if (r)
        return r;
    const struct layout *l = layout_of(x86_desc_type(&d)), *old_l = layout_of(cpu->s.tr.attr);
    u64 base = x86_desc_base(&d);
    bool nested = reason == X86_TASK_CALL || reason == X86_TASK_EVENT;
    if (!x86_descriptor_find(cpu, cpu->s.tr.sel, 8, &old.lin) ||
        (cpu->s.tr.attr & X86_SEG_UNUSABLE) || cpu->s.tr.limit < old_l->limit)
        return x86_selector_fault(cpu, X86_TS, cpu->s.tr.sel, ext);
    r = read_image(cpu, base, l, &im);
    if (r == X86_OK)
        r = x86_sys_probe_write(cpu, cpu->s.tr.base, old_l->limit + 1u);
    if (r == X86_OK)
        r = x86_sys_probe_write(cpu, base, 2);
    if (r == X86_OK)
        r = x86_sys_probe_write(cpu, d.lin, 8);
    if (r == X86_OK)
        r = x86_sys_probe_write(cpu, old.lin, 8);
    if (r)
        return r;
    /* Nothing below faults in the old task. */
    u64 flags = reason == X86_TASK_IRET ? cpu->s.rflags & ~(u64)X86_NT : cpu->s.rflags;
    if (!nested)
        set_busy(cpu, old.lin, false);
    save_old(cpu, old_l, flags);
    if (nested) {
        x86_sys_store(cpu, base, 2, cpu->s.tr.sel);
        im.flags |= X86_NT;
    }
    if (reason != X86_TASK_IRET)
        set_busy(cpu, d.lin, true);
    enter_new(cpu, sel, &d, l, &im);
    x86_cpu_derive(cpu);
    cpu->fault_rip = cpu->s.rip;
    if (l == &tss32 && (cpu->s.cr0 & X86_CR0_PG)) {
        r = x86_write_cr3(cpu, im.cr3);
        if (r == X86_EXCEPTION)
            return x86_selector_fault(cpu, X86_TS, sel, ext);
    }
    r = load_segments(cpu, &im, ext);
    x86_cpu_derive(cpu);
    if (r == X86_OK && cpu->s.rip > cpu->s.seg[X86_CS].limit)
        r = x86_raise_error(cpu, X86_GP, ext);
    if (r == X86_OK && error)
        r = push_error(cpu, *error);
    if (r)
        return r;
    if (im.trap & 1) {
        cpu->dr6_pending |= BIT(15); /* BT */
        cpu->trap_pending = 1;
    }
    return X86_END;
}

int x86_task_gate(struct x86_cpu *cpu, const struct x86_descriptor *gate,
                  enum x86_task_reason reason, unsigned ext, const u32 *error)
{
    return x86_task_switch(cpu, x86_gate_selector(gate), reason, ext, error);
}
