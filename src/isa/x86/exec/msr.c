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
    MSR_PAT = 0x277,
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

/* Registers that are a plain word, and what a write may put there. */
enum rule { ANY, CANONICAL, LOW32, TRUNCATED };

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
    case MSR_SYSENTER_CS: *rule = TRUNCATED; return &s->sysenter_cs;
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

/* IA32_MISC_ENABLE [SDM4 table 2-2]: fast strings, thermal control, SpeedStep and xTPR messages may
 * be written. The unavailable bits are read-only, and those that would take
 * MONITOR, CPUID leaves or NX away keep their value. */
#define MISC_ENABLE_KNOWN (BIT(0) | BIT(3) | BIT(16) | BIT(23))
#define MISC_ENABLE_FIXED (BIT(7) | BIT(11) | BIT(12) | BIT(18) | BIT(22) | BIT(34))

/* STIBP may be written wherever IBRS can [SDM4 table 2-2], SSBD only where it is shown. */
static u64 spec_ctrl_bits(const struct x86_cpu *cpu)
{
    return BIT(0) | BIT(1) | (x86_model_has(cpu->model, X86_FEATURE_SSBD) ? BIT(2) : 0);
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
        field = x86_mtrr_field(s, index);
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
        *field = rule == TRUNCATED ? (u32)value : value;
        return X86_OK;
    }
    field = x86_mtrr_field(s, index);
    if (field) {
        if (!x86_mtrr_allows(cpu, index, value))
            return -1;
        *field = value;
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
        if (value & ~spec_ctrl_bits(cpu))
            return -1;
        s->spec_ctrl = value;
        return X86_OK;
    case MSR_PRED_CMD: return value & ~(u64)1 ? -1 : X86_OK;
    case MSR_MTRR_CAP: return -1;
    case MSR_MISC_ENABLE:
        if (value & ~(MISC_ENABLE_KNOWN | MISC_ENABLE_FIXED))
            return -1;
        s->misc_enable = (value & MISC_ENABLE_KNOWN) | (s->misc_enable & MISC_ENABLE_FIXED);
        return X86_OK;
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
