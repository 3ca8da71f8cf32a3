/* SPDX-License-Identifier: BSD-2-Clause */
/* Flag instructions, hints, memory ordering, direct stores and CLZERO, random numbers. */
#include "isa/x86/exec/integer.h"
#include "isa/x86/exec/integer_host.h"

/* --- Single flags --- */

static int clc(struct x86_cpu *cpu, const struct x86_insn *i)
{
    cpu->s.rflags &= ~(u64)X86_CF;
    return X86_OK;
}

static int stc(struct x86_cpu *cpu, const struct x86_insn *i)
{
    cpu->s.rflags |= X86_CF;
    return X86_OK;
}

static int cmc(struct x86_cpu *cpu, const struct x86_insn *i)
{
    cpu->s.rflags ^= X86_CF;
    return X86_OK;
}

static int cld(struct x86_cpu *cpu, const struct x86_insn *i)
{
    cpu->s.rflags &= ~(u64)X86_DF;
    return X86_OK;
}

static int std(struct x86_cpu *cpu, const struct x86_insn *i)
{
    cpu->s.rflags |= X86_DF;
    return X86_OK;
}

enum { AH_FLAGS = X86_SF | X86_ZF | X86_AF | X86_PF | X86_CF };

static int lahf(struct x86_cpu *cpu, const struct x86_insn *i)
{
    u8 *ah = (u8 *)&cpu->s.gpr[X86_RAX] + 1;
    *ah = (u8)(cpu->s.rflags & AH_FLAGS) | X86_FLAG1;
    return X86_OK;
}

static int sahf(struct x86_cpu *cpu, const struct x86_insn *i)
{
    cpu->s.rflags = (cpu->s.rflags & ~(u64)AH_FLAGS) | (cpu->s.gpr[X86_RAX] >> 8 & AH_FLAGS);
    return X86_OK;
}

/* --- Hints, ordering, caches --- */

static int nop(struct x86_cpu *cpu, const struct x86_insn *i)
{
    return X86_OK;
}

/* The guest's accesses are the host's: the host's fences order them. */
static int lfence(struct x86_cpu *cpu, const struct x86_insn *i)
{
    __asm__ volatile("lfence" : : : "memory");
    return X86_OK;
}

static int sfence(struct x86_cpu *cpu, const struct x86_insn *i)
{
    __asm__ volatile("sfence" : : : "memory");
    return X86_OK;
}

static int mfence(struct x86_cpu *cpu, const struct x86_insn *i)
{
    __asm__ volatile("mfence" : : : "memory");
    return X86_OK;
}

/* Memory is coherent, so nothing is left of flushing a line but that it faults as a load of a byte
 * does [SDM2 CLFLUSH]. */
static int flush_line(struct x86_cpu *cpu, const struct x86_insn *i)
{
    u64 v;
    return integer_load_operand(cpu, i, 1, &v);
}

/* --- Direct stores --- */

static int movdiri(struct x86_cpu *cpu, const struct x86_insn *i)
{
    unsigned size = x86_opnd_bytes(i, 0);
    return x86_store(cpu, i->seg, integer_ea(cpu, i), size, integer_get(cpu, i->place[1], size));
}

/* 64 bytes to ES:reg, which must be aligned; the address size is the register's [SDM2 MOVDIR64B].
 */
static int movdir64b(struct x86_cpu *cpu, const struct x86_insn *i)
{
    u8 line[64];
    u64 to = integer_gpr(cpu, i->reg, i->asz);
    u64 lin = i->mode == X86_MODE64 ? to : to + cpu->s.seg[X86_ES].base;
    if (lin & 63)
        return x86_gp0(cpu);
    int r = x86_load_bytes(cpu, i->seg, integer_ea(cpu, i), line, sizeof(line));
    return r ? r : x86_store_bytes(cpu, X86_ES, to, line, sizeof(line));
}

/* The 64-byte line that holds seg:rAX; DS, or the override [AMD3 CLZERO]. */
static int clzero(struct x86_cpu *cpu, const struct x86_insn *i)
{
    static const u8 zeros[64];
    u64 off = integer_gpr(cpu, X86_RAX, i->asz);
    bool has_base = i->mode != X86_MODE64 || i->seg == X86_FS || i->seg == X86_GS;
    u64 base = has_base ? cpu->s.seg[i->seg].base : 0;
    return x86_store_bytes(cpu, i->seg, off - ((off + base) & 63), zeros, sizeof(zeros));
}

/* --- Random numbers, the host's own --- */

#define RDRAND_ASM(s, m)                                                                           \
    __asm__ volatile("rdrand %" m "[v]" HOST_FLAGS_OUT : [v] "=&r"(v), "=&a"(ax) : : "cc")
#define RDSEED_ASM(s, m)                                                                           \
    __asm__ volatile("rdseed %" m "[v]" HOST_FLAGS_OUT : [v] "=&r"(v), "=&a"(ax) : : "cc")

static int rdrand(struct x86_cpu *cpu, const struct x86_insn *i)
{
    u64 v;
    u16 ax;
    HOST_BY_SIZE_NO8(i->osz, RDRAND_ASM)
    host_flags_unpack(&cpu->s.rflags, ax);
    integer_put(cpu, i->place[0], i->osz, v);
    return X86_OK;
}

static int rdseed(struct x86_cpu *cpu, const struct x86_insn *i)
{
    u64 v;
    u16 ax;
    HOST_BY_SIZE_NO8(i->osz, RDSEED_ASM)
    host_flags_unpack(&cpu->s.rflags, ax);
    integer_put(cpu, i->place[0], i->osz, v);
    return X86_OK;
}

x86_exec_fn integer_bind_misc(const struct x86_insn *i)
{
    switch (i->op) {
    case X86_OP_CLC: return clc;
    case X86_OP_STC: return stc;
    case X86_OP_CMC: return cmc;
    case X86_OP_CLD: return cld;
    case X86_OP_STD: return std;
    case X86_OP_LAHF: return lahf;
    case X86_OP_SAHF: return sahf;
    case X86_OP_NOP:
    case X86_OP_PAUSE:
    case X86_OP_PREFETCH:
    case X86_OP_PREFETCHW:
    case X86_OP_PREFETCHWT1:
    case X86_OP_PREFETCHNTA:
    case X86_OP_PREFETCHT0:
    case X86_OP_PREFETCHT1:
    case X86_OP_PREFETCHT2: return nop;
    case X86_OP_LFENCE: return lfence;
    case X86_OP_SFENCE: return sfence;
    case X86_OP_MFENCE: return mfence;
    case X86_OP_CLFLUSH:
    case X86_OP_CLFLUSHOPT:
    case X86_OP_CLWB: return flush_line;
    case X86_OP_MOVDIRI: return movdiri;
    case X86_OP_MOVDIR64B: return movdir64b;
    case X86_OP_CLZERO: return clzero;
    case X86_OP_RDRAND: return rdrand;
    case X86_OP_RDSEED: return rdseed;
    }
    return NULL;
}
