/* SPDX-License-Identifier: BSD-2-Clause */
/* BMI1 and BMI2, ADCX and ADOX, CRC32: all run as themselves on the host, whose CPUID shows them
 * when the guest's does. */
#include "isa/x86/exec/integer.h"
#include "isa/x86/exec/integer_host.h"

/* These have forms of 4 and 8 bytes only. */
#define BY_SIZE48(size, X)                                                                         \
    if (size == 4)                                                                                 \
        X("k");                                                                                    \
    else                                                                                           \
        X("q");

/* --- Three operands: d = a op b, assembled as "op b, a, d" --- */

#define THREE_ASM(mnemonic, m)                                                                     \
    __asm__(HOST_FLAGS_IN mnemonic " %" m "[b], %" m "[a], %" m "[d]" HOST_FLAGS_OUT               \
            : [d] "=&r"(d), "+&a"(ax)                                                              \
            : [a] "r"(a), [b] "r"(b)                                                               \
            : "cc")
#define DEFINE_THREE(name, ASM)                                                                    \
    static always_inline u64 name(u64 a, u64 b, unsigned size, u64 *rflags)                        \
    {                                                                                              \
        u64 d;                                                                                     \
        u16 ax = host_flags_pack(*rflags);                                                         \
        BY_SIZE48(size, ASM)                                                                       \
        host_flags_unpack(rflags, ax);                                                             \
        return d;                                                                                  \
    }
#define ANDN_ASM(m)  THREE_ASM("andn", m)
#define PDEP_ASM(m)  THREE_ASM("pdep", m)
#define PEXT_ASM(m)  THREE_ASM("pext", m)
#define BEXTR_ASM(m) THREE_ASM("bextr", m)
#define BZHI_ASM(m)  THREE_ASM("bzhi", m)
#define SHLX_ASM(m)  THREE_ASM("shlx", m)
#define SHRX_ASM(m)  THREE_ASM("shrx", m)
#define SARX_ASM(m)  THREE_ASM("sarx", m)
DEFINE_THREE(host_andn, ANDN_ASM)
DEFINE_THREE(host_pdep, PDEP_ASM)
DEFINE_THREE(host_pext, PEXT_ASM)
DEFINE_THREE(host_bextr, BEXTR_ASM)
DEFINE_THREE(host_bzhi, BZHI_ASM)
DEFINE_THREE(host_shlx, SHLX_ASM)
DEFINE_THREE(host_shrx, SHRX_ASM)
DEFINE_THREE(host_sarx, SARX_ASM)

/* --- Two operands: d = op a; b is not looked at --- */

#define TWO_ASM(mnemonic, m)                                                                       \
    __asm__(HOST_FLAGS_IN mnemonic " %" m "[a], %" m "[d]" HOST_FLAGS_OUT                          \
            : [d] "=&r"(d), "+&a"(ax)                                                              \
            : [a] "r"(a)                                                                           \
            : "cc")
#define BLSR_ASM(m)   TWO_ASM("blsr", m)
#define BLSMSK_ASM(m) TWO_ASM("blsmsk", m)
#define BLSI_ASM(m)   TWO_ASM("blsi", m)
DEFINE_THREE(host_blsr, BLSR_ASM)
DEFINE_THREE(host_blsmsk, BLSMSK_ASM)
DEFINE_THREE(host_blsi, BLSI_ASM)

/* Rotates without flags; written out because RORX has its count in the encoding. */
static always_inline u64 rorx(u64 a, u64 b, unsigned size, u64 *rflags)
{
    if (size == 4) {
        u32 v = (u32)a;
        __asm__("rorl %%cl, %0" : "+r"(v) : "c"((u8)b) : "cc");
        return v;
    }
    __asm__("rorq %%cl, %0" : "+r"(a) : "c"((u8)b) : "cc");
    return a;
}

/* --- ADCX, ADOX --- */

#define HOST_BY_SIZE48(size, X)                                                                    \
    if (size == 4)                                                                                 \
        X("l", "k");                                                                               \
    else                                                                                           \
        X("q", "q");
#define host_adcx_asm(s, m) HOST_BINARY_FLAGS_ASM("adcx", s, m)
#define host_adox_asm(s, m) HOST_BINARY_FLAGS_ASM("adox", s, m)
HOST_BINARY_FLAGS(host_adcx, HOST_BY_SIZE48)
HOST_BINARY_FLAGS(host_adox, HOST_BY_SIZE48)

