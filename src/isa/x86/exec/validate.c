/* SPDX-License-Identifier: BSD-2-Clause */
/* Checks a canonical state that comes from outside: a processor must be able to be in it, so that
 * the semantics need not expect what no sequence of instructions makes. */
#include "base/bits.h"
#include "base/err.h"
#include "isa/x86/exec/cpu.h"

enum { EINVAL_ = 22 };

static int refuse(struct err *e, const char *field, u64 value)
{
    return err_set(e, -EINVAL_, "x86 state: %s: %llx is not possible here", field,
                   (unsigned long long)value);
}

static const char *const segment_names[] = {"es", "cs", "ss", "ds", "fs", "gs"};

static int check_control(const struct x86_state *s, struct err *e)
{
    bool paging = s->cr0 & X86_CR0_PG, long_mode = s->efer & X86_EFER_LMA;
    if (s->cr0 >> 32 || (paging && !(s->cr0 & X86_CR0_PE)) ||
        ((s->cr0 & X86_CR0_NW) && !(s->cr0 & X86_CR0_CD)))
        return refuse(e, "cr0", s->cr0);
    if (long_mode != (paging && (s->efer & X86_EFER_LME)))
        return refuse(e, "efer", s->efer);
    if (long_mode && !(s->cr4 & X86_CR4_PAE))
        return refuse(e, "cr4", s->cr4);
    if ((s->cr4 & X86_CR4_LA57) || s->cr4 >> 32 || ((s->cr4 & X86_CR4_PCIDE) && !long_mode))
        return refuse(e, "cr4", s->cr4);
    if (s->cr3 >> 52)
        return refuse(e, "cr3", s->cr3);
    if (s->cr8 > 15)
        return refuse(e, "cr8", s->cr8);
    if (!(s->rflags & X86_FLAG1) || (s->rflags & ~(u64)0x3f7fd7) ||
        ((s->rflags & X86_VM) && (long_mode || !(s->cr0 & X86_CR0_PE))))
        return refuse(e, "rflags", s->rflags);
    return 0;
}

static int check_segments(const struct x86_state *s, struct err *e)
{
    bool protected_mode = (s->cr0 & X86_CR0_PE) && !(s->rflags & X86_VM);
    bool long_mode = s->efer & X86_EFER_LMA;
    for (unsigned i = 0; i < X86_SREG_COUNT; i++) {
        const struct x86_segment *g = &s->seg[i];
        bool wide = long_mode && i >= X86_FS;
        if (wide ? !x86_canonical(g->base) : g->base >> 32)
            return refuse(e, segment_names[i], g->base);
        if (g->attr & ~0x1fff)
            return refuse(e, segment_names[i], g->attr);
    }
    const struct x86_segment *cs = &s->seg[X86_CS], *ss = &s->seg[X86_SS];
    if (protected_mode && (s->cr0 & X86_CR0_PG)) {
        unsigned code = X86_SEG_P | X86_SEG_S | X86_SEG_CODE;
        if ((cs->attr & code) != code || (cs->attr & X86_SEG_UNUSABLE))
            return refuse(e, "cs attributes", cs->attr);
        if (long_mode && (cs->attr & X86_SEG_L) && (cs->attr & X86_SEG_DB))
            return refuse(e, "cs attributes", cs->attr);
        if ((cs->sel & 3) != (ss->attr >> X86_SEG_DPL_SHIFT & 3))
            return refuse(e, "ss attributes", ss->attr);
    }
    if ((s->rflags & X86_VM) && (ss->attr >> X86_SEG_DPL_SHIFT & 3) != 3)
        return refuse(e, "ss attributes", ss->attr);
    bool wide_rip = long_mode && (cs->attr & X86_SEG_L);
    if (wide_rip ? !x86_canonical(s->rip) : s->rip >> 32)
        return refuse(e, "rip", s->rip);
    return 0;
}

static int check_tables(const struct x86_state *s, struct err *e)
{
    if (!x86_canonical(s->gdtr.base) || s->gdtr.limit > 0xffff)
        return refuse(e, "gdtr", s->gdtr.base);
    if (!x86_canonical(s->idtr.base) || s->idtr.limit > 0xffff)
        return refuse(e, "idtr", s->idtr.base);
    if (!x86_canonical(s->ldtr.base) || (s->ldtr.attr & ~0x1fff))
        return refuse(e, "ldtr", s->ldtr.base);
    if (!x86_canonical(s->tr.base) || (s->tr.attr & ~0x1fff))
        return refuse(e, "tr", s->tr.base);
    return 0;
}

/* The XSAVE area needs no check: loading it makes it loadable (vector_state.c). */
static int check_vector(const struct x86_state *s, struct err *e)
{
    u64 x = s->xcr0, avx512 = x & 0xe0;
    if (!(x & 1) || ((x & 4) && !(x & 2)) || (avx512 && (avx512 != 0xe0 || !(x & 4))))
        return refuse(e, "xcr0", x);
    return 0;
}

int x86_state_validate(const struct x86_state *s, struct err *e)
{
    int r = check_control(s, e);
    if (!r)
        r = check_segments(s, e);
    if (!r)
        r = check_tables(s, e);
    if (!r)
        r = check_vector(s, e);
    if (r)
        return r;
    const struct {
        const char *name;
        u64 value;
    } canonical[] = {
        {"lstar", s->lstar},
        {"cstar", s->cstar},
        {"kernel_gs_base", s->kernel_gs_base},
        {"sysenter_esp", s->sysenter_esp},
        {"sysenter_eip", s->sysenter_eip},
    };
    for (unsigned i = 0; i < ARRAY_LEN(canonical); i++)
        if (!x86_canonical(canonical[i].value))
            return refuse(e, canonical[i].name, canonical[i].value);
    if (s->dr6 >> 32 || s->dr7 >> 32)
        return refuse(e, "dr7", s->dr7);
    if (s->run_state > X86_SHUTDOWN)
        return refuse(e, "run_state", s->run_state);
    if (s->event.kind > X86_EVENT_PRIV_EXC || s->event.insn_len > 15)
        return refuse(e, "event", s->event.kind);
    if (s->msr_count > X86_MSR_EXTRA_MAX)
        return refuse(e, "msr_count", s->msr_count);
    return 0;
}
