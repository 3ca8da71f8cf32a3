/* SPDX-License-Identifier: BSD-2-Clause */
/* MOVS CMPS STOS LODS SCAS and their repetitions. A repeated instruction stops between iterations
 * when somebody wants the processor's attention; rSI, rDI and rCX then say where to go on, and at
 * least one iteration has been done each time, so that it always gets on. */
#include "isa/x86/exec/integer.h"
#include "isa/x86/exec/integer_host.h"

static always_inline void advance(struct x86_cpu *cpu, const struct x86_insn *i, unsigned r,
                                  u64 bytes)
{
    u64 v = cpu->s.gpr[r];
    integer_set_gpr(cpu, r, i->asz, cpu->s.rflags & X86_DF ? v - bytes : v + bytes);
}

static always_inline int load_source(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size,
                                     u64 *v)
{
    return x86_load(cpu, i->seg, integer_gpr(cpu, X86_RSI, i->asz), size, v);
}

/* --- One iteration; nothing has changed when it returns nonzero --- */

typedef int (*once_fn)(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size, u64 *rflags);

static always_inline int movs_once(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size,
                                   u64 *rflags)
{
    u64 v;
    int r = load_source(cpu, i, size, &v);
    if (unlikely(r))
        return r;
    r = x86_store(cpu, X86_ES, integer_gpr(cpu, X86_RDI, i->asz), size, v);
    if (unlikely(r))
        return r;
    advance(cpu, i, X86_RSI, size);
    advance(cpu, i, X86_RDI, size);
    return X86_OK;
}

static always_inline int stos_once(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size,
                                   u64 *rflags)
{
    int r = x86_store(cpu, X86_ES, integer_gpr(cpu, X86_RDI, i->asz), size, cpu->s.gpr[X86_RAX]);
    if (unlikely(r))
        return r;
    advance(cpu, i, X86_RDI, size);
    return X86_OK;
}

static always_inline int lods_once(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size,
                                   u64 *rflags)
{
    u64 v;
    int r = load_source(cpu, i, size, &v);
    if (unlikely(r))
        return r;
    integer_set_gpr(cpu, X86_RAX, size, v);
    advance(cpu, i, X86_RSI, size);
    return X86_OK;
}

#define compare_asm(s, m) HOST_BINARY_ASM("cmp", s, m)
HOST_BINARY(compare)

static always_inline int cmps_once(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size,
                                   u64 *rflags)
{
    u64 a, b;
    int r = load_source(cpu, i, size, &a);
    if (unlikely(r))
        return r;
    r = x86_load(cpu, X86_ES, integer_gpr(cpu, X86_RDI, i->asz), size, &b);
    if (unlikely(r))
        return r;
    compare(a, b, size, rflags);
    advance(cpu, i, X86_RSI, size);
    advance(cpu, i, X86_RDI, size);
    return X86_OK;
}

static always_inline int scas_once(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size,
                                   u64 *rflags)
{
    u64 b;
    int r = x86_load(cpu, X86_ES, integer_gpr(cpu, X86_RDI, i->asz), size, &b);
    if (unlikely(r))
        return r;
    compare(cpu->s.gpr[X86_RAX], b, size, rflags);
    advance(cpu, i, X86_RDI, size);
    return X86_OK;
}

/* --- Many iterations inside one page of plain RAM each: how many were done, maybe none --- */

typedef u64 (*bulk_fn)(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size, u64 count);

/* How many elements at reg lie in its page, and where they are; flat segments only, so that neither
 * a limit nor the end of the address size can be met inside the page. */
static always_inline u64 elements_here(struct x86_cpu *cpu, const struct x86_insn *i, unsigned seg,
                                       unsigned reg, unsigned size, enum x86_access access,
                                       u8 **host)
{
    u64 lin = integer_gpr(cpu, reg, i->asz);
    if (!(cpu->flat & (1u << seg)) || (cpu->s.rflags & X86_DF))
        return 0;
    *host = x86_tlb_host(cpu, lin, 1, access);
    return *host ? (4096 - (lin & 4095)) / size : 0;
}

/* The host's own REP MOVS and REP STOS: the same result when the ranges overlap. */
#define BULK_MOVS_ASM(suffix, m)                                                                   \
    __asm__ volatile("rep movs" suffix : "+D"(dst), "+S"(src), "+c"(n) : : "memory")
#define BULK_STOS_ASM(suffix, m)                                                                   \
    __asm__ volatile("rep stos" suffix : "+D"(dst), "+c"(n) : "a"(cpu->s.gpr[X86_RAX]) : "memory")

