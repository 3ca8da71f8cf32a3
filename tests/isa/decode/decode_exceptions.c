/* SPDX-License-Identifier: BSD-2-Clause */
/* The list of known disagreements with Zydis 4.0. "Native" means that the bytes were executed on
 * a processor (tests/isa/decode/native.c) and did what our decoder says. */
#include "decode_exceptions.h"
#include "isa/x86/features.gen.h"
#include <string.h>

/* Instruction sets that no CPU model of ours offers and that have no rows: #UD. */
static bool foreign_set(const struct disagreement *d)
{
    if (d->ours || !d->theirs)
        return false;
    switch (d->theirs->meta.isa_set) {
    case ZYDIS_ISA_SET_FMA4:
    case ZYDIS_ISA_SET_XOP:
    case ZYDIS_ISA_SET_TBM:
    case ZYDIS_ISA_SET_LWP:
    case ZYDIS_ISA_SET_KEYLOCKER:
    case ZYDIS_ISA_SET_KEYLOCKER_WIDE:
    case ZYDIS_ISA_SET_AMX_BF16:
    case ZYDIS_ISA_SET_AMX_INT8:
    case ZYDIS_ISA_SET_AMX_TILE:
    case ZYDIS_ISA_SET_KNCE:
    case ZYDIS_ISA_SET_KNCV:
    case ZYDIS_ISA_SET_KNC_MISC:
    case ZYDIS_ISA_SET_KNC_PF_HINT:
    case ZYDIS_ISA_SET_KNCSTREAM:
    case ZYDIS_ISA_SET_KNCJKBR:
    case ZYDIS_ISA_SET_AVX512ER_512:
    case ZYDIS_ISA_SET_AVX512ER_SCALAR:
    case ZYDIS_ISA_SET_AVX512PF_512:
    case ZYDIS_ISA_SET_AVX512_4FMAPS_512:
    case ZYDIS_ISA_SET_AVX512_4FMAPS_SCALAR:
    case ZYDIS_ISA_SET_AVX512_4VNNIW_512:
    case ZYDIS_ISA_SET_PADLOCK_ACE:
    case ZYDIS_ISA_SET_PADLOCK_PHE:
    case ZYDIS_ISA_SET_PADLOCK_PMM:
    case ZYDIS_ISA_SET_PADLOCK_RNG:
    case ZYDIS_ISA_SET_CET:
    case ZYDIS_ISA_SET_HRESET:
    case ZYDIS_ISA_SET_TDX:
    case ZYDIS_ISA_SET_SNP:
    case ZYDIS_ISA_SET_MPX: return true;
    default: return false;
    }
}

static bool vendor_3dnow(const struct disagreement *d)
{
    return !d->ours && d->vendor == X86_VENDOR_INTEL &&
           (d->theirs->meta.isa_set == ZYDIS_ISA_SET_AMD3DNOW);
}

static bool amd_sysenter(const struct disagreement *d)
{
    return !d->ours && d->vendor == X86_VENDOR_AMD && d->mode == X86_MODE64 &&
           (d->theirs->mnemonic == ZYDIS_MNEMONIC_SYSENTER ||
            d->theirs->mnemonic == ZYDIS_MNEMONIC_SYSEXIT);
}

static bool amd_far(const struct disagreement *d)
{
    return d->ours && d->theirs && d->vendor == X86_VENDOR_AMD && d->ours->flags & X86_I_W &&
           (d->ours->op == X86_OP_LSS || d->ours->op == X86_OP_LFS || d->ours->op == X86_OP_LGS ||
            d->ours->op == X86_OP_CALLF || d->ours->op == X86_OP_JMPF);
}

static bool selector_width(const struct disagreement *d)
{
    return d->ours && d->theirs && d->ours->mod == 3 && d->ours->len == d->theirs->length &&
           (d->ours->op == X86_OP_LAR || d->ours->op == X86_OP_LSL);
}

static bool ud_width(const struct disagreement *d)
{
    return d->ours && d->theirs && d->ours->len == d->theirs->length &&
           (d->ours->op == X86_OP_UD0 || d->ours->op == X86_OP_UD1);
}

static bool amd_near(const struct disagreement *d)
{
    return d->ours && d->theirs && d->vendor == X86_VENDOR_AMD && d->mode == X86_MODE64 &&
           d->ours->osz == 2 && (d->ours->op == X86_OP_CALL || d->ours->op == X86_OP_JMP);
}

static bool movsxd_16(const struct disagreement *d)
{
    return d->ours && d->theirs && d->ours->op == X86_OP_MOVSXD && d->ours->osz == 2 &&
           d->ours->mod == 3;
}

static bool xchg_rexb(const struct disagreement *d)
{
    return d->ours && d->theirs && d->ours->op == X86_OP_XCHG &&
           d->theirs->mnemonic == ZYDIS_MNEMONIC_PAUSE;
}

static bool no_address(const struct disagreement *d)
{
    return d->ours && d->theirs && d->ours->len == d->theirs->length &&
           (d->ours->op == X86_OP_ENCLU || d->ours->op == X86_OP_ENCLS ||
            d->ours->op == X86_OP_ENCLV || d->ours->op == X86_OP_SENDUIPI);
}

static bool clzero_repne(const struct disagreement *d)
{
    return !d->ours && d->theirs->mnemonic == ZYDIS_MNEMONIC_CLZERO;
}

