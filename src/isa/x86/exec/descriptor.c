/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading descriptors from the GDT and LDT, and loading data segments from them. */
#include "isa/x86/exec/descriptor.h"

#include "isa/x86/exec/place.h"

bool x86_descriptor_find(const struct x86_cpu *cpu, unsigned sel, unsigned bytes, u64 *lin)
{
    u64 base = cpu->s.gdtr.base;
    u32 limit = cpu->s.gdtr.limit;
    if (sel & 4) {
        const struct x86_segment *ldt = &cpu->s.ldtr;
        if ((ldt->attr & X86_SEG_UNUSABLE) || !(ldt->attr & X86_SEG_P))
            return false;
        base = ldt->base;
        limit = ldt->limit;
    }
    if ((sel & 0xfff8) + bytes - 1 > (u64)limit)
        return false;
    *lin = base + (sel & 0xfff8);
    if (!cpu->long_mode)
        *lin = (u32)*lin;
    return true;
}

int x86_descriptor_load(struct x86_cpu *cpu, unsigned sel, unsigned vector, unsigned ext,
                        struct x86_descriptor *d)
{
    d->high = 0;
    if (!x86_descriptor_find(cpu, sel, 8, &d->lin))
        return x86_selector_fault(cpu, vector, sel, ext);
    int r = x86_sys_load(cpu, d->lin, 8, &d->low);
    if (r || !cpu->long_mode || !x86_desc_is_system(d))
        return r;
    if (!x86_descriptor_find(cpu, sel, 16, &d->lin))
        return x86_selector_fault(cpu, vector, sel, ext);
    return x86_sys_load(cpu, d->lin + 8, 8, &d->high);
}

int x86_descriptor_mark_accessed(struct x86_cpu *cpu, struct x86_descriptor *d)
{
    if (d->low >> 40 & X86_SEG_ACCESSED)
        return X86_OK;
    int r = x86_sys_set_bits(cpu, d->lin + 5, X86_SEG_ACCESSED);
    if (r == X86_OK)
        d->low |= BIT(40);
    return r;
}

struct x86_segment x86_segment_from(unsigned sel, const struct x86_descriptor *d)
{
    return (struct x86_segment){
        .base = x86_desc_base(d),
        .limit = x86_desc_limit(d),
        .sel = (u16)sel,
        .attr = x86_desc_attr(d),
    };
}

struct x86_segment x86_segment_null(unsigned sel, unsigned dpl)
{
    return (struct x86_segment){
        .sel = (u16)sel,
        .attr = (u16)(X86_SEG_UNUSABLE | dpl << X86_SEG_DPL_SHIFT),
    };
}

void x86_segment_load_real(struct x86_cpu *cpu, unsigned seg, unsigned sel)
{
    struct x86_segment *s = &cpu->s.seg[seg];
    s->sel = (u16)sel;
    s->base = (u64)sel << 4;
    if (cpu->s.rflags & X86_VM) {
        s->limit = 0xffff;
        s->attr = 0xf3;
    } else if (s->attr & X86_SEG_UNUSABLE) {
        s->limit = 0xffff;
        s->attr = 0x93;
    } else {
        /* The limit and the size bits of protected mode stay: "unreal" mode. */
        s->attr = (s->attr & (X86_SEG_G | X86_SEG_DB)) | 0x93;
    }
}

int x86_segment_check_stack(struct x86_cpu *cpu, unsigned sel, unsigned cpl, unsigned vector,
                            unsigned ext, bool null_allowed, struct x86_segment *ss)
{
    struct x86_descriptor d;
    if (x86_null_selector(sel)) {
        if (!null_allowed || (sel & 3) != cpl || cpl == 3)
            return x86_raise_error(cpu, vector, ext);
        *ss = x86_segment_null(sel, cpl);
        return X86_OK;
    }
    int r = x86_descriptor_load(cpu, sel, vector, ext, &d);
    if (r)
        return r;
    if ((sel & 3) != cpl || !x86_desc_is_writable_data(&d) || x86_desc_dpl(&d) != cpl)
        return x86_selector_fault(cpu, vector, sel, ext);
    if (!x86_desc_present(&d))
        return x86_selector_fault(cpu, X86_SS_FAULT, sel, ext);
    r = x86_descriptor_mark_accessed(cpu, &d);
    *ss = x86_segment_from(sel, &d);
    return r;
}

static int check_data(struct x86_cpu *cpu, unsigned sel, unsigned cpl, unsigned vector,
                      unsigned ext, struct x86_segment *out)
{
    struct x86_descriptor d;
    int r = x86_descriptor_load(cpu, sel, vector, ext, &d);
    if (r)
        return r;
    unsigned type = x86_desc_type(&d), rpl = sel & 3;
    bool code = type & X86_SEG_CODE;
    if (x86_desc_is_system(&d) || (code && !(type & X86_SEG_WRITABLE)))
        return x86_selector_fault(cpu, vector, sel, ext);
    if (!(code && x86_desc_conforming(&d)) && (rpl > x86_desc_dpl(&d) || cpl > x86_desc_dpl(&d)))
        return x86_selector_fault(cpu, vector, sel, ext);
    if (!x86_desc_present(&d))
        return x86_selector_fault(cpu, X86_NP, sel, ext);
    r = x86_descriptor_mark_accessed(cpu, &d);
    *out = x86_segment_from(sel, &d);
    return r;
}

int x86_segment_load(struct x86_cpu *cpu, unsigned seg, unsigned sel, unsigned cpl, unsigned vector,
                     unsigned ext)
{
    struct x86_segment s;
    int r = X86_OK;
    if (cpu->real || (cpu->s.rflags & X86_VM)) {
        x86_segment_load_real(cpu, seg, sel);
        return X86_OK;
    }
    if (seg == X86_SS) {
        r = x86_segment_check_stack(cpu, sel, cpl, vector, ext, cpu->mode == X86_MODE64, &s);
    } else if (x86_null_selector(sel)) {
        s = x86_segment_null(sel, 0);
    } else {
        r = check_data(cpu, sel, cpl, vector, ext, &s);
    }
    if (r == X86_OK)
        cpu->s.seg[seg] = s;
    return r;
}

void x86_segments_drop_inner(struct x86_cpu *cpu, unsigned cpl)
{
    static const u8 data[] = {X86_ES, X86_DS, X86_FS, X86_GS};
    for (unsigned i = 0; i < ARRAY_LEN(data); i++) {
        struct x86_segment *s = &cpu->s.seg[data[i]];
        unsigned conforming_code = X86_SEG_CODE | X86_SEG_CONFORMING;
        if ((s->attr & X86_SEG_UNUSABLE) || (s->attr & conforming_code) == conforming_code)
            continue;
        if ((s->attr >> X86_SEG_DPL_SHIFT & 3u) < cpl) {
            /* The base stays in 64-bit FS and GS: only the selector is lost. */
            u64 base = s->base;
            *s = x86_segment_null(0, 0);
            if (cpu->long_mode && data[i] >= X86_FS)
                s->base = base;
        }
    }
}