static always_inline u64 movs_bulk(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size,
                                   u64 count)
{
    u8 *src = NULL, *dst = NULL;
    u64 n = elements_here(cpu, i, i->seg, X86_RSI, size, X86_READ, &src);
    n = MIN(n, elements_here(cpu, i, X86_ES, X86_RDI, size, X86_WRITE, &dst));
    n = MIN(n, count);
    u64 done = n;
    if (!n)
        return 0;
    HOST_BY_SIZE(size, BULK_MOVS_ASM)
    advance(cpu, i, X86_RSI, done * size);
    advance(cpu, i, X86_RDI, done * size);
    return done;
}

static always_inline u64 stos_bulk(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size,
                                   u64 count)
{
    u8 *dst = NULL;
    u64 n = MIN(count, elements_here(cpu, i, X86_ES, X86_RDI, size, X86_WRITE, &dst));
    u64 done = n;
    if (!n)
        return 0;
    HOST_BY_SIZE(size, BULK_STOS_ASM)
    advance(cpu, i, X86_RDI, done * size);
    return done;
}

static always_inline u64 no_bulk(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size,
                                 u64 count)
{
    return 0;
}

/* --- Repetition --- */

/* until is the ZF that ends a repeated comparison, or -1. */
static always_inline int repeat(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size,
                                once_fn once, bulk_fn bulk, int until)
{
    u64 rflags = cpu->s.rflags;

    while (integer_gpr(cpu, X86_RCX, i->asz)) {
        u64 count = integer_gpr(cpu, X86_RCX, i->asz), done = bulk(cpu, i, size, count);
        if (!done) {
            int r = once(cpu, i, size, &rflags);
            if (unlikely(r)) {
                /* Intel puts back the flags from before the first iteration [SDM2 REP]. */
                if (cpu->vendor == X86_VENDOR_AMD)
                    cpu->s.rflags = rflags;
                return r;
            }
            done = 1;
        }
        integer_set_gpr(cpu, X86_RCX, i->asz, count - done);
        if (count == done || (until >= 0 && !!(rflags & X86_ZF) == until))
            break;
        if (unlikely(__atomic_load_n(&cpu->request, __ATOMIC_RELAXED) || (rflags & X86_TF) ||
                     cpu->trap_pending)) {
            cpu->s.rflags = rflags;
            return X86_REPEAT;
        }
    }
    cpu->s.rflags = rflags;
    return X86_OK;
}

#define STRING_SIZE(name, n, bulk)                                                                 \
    INTEGER_HANDLER(name##n, name##_once(cpu, i, n, &cpu->s.rflags))                               \
    INTEGER_HANDLER(rep_##name##n, repeat(cpu, i, n, name##_once, bulk, -1))
#define STRING_HANDLERS(name, bulk)                                                                \
    STRING_SIZE(name, 1, bulk)                                                                     \
    STRING_SIZE(name, 2, bulk)                                                                     \
    STRING_SIZE(name, 4, bulk)                                                                     \
    STRING_SIZE(name, 8, bulk)                                                                     \
    static const x86_exec_fn name##_handlers[2][4] = {INTEGER_BY_SIZE(name, ),                     \
                                                      INTEGER_BY_SIZE(rep_##name, )};
STRING_HANDLERS(movs, movs_bulk)
STRING_HANDLERS(stos, stos_bulk)
STRING_HANDLERS(lods, no_bulk)

#define COMPARE_SIZE(name, n)                                                                      \
    INTEGER_HANDLER(name##n, name##_once(cpu, i, n, &cpu->s.rflags))                               \
    INTEGER_HANDLER(repe_##name##n, repeat(cpu, i, n, name##_once, no_bulk, 0))                    \
    INTEGER_HANDLER(repne_##name##n, repeat(cpu, i, n, name##_once, no_bulk, 1))
#define COMPARE_HANDLERS(name)                                                                     \
    COMPARE_SIZE(name, 1)                                                                          \
    COMPARE_SIZE(name, 2)                                                                          \
    COMPARE_SIZE(name, 4)                                                                          \
    COMPARE_SIZE(name, 8)                                                                          \
    static const x86_exec_fn name##_handlers[3][4] = {                                             \
        INTEGER_BY_SIZE(name, ), INTEGER_BY_SIZE(repe_##name, ), INTEGER_BY_SIZE(repne_##name, )};
COMPARE_HANDLERS(cmps)
COMPARE_HANDLERS(scas)

x86_exec_fn integer_bind_string(const struct x86_insn *i)
{
    unsigned size = integer_size_index(i->osz);
    unsigned repne = (i->flags & X86_I_REPNE) != 0, rep = repne || (i->flags & X86_I_REP);

    switch (i->op) {
    case X86_OP_MOVS: return movs_handlers[rep][size];
    case X86_OP_STOS: return stos_handlers[rep][size];
    case X86_OP_LODS: return lods_handlers[rep][size];
    case X86_OP_CMPS: return cmps_handlers[rep + repne][size];
    case X86_OP_SCAS: return scas_handlers[rep + repne][size];
    }
    return NULL;
}