/* --- Operand orders --- */

/* =G B E */
static always_inline int gbe_r(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size,
                               integer_fn fn)
{
    u64 a = integer_get(cpu, i->place[1], size), b = integer_get(cpu, i->place[2], size);
    integer_put(cpu, i->place[0], size, fn(a, b, size, &cpu->s.rflags));
    return X86_OK;
}

static always_inline int gbe_m(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size,
                               integer_fn fn)
{
    u64 b;
    int r = integer_load_operand(cpu, i, size, &b);
    if (unlikely(r))
        return r;
    integer_put(cpu, i->place[0], size,
                fn(integer_get(cpu, i->place[1], size), b, size, &cpu->s.rflags));
    return X86_OK;
}

/* =G E B */
static always_inline int geb_m(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size,
                               integer_fn fn)
{
    u64 a;
    int r = integer_load_operand(cpu, i, size, &a);
    if (unlikely(r))
        return r;
    integer_put(cpu, i->place[0], size,
                fn(a, integer_get(cpu, i->place[1], size), size, &cpu->s.rflags));
    return X86_OK;
}

/* =B E, =G E I */
static always_inline int unary_r(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size,
                                 integer_fn fn)
{
    u64 a = integer_get(cpu, i->place[1], size);
    integer_put(cpu, i->place[0], size, fn(a, i->imm, size, &cpu->s.rflags));
    return X86_OK;
}

static always_inline int unary_m(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size,
                                 integer_fn fn)
{
    u64 a;
    int r = integer_load_operand(cpu, i, size, &a);
    if (unlikely(r))
        return r;
    integer_put(cpu, i->place[0], size, fn(a, i->imm, size, &cpu->s.rflags));
    return X86_OK;
}

/* +G E */
static always_inline int binary_r(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size,
                                  integer_fn fn)
{
    return integer_rr(cpu, i, size, fn, true);
}

static always_inline int binary_m(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size,
                                  integer_fn fn)
{
    return integer_rm(cpu, i, size, fn, true);
}

/* MULX =G =B E: the low half first, so that G wins when both are one register [SDM2 MULX]. */
static always_inline void mulx(struct x86_cpu *cpu, const struct x86_insn *i, u64 src,
                               unsigned size)
{
    u128 product = (u128)src * integer_gpr(cpu, X86_RDX, size);
    integer_put(cpu, i->place[1], size, (u64)product);
    integer_put(cpu, i->place[0], size, (u64)(product >> (size * 8)));
}

static always_inline int mulx_r(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size,
                                integer_fn fn)
{
    mulx(cpu, i, integer_get(cpu, i->place[2], size), size);
    return X86_OK;
}

static always_inline int mulx_m(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size,
                                integer_fn fn)
{
    u64 src;
    int r = integer_load_operand(cpu, i, size, &src);
    if (unlikely(r))
        return r;
    mulx(cpu, i, src, size);
    return X86_OK;
}

