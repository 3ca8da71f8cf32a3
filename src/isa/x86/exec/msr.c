/* SPDX-License-Identifier: BSD-2-Clause */
/* RDMSR and WRMSR for the registers that have a field in the canonical state; others are the
 * monitor's [SDM4]. */
#include "base/bits.h"
#include "isa/x86/exec/system.h"

enum {
    MSR_TSC = 0x10,
    MSR_TSC_ADJUST = 0x3b,
    MSR_SPEC_CTRL = 0x48,
    MSR_PRED_CMD = 0x49,
    MSR_MTRR_CAP = 0xfe,
    MSR_SYSENTER_CS = 0x174,
    MSR_SYSENTER_ESP = 0x175,
    MSR_SYSENTER_EIP = 0x176,
    MSR_MISC_ENABLE = 0x1a0,
    MSR_DEBUGCTL = 0x1d9,
    MSR_MTRR_BASE0 = 0x200,
    MSR_MTRR_MASK7 = 0x20f,
    MSR_PAT = 0x277,
    MSR_MTRR_DEF_TYPE = 0x2ff,
    MSR_XSS = 0xda0,
};
#define MSR_EFER           0xc0000080u
#define MSR_STAR           0xc0000081u
#define MSR_LSTAR          0xc0000082u
#define MSR_CSTAR          0xc0000083u
#define MSR_SFMASK         0xc0000084u
#define MSR_FS_BASE        0xc0000100u
#define MSR_GS_BASE        0xc0000101u
#define MSR_KERNEL_GS_BASE 0xc0000102u
#define MSR_TSC_AUX        0xc0000103u

static u64 guest_tsc(struct x86_cpu *cpu)
{
    return cpu->ops->tsc(cpu) + cpu->s.tsc_offset;
}

static int move_tsc(struct x86_cpu *cpu, u64 delta)
{
    cpu->s.tsc_offset += delta;
    if (cpu->ops->tsc_changed)
        cpu->ops->tsc_changed(cpu);
    return X86_OK;
}

static const u16 fixed_mtrr[11] = {0x250, 0x258, 0x259, 0x268, 0x269, 0x26a,
                                   0x26b, 0x26c, 0x26d, 0x26e, 0x26f};

/* The state's word for an MTRR, or NULL. */
static u64 *mtrr_field(struct x86_state *s, u32 index)
{
    if (index == MSR_MTRR_DEF_TYPE)
        return &s->mtrr_def_type;
    if (index >= MSR_MTRR_BASE0 && index <= MSR_MTRR_MASK7)
        return index & 1 ? &s->mtrr_mask[(index - MSR_MTRR_BASE0) / 2]
                         : &s->mtrr_base[(index - MSR_MTRR_BASE0) / 2];
    for (unsigned i = 0; i < ARRAY_LEN(fixed_mtrr); i++)
        if (fixed_mtrr[i] == index)
            return &s->mtrr_fix[i];
    return NULL;
}

/* Registers that are a plain word, and what a write may put there. */
enum rule { ANY, CANONICAL, LOW32 };

static u64 *plain_field(struct x86_state *s, u32 index, enum rule *rule)
{
    *rule = ANY;
    switch (index) {
    case MSR_STAR: return &s->star;
    case MSR_LSTAR: *rule = CANONICAL; return &s->lstar;
    case MSR_CSTAR: *rule = CANONICAL; return &s->cstar;
    case MSR_SFMASK: *rule = LOW32; return &s->sfmask;
    case MSR_FS_BASE: *rule = CANONICAL; return &s->seg[X86_FS].base;
    case MSR_GS_BASE: *rule = CANONICAL; return &s->seg[X86_GS].base;
    case MSR_KERNEL_GS_BASE: *rule = CANONICAL; return &s->kernel_gs_base;
    case MSR_TSC_AUX: *rule = LOW32; return &s->tsc_aux;
    case MSR_SYSENTER_CS: *rule = LOW32; return &s->sysenter_cs;
    case MSR_SYSENTER_ESP: *rule = CANONICAL; return &s->sysenter_esp;
    case MSR_SYSENTER_EIP: *rule = CANONICAL; return &s->sysenter_eip;
    default: return NULL;
    }
}

/* Does the processor show this register at all? */
static bool offered(const struct x86_cpu *cpu, u32 index)
{
    switch (index) {
    case MSR_STAR:
    case MSR_SFMASK: return x86_model_has(cpu->model, X86_FEATURE_SYSCALL);
    case MSR_LSTAR:
    case MSR_CSTAR:
    case MSR_FS_BASE:
    case MSR_GS_BASE:
    case MSR_KERNEL_GS_BASE: return x86_model_has(cpu->model, X86_FEATURE_LM);
    case MSR_TSC_AUX:
        return x86_model_has(cpu->model, X86_FEATURE_RDTSCP) ||
               x86_model_has(cpu->model, X86_FEATURE_RDPID);
    case MSR_TSC_ADJUST: return x86_model_has(cpu->model, X86_FEATURE_TSC_ADJUST);
    case MSR_SPEC_CTRL:
    case MSR_PRED_CMD: return x86_model_has(cpu->model, X86_FEATURE_SPEC_CTRL);
    case MSR_XSS: return x86_model_has(cpu->model, X86_FEATURE_XSAVES);
    case MSR_MISC_ENABLE: return cpu->vendor == X86_VENDOR_INTEL;
    default: return true;
    }
}

