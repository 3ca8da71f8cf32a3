/* SPDX-License-Identifier: BSD-2-Clause */
/* Stacks of privilege changes: chosen from the TSS, pushed to before SS is loaded [SDM3 5.8.5,
 * 6.12.1, 6.14.4]. */
#include "isa/x86/exec/descriptor.h"
#include "isa/x86/exec/place.h"

static unsigned index_for(const struct x86_cpu *cpu, unsigned cpl)
{
    if (cpl == 3)
        return X86_TLB_USER;
    bool lifted = (cpu->s.rflags & X86_AC) && (cpu->s.cr4 & X86_CR4_SMAP);
    return lifted ? X86_TLB_KERNEL_AC : X86_TLB_KERNEL;
}

void x86_stack_current(const struct x86_cpu *cpu, unsigned cpl, unsigned ext, struct x86_stack *st)
{
    st->ss = cpu->s.seg[X86_SS];
    st->sp = x86_sp(cpu);
    st->width = cpu->stack_size;
    st->index = (u8)index_for(cpu, cpl);
    st->error = ext;
}

static int tss_fault(struct x86_cpu *cpu, unsigned ext)
{
    return x86_selector_fault(cpu, X86_TS, cpu->s.tr.sel, ext);
}

static int inner_long(struct x86_cpu *cpu, unsigned cpl, unsigned ist, unsigned ext,
                      struct x86_stack *st)
{
    unsigned at = ist ? 0x24 + 8 * (ist - 1) : 4 + 8 * cpl;
    u64 rsp;
    if (at + 7 > cpu->s.tr.limit)
        return tss_fault(cpu, ext);
    int r = x86_sys_load(cpu, cpu->s.tr.base + at, 8, &rsp);
    if (r)
        return r;
    if (!x86_canonical(rsp))
        return x86_raise_error(cpu, X86_SS_FAULT, ext);
    /* SS becomes null only when CPL changes. */
    st->ss = cpl == cpu->cpl ? cpu->s.seg[X86_SS] : x86_segment_null(cpl, cpl);
    st->sp = rsp;
    st->width = 8;
    st->index = (u8)index_for(cpu, cpl);
    st->error = ext;
    return X86_OK;
}

static int inner_legacy(struct x86_cpu *cpu, unsigned cpl, unsigned ext, struct x86_stack *st)
{
    const struct x86_segment *tr = &cpu->s.tr;
    bool wide = tr->attr & 8; /* a 32-bit TSS */
    unsigned at = wide ? 4 + 8 * cpl : 2 + 4 * cpl, size = wide ? 4 : 2;
    u64 sp, sel;
    if (at + size + 1 > tr->limit)
        return tss_fault(cpu, ext);
    int r = x86_sys_load(cpu, tr->base + at, size, &sp);
    if (r == X86_OK)
        r = x86_sys_load(cpu, tr->base + at + size, 2, &sel);
    if (r)
        return r;
    r = x86_segment_check_stack(cpu, (u16)sel, cpl, X86_TS, ext, false, &st->ss);
    if (r)
        return r;
    st->width = st->ss.attr & X86_SEG_DB ? 4 : 2;
    st->sp = st->width == 4 ? sp : (u16)sp;
    st->index = (u8)index_for(cpu, cpl);
    st->error = (sel & 0xfffc) | ext;
    return X86_OK;
}

int x86_stack_inner(struct x86_cpu *cpu, unsigned cpl, unsigned ist, unsigned ext,
                    struct x86_stack *st)
{
    if (cpu->s.tr.attr & X86_SEG_UNUSABLE)
        return tss_fault(cpu, ext);
    return cpu->long_mode ? inner_long(cpu, cpl, ist, ext, st) : inner_legacy(cpu, cpl, ext, st);
}

static bool limit_allows(const struct x86_segment *s, u64 off, unsigned size)
{
    u64 last = off + size - 1;
    if (s->attr & X86_SEG_CONFORMING) /* expand-down */
        return off > s->limit && last <= (s->attr & X86_SEG_DB ? 0xffffffff : 0xffff);
    return last <= s->limit;
}

int x86_stack_push(struct x86_cpu *cpu, struct x86_stack *st, unsigned size, u64 value)
{
    u64 sp = st->sp - size, lin;
    struct x86_place first, second;
    if (st->width == 8) {
        if (!x86_canonical(sp) || !x86_canonical(sp + size - 1))
            return x86_raise_error(cpu, X86_SS_FAULT, st->error);
        lin = sp;
    } else {
        sp = st->width == 4 ? (u32)sp : (u16)sp;
        if (!limit_allows(&st->ss, sp, size))
            return x86_raise_error(cpu, X86_SS_FAULT, st->error);
        lin = (u32)(st->ss.base + sp);
    }
    int r = x86_resolve(cpu, lin, X86_WRITE, st->index, &first);
    if (r)
        return r;
    unsigned split = MIN(size, 0x1000 - (unsigned)(lin & 0xfff));
    if (split < size) {
        u64 next = st->width == 8 ? lin + split : (u32)(lin + split);
        r = x86_resolve(cpu, next, X86_WRITE, st->index, &second);
        if (r)
            return r;
        x86_place_store(cpu, &second, size - split, value >> 8 * split);
    }
    x86_place_store(cpu, &first, split, value);
    st->sp = sp;
    return X86_OK;
}

void x86_stack_commit(struct x86_cpu *cpu, const struct x86_stack *st)
{
    u64 *rsp = &cpu->s.gpr[X86_RSP];
    cpu->s.seg[X86_SS] = st->ss;
    *rsp = st->width == 8 ? st->sp : st->width == 4 ? (u32)st->sp : (*rsp & ~(u64)0xffff) | st->sp;
}