#define BMI_HANDLERS(name, by_r, by_m, fn)                                                         \
    INTEGER_HANDLER(name##4_r, by_r(cpu, i, 4, fn))                                                \
    INTEGER_HANDLER(name##8_r, by_r(cpu, i, 8, fn))                                                \
    INTEGER_HANDLER(name##4_m, by_m(cpu, i, 4, fn))                                                \
    INTEGER_HANDLER(name##8_m, by_m(cpu, i, 8, fn))                                                \
    static const x86_exec_fn name##_handlers[2][2] = {{name##4_r, name##8_r},                      \
                                                      {name##4_m, name##8_m}};
BMI_HANDLERS(andn, gbe_r, gbe_m, host_andn)
BMI_HANDLERS(pdep, gbe_r, gbe_m, host_pdep)
BMI_HANDLERS(pext, gbe_r, gbe_m, host_pext)
BMI_HANDLERS(bextr, gbe_r, geb_m, host_bextr)
BMI_HANDLERS(bzhi, gbe_r, geb_m, host_bzhi)
BMI_HANDLERS(shlx, gbe_r, geb_m, host_shlx)
BMI_HANDLERS(shrx, gbe_r, geb_m, host_shrx)
BMI_HANDLERS(sarx, gbe_r, geb_m, host_sarx)
BMI_HANDLERS(blsr, unary_r, unary_m, host_blsr)
BMI_HANDLERS(blsmsk, unary_r, unary_m, host_blsmsk)
BMI_HANDLERS(blsi, unary_r, unary_m, host_blsi)
BMI_HANDLERS(rorx, unary_r, unary_m, rorx)
BMI_HANDLERS(mulx, mulx_r, mulx_m, NULL)
BMI_HANDLERS(adcx, binary_r, binary_m, host_adcx)
BMI_HANDLERS(adox, binary_r, binary_m, host_adox)

/* --- CRC32: the destination is 4 or 8 bytes, the source has the operand size --- */

#define CRC32_ASM(s, m)                                                                            \
    __asm__("crc32" s " %" m "[src], %q[crc]" : [crc] "+r"(crc) : [src] "r"(src))
#define CRC32_ASM32(s, m)                                                                          \
    __asm__("crc32" s " %" m "[src], %k[crc]" : [crc] "+r"(crc) : [src] "r"(src))

static always_inline void crc32(struct x86_cpu *cpu, const struct x86_insn *i, u64 src,
                                unsigned size)
{
    u64 crc = integer_get(cpu, i->place[0], 8);
    switch (size) {
    case 1: CRC32_ASM32("b", "b"); break;
    case 2: CRC32_ASM32("w", "w"); break;
    case 4: CRC32_ASM32("l", "k"); break;
    default: CRC32_ASM("q", "q");
    }
    /* The upper half of a 64-bit destination is cleared as well [SDM2 CRC32]. */
    integer_put(cpu, i->place[0], 8, crc);
}

static always_inline int crc32_r(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size)
{
    crc32(cpu, i, integer_get(cpu, i->place[1], size), size);
    return X86_OK;
}

static always_inline int crc32_m(struct x86_cpu *cpu, const struct x86_insn *i, unsigned size)
{
    u64 src;
    int r = integer_load_operand(cpu, i, size, &src);
    if (unlikely(r))
        return r;
    crc32(cpu, i, src, size);
    return X86_OK;
}

#define CRC32_SIZE(n)                                                                              \
    INTEGER_HANDLER(crc32_##n##_r, crc32_r(cpu, i, n))                                             \
    INTEGER_HANDLER(crc32_##n##_m, crc32_m(cpu, i, n))
CRC32_SIZE(1)
CRC32_SIZE(2)
CRC32_SIZE(4)
CRC32_SIZE(8)
static const x86_exec_fn crc32_handlers[2][4] = {INTEGER_BY_SIZE(crc32_, _r),
                                                 INTEGER_BY_SIZE(crc32_, _m)};

x86_exec_fn integer_bind_bmi(const struct x86_insn *i)
{
    bool memory = i->flags & X86_I_MEM, wide = x86_opnd_bytes(i, 0) == 8;

    switch (i->op) {
    case X86_OP_ANDN: return andn_handlers[memory][wide];
    case X86_OP_PDEP: return pdep_handlers[memory][wide];
    case X86_OP_PEXT: return pext_handlers[memory][wide];
    case X86_OP_BEXTR: return bextr_handlers[memory][wide];
    case X86_OP_BZHI: return bzhi_handlers[memory][wide];
    case X86_OP_SHLX: return shlx_handlers[memory][wide];
    case X86_OP_SHRX: return shrx_handlers[memory][wide];
    case X86_OP_SARX: return sarx_handlers[memory][wide];
    case X86_OP_BLSR: return blsr_handlers[memory][wide];
    case X86_OP_BLSMSK: return blsmsk_handlers[memory][wide];
    case X86_OP_BLSI: return blsi_handlers[memory][wide];
    case X86_OP_RORX: return rorx_handlers[memory][wide];
    case X86_OP_MULX: return mulx_handlers[memory][wide];
    case X86_OP_ADCX: return adcx_handlers[memory][wide];
    case X86_OP_ADOX: return adox_handlers[memory][wide];
    case X86_OP_CRC32: return crc32_handlers[memory][integer_size_index(x86_opnd_bytes(i, 1))];
    }
    return NULL;
}