static bool valid_pat(u64 v)
{
    for (unsigned i = 0; i < 8; i++) {
        unsigned type = v >> 8 * i & 0xff;
        if (type > 7 || type == 2 || type == 3)
            return false;
    }
    return true;
}

/* X86_OK, or -1: #GP. */
static int read_msr(struct x86_cpu *cpu, u32 index, u64 *value)
{
    struct x86_state *s = &cpu->s;
    enum rule rule;
    if (!offered(cpu, index))
        return -1;
    u64 *field = plain_field(s, index, &rule);
    if (!field)
        field = mtrr_field(s, index);
    if (field) {
        *value = *field;
        return X86_OK;
    }
    switch (index) {
    case MSR_TSC: *value = guest_tsc(cpu); return X86_OK;
    case MSR_TSC_ADJUST: *value = s->tsc_adjust; return X86_OK;
    case MSR_SPEC_CTRL: *value = s->spec_ctrl; return X86_OK;
    case MSR_PRED_CMD: return -1;                     /* write-only */
    case MSR_MTRR_CAP: *value = 0x508; return X86_OK; /* 8 variable, fixed, write-combining */
    case MSR_MISC_ENABLE: *value = s->misc_enable; return X86_OK;
    case MSR_DEBUGCTL: *value = s->debugctl; return X86_OK;
    case MSR_PAT: *value = s->pat; return X86_OK;
    case MSR_XSS: *value = s->xss; return X86_OK;
    case MSR_EFER: *value = s->efer; return X86_OK;
    default: return cpu->ops->msr_read ? cpu->ops->msr_read(cpu, index, value) : -1;
    }
}

static bool allowed(enum rule rule, u64 value)
{
    return rule == CANONICAL ? x86_canonical(value) : rule == LOW32 ? !(value >> 32) : true;
}

static int write_msr(struct x86_cpu *cpu, u32 index, u64 value)
{
    struct x86_state *s = &cpu->s;
    enum rule rule;
    if (!offered(cpu, index))
        return -1;
    u64 *field = plain_field(s, index, &rule);
    if (field) {
        if (!allowed(rule, value))
            return -1;
        *field = value;
        return X86_OK;
    }
    field = mtrr_field(s, index);
    if (field) {
        *field = value; /* memory types change nothing here, but are read back */
        return X86_OK;
    }
    switch (index) {
    case MSR_TSC: {
        u64 delta = value - guest_tsc(cpu);
        s->tsc_adjust += delta;
        return move_tsc(cpu, delta);
    }
    case MSR_TSC_ADJUST: {
        u64 delta = value - s->tsc_adjust;
        s->tsc_adjust = value;
        return move_tsc(cpu, delta);
    }
    case MSR_SPEC_CTRL:
        if (value & ~(u64)7)
            return -1;
        s->spec_ctrl = value;
        return X86_OK;
    case MSR_PRED_CMD: return value & ~(u64)1 ? -1 : X86_OK;
    case MSR_MTRR_CAP: return -1;
    case MSR_MISC_ENABLE: s->misc_enable = value; return X86_OK;
    case MSR_DEBUGCTL:
        if (value & ~(u64)3) /* LBR and BTF are accepted and have no effect */
            return -1;
        s->debugctl = value;
        return X86_OK;
    case MSR_PAT:
        if (!valid_pat(value))
            return -1;
        s->pat = value;
        return X86_OK;
    case MSR_XSS: return value ? -1 : X86_OK;
    case MSR_EFER: return x86_write_efer(cpu, value) == X86_EXCEPTION ? -1 : X86_OK;
    default: return cpu->ops->msr_write ? cpu->ops->msr_write(cpu, index, value) : -1;
    }
}

int x86_exec_rdmsr(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    u64 v = 0;
    int r = x86_require_cpl0(cpu);
    if (r)
        return r;
    r = read_msr(cpu, (u32)cpu->s.gpr[X86_RCX], &v);
    if (r < 0)
        return x86_gp0(cpu);
    cpu->s.gpr[X86_RAX] = (u32)v;
    cpu->s.gpr[X86_RDX] = v >> 32;
    return r;
}

int x86_exec_wrmsr(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    int r = x86_require_cpl0(cpu);
    if (r)
        return r;
    u64 v = (u32)cpu->s.gpr[X86_RAX] | cpu->s.gpr[X86_RDX] << 32;
    r = write_msr(cpu, (u32)cpu->s.gpr[X86_RCX], v);
    if (r < 0)
        return x86_gp0(cpu);
    return r == X86_OK ? X86_END : r;
}
