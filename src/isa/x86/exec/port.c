/* SPDX-License-Identifier: BSD-2-Clause */
/* IN, OUT, INS, OUTS [SDM1 19.5]. */
#include "isa/x86/exec/system.h"

enum { TSS_IO_BASE = 0x66 };

int x86_check_port(struct x86_cpu *cpu, u16 port, unsigned size)
{
    const struct x86_segment *tr = &cpu->s.tr;
    u64 base, map;
    if (cpu->real || (!cpu->vm86 && cpu->cpl <= x86_iopl(cpu)))
        return X86_OK;
    /* Only a 32-bit or 64-bit TSS has a bitmap. */
    if ((tr->attr & X86_SEG_UNUSABLE) || !(tr->attr & 8) || tr->limit < TSS_IO_BASE + 1)
        return x86_gp0(cpu);
    int r = x86_sys_load(cpu, tr->base + TSS_IO_BASE, 2, &base);
    if (r)
        return r;
    /* Two bytes are always read, so the map must end with one of ones. */
    u64 at = base + port / 8;
    if (at + 1 > tr->limit)
        return x86_gp0(cpu);
    r = x86_sys_load(cpu, tr->base + at, 2, &map);
    if (r)
        return r;
    if (map >> (port & 7) & ((1u << size) - 1))
        return x86_gp0(cpu);
    return X86_OK;
}

/* The permission check, then the debug registers, then the access. */
static int port_in(struct x86_cpu *cpu, u16 port, unsigned size, u32 *value)
{
    *value = 0xffffffff;
    if (unlikely(cpu->data_breaks))
        x86_debug_check_port(cpu, port, size);
    return cpu->ops->port_read(cpu, port, size, value);
}

static int port_out(struct x86_cpu *cpu, u16 port, unsigned size, u32 value)
{
    if (unlikely(cpu->data_breaks))
        x86_debug_check_port(cpu, port, size);
    if (size < 4)
        value &= (1u << 8 * size) - 1;
    return cpu->ops->port_write(cpu, port, size, value);
}

static int in(struct x86_cpu *cpu, const struct x86_insn *insn, u16 port)
{
    u32 v;
    unsigned size = insn->osz;
    int r = x86_check_port(cpu, port, size);
    if (r)
        return r;
    r = port_in(cpu, port, size, &v);
    u64 *rax = &cpu->s.gpr[X86_RAX];
    *rax = size == 4 ? v : size == 2 ? (*rax & ~(u64)0xffff) | (u16)v : (*rax & ~(u64)0xff) | (u8)v;
    return r;
}

static int out(struct x86_cpu *cpu, const struct x86_insn *insn, u16 port)
{
    int r = x86_check_port(cpu, port, insn->osz);
    if (r)
        return r;
    return port_out(cpu, port, insn->osz, (u32)cpu->s.gpr[X86_RAX]);
}

int x86_exec_in_imm(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    return in(cpu, insn, (u8)insn->imm);
}
int x86_exec_in_dx(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    return in(cpu, insn, (u16)cpu->s.gpr[X86_RDX]);
}
int x86_exec_out_imm(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    return out(cpu, insn, (u8)insn->imm);
}
int x86_exec_out_dx(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    return out(cpu, insn, (u16)cpu->s.gpr[X86_RDX]);
}

static u64 address(u64 v, unsigned asz)
{
    return asz == 8 ? v : asz == 4 ? (u32)v : (u16)v;
}

static void advance(struct x86_cpu *cpu, unsigned reg, unsigned asz, unsigned size)
{
    u64 delta = cpu->s.rflags & X86_DF ? -(u64)size : size;
    x86_write_gpr(cpu, reg, asz, cpu->s.gpr[reg] + delta);
}

/* The destination is checked before the device is read: a read cannot be taken back. */
static int ins_once(struct x86_cpu *cpu, const struct x86_insn *insn, u16 port)
{
    u32 v;
    u64 di = address(cpu->s.gpr[X86_RDI], insn->asz);
    int r = x86_probe_write(cpu, X86_ES, di, insn->osz);
    if (r)
        return r;
    int stop = port_in(cpu, port, insn->osz, &v);
    r = x86_store(cpu, X86_ES, di, insn->osz, v);
    if (r)
        return r;
    advance(cpu, X86_RDI, insn->asz, insn->osz);
    return stop;
}

static int outs_once(struct x86_cpu *cpu, const struct x86_insn *insn, u16 port)
{
    u64 v;
    int r = x86_load(cpu, insn->seg, address(cpu->s.gpr[X86_RSI], insn->asz), insn->osz, &v);
    if (r)
        return r;
    r = port_out(cpu, port, insn->osz, (u32)v);
    advance(cpu, X86_RSI, insn->asz, insn->osz);
    return r;
}

/* Repeats until the count is used up; between iterations events are looked at, and single step and
 * breakpoints stop after each [SDM2 REP]. */
static int repeat(struct x86_cpu *cpu, const struct x86_insn *insn,
                  int (*once)(struct x86_cpu *, const struct x86_insn *, u16))
{
    u16 port = (u16)cpu->s.gpr[X86_RDX];
    int r = x86_check_port(cpu, port, insn->osz);
    if (!(insn->flags & (X86_I_REP | X86_I_REPNE)))
        return r ? r : once(cpu, insn, port);
    for (;;) {
        u64 count = address(cpu->s.gpr[X86_RCX], insn->asz);
        if (!count)
            return X86_OK;
        if (r)
            return r; /* the port check: not made for a count of zero */
        r = once(cpu, insn, port);
        if (r == X86_EXCEPTION || r == X86_INTERCEPT)
            return r;
        x86_write_gpr(cpu, X86_RCX, insn->asz, --count);
        if (r == X86_STOP)
            return count ? (x86_request_stop(cpu), X86_REPEAT) : X86_STOP;
        if (count && (cpu->request || (cpu->s.rflags & X86_TF) || cpu->trap_pending))
            return X86_REPEAT;
    }
}

int x86_exec_ins(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    return repeat(cpu, insn, ins_once);
}

int x86_exec_outs(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    return repeat(cpu, insn, outs_once);
}