static bool wbnoinvd(const struct disagreement *d)
{
    return d->ours && d->ours->op == X86_OP_WBNOINVD && d->theirs &&
           d->theirs->mnemonic == ZYDIS_MNEMONIC_WBINVD;
}

static bool fp16_w(const struct disagreement *d)
{
    return d->ours && !d->theirs && d->mode != X86_MODE64 && d->ours->flags & X86_I_W &&
           x86_forms[d->ours->form].feature == X86_FEATURE_AVX512_FP16;
}

static bool convert_w(const struct disagreement *d)
{
    return d->ours && !d->theirs && d->mode != X86_MODE64 && d->ours->flags & X86_I_W &&
           (d->ours->op == X86_OP_VCVTSI2SD || d->ours->op == X86_OP_VCVTUSI2SD);
}

static bool amd_prefetch_register(const struct disagreement *d)
{
    return !d->ours && d->vendor == X86_VENDOR_AMD && d->theirs->mnemonic == ZYDIS_MNEMONIC_NOP &&
           d->theirs->opcode_map == ZYDIS_OPCODE_MAP_0F && d->theirs->opcode == 0x0d;
}

static bool no_base(const struct disagreement *d)
{
    return d->ours && d->theirs && d->ours->base == X86_NO_REG && d->ours->mod == 0 &&
           (d->ours->modrm & 7) == 4 && d->ours->asz == 4 && d->ours->len == d->theirs->length;
}

static bool amd_lock_cr8(const struct disagreement *d)
{
    return d->ours && !d->theirs && d->vendor == X86_VENDOR_AMD && d->ours->flags & X86_I_LOCK &&
           d->ours->op == X86_OP_MOV && d->ours->map == 1;
}

const struct exception exceptions[] = {
    {"LOCK MOV CR0 is MOV CR8 for AMD [AMD2 3.1.5] (native)", amd_lock_cr8},
    {"AMD near CALL and JMP with 66 in 64-bit mode use 16 bits (native)", amd_near},
    {"MOVSXD with 66: Zydis shows the source register with 16 bits", movsxd_16},
    {"F3 90 with REX.B is XCHG r8 (native), no PAUSE", xchg_rexb},
    {"ENCLx, SENDUIPI: hidden features, only Zydis' idea of address size or operand width differs",
     no_address},
    {"CLZERO with F2 or F3 is #UD (native)", clzero_repne},
    {"F3 0F 09 is WBNOINVD whatever the CPU model; without the feature it acts as WBINVD",
     wbnoinvd},
    {"VCVT(U)SI2SH, VCVT(T)SH2(U)SI: W is ignored outside 64-bit mode [SDM2]", fp16_w},
    {"VCVT(U)SI2SD with rounding: W is ignored outside 64-bit mode (native)", convert_w},
    {"0F 0D with a register is #UD for AMD (native)", amd_prefetch_register},
    {"32-bit addresses with SIB base 101b and mod 00b have no base whatever REX.B (native)",
     no_base},
    {"sets that no CPU model offers have no rows: FMA4, XOP, TBM, LWP, KNC, AVX512ER/PF/4*, AMX, "
     "Key Locker, CET, VIA ...",
     foreign_set},
    {"3DNow! only for AMD [AMD3 26568]", vendor_3dnow},
    {"SYSENTER and SYSEXIT are invalid in AMD long mode [AMD3 SYSENTER]", amd_sysenter},
    {"AMD ignores REX.W in far pointers [AMD3 LFS, CALL Far]", amd_far},
    {"LAR, LSL: only 16 bits of the source are read, Zydis shows the full register",
     selector_width},
    {"UD0, UD1: the operands are not accessed", ud_width},
};
const unsigned exception_count = ARRAY_LEN(exceptions);

int exception_find(const struct x86_insn *ours, const ZydisDecodedInstruction *theirs,
                   const ZydisDecodedOperand *operands, ZyanStatus status, const u8 *code,
                   enum x86_mode mode, enum x86_vendor vendor)
{
    struct disagreement d = {ours, theirs, operands, status, code, mode, vendor};
    for (unsigned i = 0; i < exception_count; i++)
        if (exceptions[i].is(&d))
            return (int)i;
    return -1;
}

static const char *const names[][2] = {
    {"callf", "call"},
    {"jmpf", "jmp"},
    {"retf", "ret"},
    {"pfrcpit1", "pfcpit1"},
    {"pfrsqrt", "pfsqrt"},
    {"fneni", "feni8087_nop"},
    {"fndisi", "fdisi8087_nop"},
    {"fnsetpm", "fsetpm287_nop"},
    {"sysretd", "sysret"},
    {"sysretq", "sysret"},
    {"sysexitd", "sysexit"},
    {"sysexitq", "sysexit"},
    {"fxsave", "fxsave64"},
    {"fxrstor", "fxrstor64"},
    {"xsave", "xsave64"},
    {"xrstor", "xrstor64"},
    {"xsaveopt", "xsaveopt64"},
    {"xsavec", "xsavec64"},
    {"xsaves", "xsaves64"},
    {"xrstors", "xrstors64"},
};

bool exception_name(const char *ours, const char *theirs)
{
    for (unsigned i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(names[i][0], ours) == 0 && strcmp(names[i][1], theirs) == 0)
            return true;
    return false;
}
