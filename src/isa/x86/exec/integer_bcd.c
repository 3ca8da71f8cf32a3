/* SPDX-License-Identifier: BSD-2-Clause */
/* Decimal adjustment DAA DAS AAA AAS AAM AAD, BOUND and SALC: gone from 64-bit mode, so the host
 * can't be asked. Flags that the manual leaves undefined are those of the last addition. */
#include "isa/x86/exec/integer.h"

static u64 result_flags(u8 v)
{
    return (v ? 0 : X86_ZF) | (v & 0x80 ? X86_SF : 0) | (__builtin_parity(v) ? 0 : X86_PF);
}

static void set_status(struct x86_cpu *cpu, u64 flags)
{
    cpu->s.rflags = (cpu->s.rflags & ~(u64)X86_STATUS_FLAGS) | flags;
}

/* DAA adds the correction, DAS subtracts it [SDM2 DAA, DAS]. */
static int decimal_packed(struct x86_cpu *cpu, bool subtract)
{
    u8 al = (u8)cpu->s.gpr[X86_RAX], old = al;
    bool carry = cpu->s.rflags & X86_CF, out = false;
    u64 flags = 0;

    if ((al & 15) > 9 || (cpu->s.rflags & X86_AF)) {
        out = carry || (subtract ? al < 6 : al > 0xff - 6);
        al = subtract ? al - 6 : al + 6;
        flags |= X86_AF;
    }
    if (old > 0x99 || carry) {
        al = subtract ? al - 0x60 : al + 0x60;
        out = true;
    }
    integer_set_gpr(cpu, X86_RAX, 1, al);
    set_status(cpu, flags | (out ? X86_CF : 0) | result_flags(al));
    return X86_OK;
}

INTEGER_HANDLER(daa, decimal_packed(cpu, false))
INTEGER_HANDLER(das, decimal_packed(cpu, true))

/* AAA, AAS */
static int decimal_unpacked(struct x86_cpu *cpu, bool subtract)
{
    u16 ax = (u16)cpu->s.gpr[X86_RAX];
    bool adjust = (ax & 15) > 9 || (cpu->s.rflags & X86_AF);

    if (adjust)
        ax = subtract ? ax - 0x106 : ax + 0x106;
    integer_set_gpr(cpu, X86_RAX, 2, ax & 0xff0f);
    set_status(cpu, (adjust ? X86_AF | X86_CF : 0) | result_flags(ax & 15));
    return X86_OK;
}

INTEGER_HANDLER(aaa, decimal_unpacked(cpu, false))
INTEGER_HANDLER(aas, decimal_unpacked(cpu, true))

static int aam(struct x86_cpu *cpu, const struct x86_insn *i)
{
    u8 base = (u8)i->imm, al = (u8)cpu->s.gpr[X86_RAX];
    if (!base)
        return x86_raise(cpu, X86_DE);
    integer_set_gpr(cpu, X86_RAX, 2, (u64)(al / base) << 8 | al % base);
    set_status(cpu, result_flags(al % base));
    return X86_OK;
}

static int aad(struct x86_cpu *cpu, const struct x86_insn *i)
{
    u16 ax = (u16)cpu->s.gpr[X86_RAX];
    u8 al = (u8)(ax + (ax >> 8) * (u8)i->imm);
    integer_set_gpr(cpu, X86_RAX, 2, al);
    set_status(cpu, result_flags(al));
    return X86_OK;
}

static int salc(struct x86_cpu *cpu, const struct x86_insn *i)
{
    integer_set_gpr(cpu, X86_RAX, 1, cpu->s.rflags & X86_CF ? 0xff : 0);
    return X86_OK;
}

/* Two signed bounds in memory [SDM2 BOUND]. */
static int bound(struct x86_cpu *cpu, const struct x86_insn *i)
{
    unsigned size = i->osz;
    u64 off = integer_ea(cpu, i), low, high;
    int r = x86_load(cpu, i->seg, off, size, &low);
    if (r)
        return r;
    off += size;
    r = x86_load(cpu, i->seg, i->asz == 4 ? (u32)off : (u16)off, size, &high);
    if (r)
        return r;
    i64 index = (i64)sign_extend(integer_get(cpu, i->place[0], size), size * 8);
    if (index < (i64)sign_extend(low, size * 8) || index > (i64)sign_extend(high, size * 8))
        return x86_raise(cpu, X86_BR);
    return X86_OK;
}

x86_exec_fn integer_bind_bcd(const struct x86_insn *i)
{
    switch (i->op) {
    case X86_OP_DAA: return daa;
    case X86_OP_DAS: return das;
    case X86_OP_AAA: return aaa;
    case X86_OP_AAS: return aas;
    case X86_OP_AAM: return aam;
    case X86_OP_AAD: return aad;
    case X86_OP_SALC: return salc;
    case X86_OP_BOUND: return bound;
    }
    return NULL;
}
