/* SPDX-License-Identifier: BSD-2-Clause */
/* FLDENV, FNSTENV, FRSTOR, FNSAVE: the x87 environment in its four formats. The host's 32-bit
 * protected-mode format carries control, status and tag words; pointers are the guest's own.
 * [SDM1 8.1.10, Figures 8-9 to 8-12] */
#include "isa/x86/exec/vector.h"

enum { HOST_ENV = 28, STACK = 80, SMALL_ENV = 14 };

struct host_env {
    u16 fcw, ones0, fsw, ones1, ftw, ones2;
    u32 fip;
    u16 fcs, fop;
    u32 fdp;
    u16 fds, ones3;
};
_Static_assert(sizeof(struct host_env) == HOST_ENV, "the 32-bit protected-mode format");

struct pointers {
    u64 fip, fdp;
    u16 fop;
};

static bool real_format(const struct x86_cpu *cpu)
{
    return cpu->real || cpu->vm86;
}

static u16 selector_of(const struct x86_cpu *cpu, u64 pointer)
{
    return cpu->mode == X86_MODE64 ? 0 : (u16)(pointer >> 32);
}

static u32 linear_of(u64 pointer)
{
    return (u32)pointer + ((u32)(pointer >> 32) << 4);
}

static void write_env16(const struct x86_cpu *cpu, u8 *out, const struct host_env *h,
                        const struct pointers *p)
{
    store16(out, h->fcw);
    store16(out + 2, h->fsw);
    store16(out + 4, h->ftw);
    if (real_format(cpu)) {
        u32 ip = linear_of(p->fip), dp = linear_of(p->fdp);
        store16(out + 6, (u16)ip);
        store16(out + 8, (u16)((ip >> 16 & 15) << 12 | (p->fop & 0x7ff)));
        store16(out + 10, (u16)dp);
        store16(out + 12, (u16)((dp >> 16 & 15) << 12));
    } else {
        store16(out + 6, (u16)p->fip);
        store16(out + 8, selector_of(cpu, p->fip));
        store16(out + 10, (u16)p->fdp);
        store16(out + 12, selector_of(cpu, p->fdp));
    }
}

static void write_env32(const struct x86_cpu *cpu, u8 *out, const struct host_env *h,
                        const struct pointers *p)
{
    store32(out, 0xffff0000 | h->fcw);
    store32(out + 4, 0xffff0000 | h->fsw);
    store32(out + 8, 0xffff0000 | h->ftw);
    if (real_format(cpu)) {
        u32 ip = linear_of(p->fip), dp = linear_of(p->fdp);
        store32(out + 12, 0xffff0000 | (ip & 0xffff));
        store32(out + 16, ip >> 16 << 12 | (p->fop & 0x7ff));
        store32(out + 20, 0xffff0000 | (dp & 0xffff));
        store32(out + 24, dp >> 16 << 12);
    } else {
        store32(out + 12, (u32)p->fip);
        store32(out + 16, selector_of(cpu, p->fip) | (u32)(p->fop & 0x7ff) << 16);
        store32(out + 20, (u32)p->fdp);
        store32(out + 24, 0xffff0000 | selector_of(cpu, p->fdp));
    }
}

static void read_env16(const struct x86_cpu *cpu, const u8 *in, struct host_env *h,
                       struct pointers *p)
{
    h->fcw = load16(in);
    h->fsw = load16(in + 2);
    h->ftw = load16(in + 4);
    if (real_format(cpu)) {
        p->fip = load16(in + 6) | (u32)(load16(in + 8) >> 12) << 16;
        p->fop = load16(in + 8) & 0x7ff;
        p->fdp = load16(in + 10) | (u32)(load16(in + 12) >> 12) << 16;
    } else {
        p->fip = load16(in + 6) | (u64)load16(in + 8) << 32;
        p->fdp = load16(in + 10) | (u64)load16(in + 12) << 32;
        p->fop = 0;
    }
}

static void read_env32(const struct x86_cpu *cpu, const u8 *in, struct host_env *h,
                       struct pointers *p)
{
    h->fcw = load16(in);
    h->fsw = load16(in + 4);
    h->ftw = load16(in + 8);
    if (real_format(cpu)) {
        p->fip = load16(in + 12) | (load32(in + 16) >> 12 & 0xffff) << 16;
        p->fop = load32(in + 16) & 0x7ff;
        p->fdp = load16(in + 20) | (load32(in + 24) >> 12 & 0xffff) << 16;
    } else {
        p->fip = load32(in + 12) | (u64)load16(in + 16) << 32;
        p->fop = load16(in + 18) & 0x7ff;
        p->fdp = load32(in + 20) | (u64)load16(in + 24) << 32;
    }
}

int x87_exec_store_env(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    bool save = insn->op == X86_OP_FNSAVE;
    unsigned env = insn->osz == 2 ? SMALL_ENV : HOST_ENV, size = env + (save ? STACK : 0);
    u64 off = x86_effective(cpu, insn);
    struct {
        struct host_env env;
        u8 stack[STACK];
    } host;
    u8 out[HOST_ENV + STACK];
    u8 *area = cpu->s.xsave;

    int r = x86_vector_enter(cpu, X86_GATE_X87, false);
    if (r == X86_OK)
        r = x86_probe_write(cpu, insn->seg, off, size);
    if (r)
        return r;
    struct pointers p = {load64(area + X86_FX_FIP), load64(area + X86_FX_FDP),
                         load16(area + X86_FX_FOP)};
    /* What they do beside storing, they do natively: mask all exceptions, or initialise. */
    if (save)
        __asm__ volatile("fnsave %0" : "=m"(host));
    else
        __asm__ volatile("fnstenv %0" : "=m"(host.env));
    if (env == SMALL_ENV)
        write_env16(cpu, out, &host.env, &p);
    else
        write_env32(cpu, out, &host.env, &p);
    if (save) {
        mem_copy(out + env, host.stack, STACK);
        x87_clear_pointers(cpu);
    }
    return x86_store_bytes(cpu, insn->seg, off, out, size);
}

int x87_exec_load_env(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    bool restore = insn->op == X86_OP_FRSTOR;
    unsigned env = insn->osz == 2 ? SMALL_ENV : HOST_ENV, size = env + (restore ? STACK : 0);
    struct {
        struct host_env env;
        u8 stack[STACK];
    } host;
    u8 in[HOST_ENV + STACK];
    u8 *area = cpu->s.xsave;
    struct pointers p;

    int r = x86_vector_enter(cpu, X86_GATE_X87, true);
    if (r == X86_OK)
        r = x86_load_bytes(cpu, insn->seg, x86_effective(cpu, insn), in, size);
    if (r)
        return r;
    mem_fill(&host.env, 0, sizeof host.env);
    if (env == SMALL_ENV)
        read_env16(cpu, in, &host.env, &p);
    else
        read_env32(cpu, in, &host.env, &p);
    if (cpu->mode == X86_MODE64) {
        p.fip = (u32)p.fip;
        p.fdp = (u32)p.fdp;
    }
    if (restore) {
        mem_copy(host.stack, in + env, STACK);
        __asm__ volatile("frstor %0" : : "m"(host));
    } else {
        __asm__ volatile("fldenv %0" : : "m"(host.env));
    }
    store64(area + X86_FX_FIP, p.fip);
    store64(area + X86_FX_FDP, p.fdp);
    store16(area + X86_FX_FOP, p.fop);
    return X86_OK;
}
