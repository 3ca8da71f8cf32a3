/* SPDX-License-Identifier: BSD-2-Clause */
/* Debug registers: which watch what, data and port breakpoints, MOV DR [SDM3 17.2]. */
#include "base/bits.h"
#include "isa/x86/exec/exec.h"
#include "isa/x86/exec/place.h"
#include "isa/x86/exec/system.h"

enum { DR7_GD = 1 << 13 };
#define DR6_BD    ((u64)1 << 13)
#define DR6_FIXED ((u64)0xffff0ff0)
#define DR7_FIXED ((u64)0x400)

enum watch { WATCH_EXEC, WATCH_WRITE, WATCH_PORT, WATCH_ACCESS };

static bool enabled(const struct x86_cpu *cpu, unsigned n)
{
    return cpu->s.dr7 >> (2 * n) & 3;
}

static enum watch kind(const struct x86_cpu *cpu, unsigned n)
{
    return cpu->s.dr7 >> (16 + 4 * n) & 3;
}

static unsigned length(const struct x86_cpu *cpu, unsigned n)
{
    static const u8 bytes[] = {1, 2, 8, 4};
    return bytes[cpu->s.dr7 >> (18 + 4 * n) & 3];
}

void x86_debug_derive(struct x86_cpu *cpu)
{
    cpu->data_breaks = cpu->code_breaks = 0;
    if (!(cpu->s.dr7 & 0xff))
        return;
    for (unsigned n = 0; n < 4; n++)
        if (enabled(cpu, n)) {
            if (kind(cpu, n) == WATCH_EXEC)
                cpu->code_breaks |= (u8)(1 << n);
            else
                cpu->data_breaks |= (u8)(1 << n);
        }
}

static bool overlaps(const struct x86_cpu *cpu, unsigned n, u64 addr, unsigned size)
{
    u64 len = length(cpu, n), start = cpu->s.dr[n] & ~(len - 1);
    return addr < start + len && start < addr + size;
}

static void hit(struct x86_cpu *cpu, unsigned n)
{
    cpu->dr6_pending |= BIT(n);
    cpu->trap_pending = 1;
}

void x86_debug_check_data(struct x86_cpu *cpu, u64 lin, unsigned size, enum x86_access access)
{
    for (unsigned n = 0; n < 4; n++) {
        if (!(cpu->data_breaks >> n & 1) || !overlaps(cpu, n, lin, size))
            continue;
        enum watch k = kind(cpu, n);
        if (k == WATCH_ACCESS || (k == WATCH_WRITE && access == X86_WRITE))
            hit(cpu, n);
    }
}

void x86_debug_check_port(struct x86_cpu *cpu, u16 port, unsigned size)
{
    if (!(cpu->s.cr4 & X86_CR4_DE))
        return;
    for (unsigned n = 0; n < 4; n++)
        if ((cpu->data_breaks >> n & 1) && kind(cpu, n) == WATCH_PORT &&
            overlaps(cpu, n, port, size))
            hit(cpu, n);
}

int x86_debug_check_code(struct x86_cpu *cpu, u64 lin)
{
    u64 hits = 0;
    for (unsigned n = 0; n < 4; n++)
        if ((cpu->code_breaks >> n & 1) && cpu->s.dr[n] == lin)
            hits |= BIT(n);
    if (!hits)
        return X86_OK;
    x86_raise(cpu, X86_DB);
    cpu->fault.payload = hits;
    return X86_EXCEPTION;
}

/* Checks common to both directions; *n is the register after CR4.DE aliasing. */
static int check_access(struct x86_cpu *cpu, unsigned *n)
{
    if (*n > 7)
        return x86_ud(cpu);
    if (*n == 4 || *n == 5) {
        if (cpu->s.cr4 & X86_CR4_DE)
            return x86_ud(cpu);
        *n += 2;
    }
    int r = x86_require_cpl0(cpu);
    if (r)
        return r;
    if (cpu->s.dr7 & DR7_GD) {
        x86_raise(cpu, X86_DB);
        cpu->fault.payload = DR6_BD;
        return X86_EXCEPTION;
    }
    return X86_OK;
}

int x86_exec_mov_from_dr(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    unsigned n = insn->reg;
    int r = check_access(cpu, &n);
    if (r)
        return r;
    u64 v = n < 4 ? cpu->s.dr[n] : n == 6 ? cpu->s.dr6 : cpu->s.dr7;
    cpu->s.gpr[insn->rm] = cpu->mode == X86_MODE64 ? v : (u32)v;
    return X86_OK;
}

int x86_exec_mov_to_dr(struct x86_cpu *cpu, const struct x86_insn *insn)
{
    unsigned n = insn->reg;
    int r = check_access(cpu, &n);
    if (r)
        return r;
    u64 v = cpu->s.gpr[insn->rm];
    if (cpu->mode != X86_MODE64)
        v = (u32)v;
    if (n >= 6 && v >> 32)
        return x86_gp0(cpu);
    if (n < 4)
        cpu->s.dr[n] = v;
    else if (n == 6)
        cpu->s.dr6 = (v & 0xe00f) | DR6_FIXED;
    else
        cpu->s.dr7 = (v & 0xffff2bff) | DR7_FIXED;
    x86_cpu_derive(cpu);
    return X86_END;
}
