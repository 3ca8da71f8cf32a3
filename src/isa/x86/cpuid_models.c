/* SPDX-License-Identifier: BSD-2-Clause */
/* The models a machine can be given: this host's, and named sets of features. The named ones follow
 * the micro-architecture levels of the psABI, so a distribution's words for them fit. */
#include "base/bits.h"
#include "base/mem.h"
#include "base/str.h"
#include "isa/x86/cpuid_priv.h"
#include "isa/x86/insn.h"

#include <errno.h>

#define FEATURE(n) X86_FEATURE_##n

/* Not for guests, whatever the host has: state we do not switch, instructions that wait, trap or
 * reach around the monitor, and those that no engine decodes. */
static const u16 hidden[] = {
    FEATURE(MONITOR),
    FEATURE(MONITORX),
    FEATURE(WAITPKG),
    FEATURE(VMX),
    FEATURE(SVM),
    FEATURE(SMX),
    FEATURE(SGX),
    FEATURE(MPX),
    FEATURE(HLE),
    FEATURE(RTM),
    FEATURE(TSXLDTRK),
    FEATURE(PKU),
    FEATURE(CET_SS),
    FEATURE(CET_IBT),
    FEATURE(LA57),
    FEATURE(ENQCMD),
    FEATURE(UINTR),
    FEATURE(PCONFIG),
    FEATURE(AMX_TILE),
    FEATURE(AMX_INT8),
    FEATURE(AMX_BF16),
    FEATURE(PTWRITE),
    FEATURE(XSAVES),
    FEATURE(FXSR_OPT),
    FEATURE(INVLPGB),
    FEATURE(RDPRU),
    FEATURE(XOP),
    FEATURE(FMA4),
    FEATURE(TBM),
    FEATURE(3DNOW),
    FEATURE(3DNOWEXT),
    FEATURE(AVX512_VP2INTERSECT),
    FEATURE(AVX512_FP16),
    FEATURE(PREFETCHWT1),
    FEATURE(CLDEMOTE),
    FEATURE(MOVDIRI),
    FEATURE(MOVDIR64B),
    FEATURE(MD_CLEAR),
    FEATURE(SPEC_CTRL),
    FEATURE(STIBP),
    FEATURE(SSBD),
    FEATURE(ARCH_CAPABILITIES),
    /* x87 pointers and MXCSR are kept the classic way, whatever the host does. */
    FEATURE(MISALIGNSSE),
    FEATURE(FDP_EXCPTN_ONLY),
    FEATURE(ZERO_FCS_FDS),
    /* Made from the number of processors. */
    FEATURE(HTT),
    FEATURE(CMP_LEGACY),
    FEATURE(OSXSAVE),
};

/* The monitor's own, for no user-mode instruction depends on them: those that every 64-bit system
 * counts on, and those that are a comfort. A named model promises only the first. */
static const u16 provided[] = {
    FEATURE(DE),  FEATURE(PSE),     FEATURE(TSC),  FEATURE(MSR), FEATURE(PAE),
    FEATURE(MCE), FEATURE(APIC),    FEATURE(MTRR), FEATURE(PGE), FEATURE(MCA),
    FEATURE(PAT), FEATURE(SYSCALL), FEATURE(NX),   FEATURE(LM),
};
static const u16 comforts[] = {
    FEATURE(VME),      FEATURE(SEP),           FEATURE(PSE36),      FEATURE(PCID),
    FEATURE(X2APIC),   FEATURE(TSC_DEADLINE),  FEATURE(HYPERVISOR), FEATURE(ARAT),
    FEATURE(FSGSBASE), FEATURE(TSC_ADJUST),    FEATURE(SMEP),       FEATURE(INVPCID),
    FEATURE(SMAP),     FEATURE(UMIP),          FEATURE(RDPID),      FEATURE(PAGE1GB),
    FEATURE(RDTSCP),   FEATURE(INVARIANT_TSC), FEATURE(LAHF_LM),
};
/* Of one vendor; among them speculation bugs reported as absent: an engine whose guest is exposed
 * to the host's own processor takes out what that one does not promise. */
static const u16 comforts_intel[] = {FEATURE(SPEC_CTRL), FEATURE(ARCH_CAPABILITIES)};
static const u16 comforts_amd[] = {
    FEATURE(CR8_LEGACY),    FEATURE(TOPOEXT),  FEATURE(AMD_SSB_NO), FEATURE(BTC_NO),
    FEATURE(LFENCE_SERIAL), FEATURE(AUTOIBRS), FEATURE(SRSO_NO),
};

/* psABI x86-64 levels: each adds to the one before. */
static const u16 level1[] = {
    FEATURE(X87), FEATURE(CX8),  FEATURE(CMOV), FEATURE(CLFLUSH),
    FEATURE(MMX), FEATURE(FXSR), FEATURE(SSE),  FEATURE(SSE2),
};
static const u16 level2[] = {
    FEATURE(CX16), FEATURE(POPCNT), FEATURE(SSE3), FEATURE(SSSE3), FEATURE(SSE41), FEATURE(SSE42),
};
static const u16 level3[] = {
    FEATURE(AVX), FEATURE(AVX2),  FEATURE(BMI1),  FEATURE(BMI2),  FEATURE(F16C),
    FEATURE(FMA), FEATURE(LZCNT), FEATURE(MOVBE), FEATURE(XSAVE),
};
static const u16 level4[] = {
    FEATURE(AVX512F), FEATURE(AVX512BW), FEATURE(AVX512CD), FEATURE(AVX512DQ), FEATURE(AVX512VL),
};
/* What servers of both vendors have had for ten years. No AVX-512: the vendors put its state in
 * different places of the XSAVE area. */
static const u16 common[] = {
    FEATURE(AES), FEATURE(PCLMULQDQ), FEATURE(RDRAND), FEATURE(RDSEED),
    FEATURE(ADX), FEATURE(XSAVEOPT),  FEATURE(ERMS),   FEATURE(PREFETCHW),
};

static const char *const names[] = {
    "host", "common", "x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4",
};

static void cpuid(u32 leaf, u32 subleaf, u32 r[4])
{
    __asm__ volatile("cpuid"
                     : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3])
                     : "a"(leaf), "c"(subleaf));
}

/* As CPUID, but zeros above the highest leaf, where Intel repeats another one. CPUID leaves
 * to the monitor where the host is a virtual machine itself: nothing is asked for twice. */
static void host_cpuid(u32 leaf, u32 subleaf, u32 r[4])
{
    static u32 highest[2]; /* 0: not known; whoever finds out finds the same */
    u32 *known = &highest[leaf >> 31], max = __atomic_load_n(known, __ATOMIC_RELAXED);
    if (!max) {
        cpuid(leaf & 0x80000000, 0, r);
        max = r[0];
        __atomic_store_n(known, max, __ATOMIC_RELAXED);
    }
    if (leaf <= max)
        cpuid(leaf, subleaf, r);
    else
        r[0] = r[1] = r[2] = r[3] = 0;
}

static void set_all(struct x86_cpu_model *m, const u16 *list, unsigned n, bool on)
{
    for (unsigned i = 0; i < n; i++)
        x86_model_set(m, list[i], on);
}
#define ADD(m, list) set_all((m), (list), ARRAY_LEN(list), true)

static u8 host_vendor(void)
{
    u32 r[4];
    cpuid(0, 0, r);
    /* Hygon's processors are AMD's design under a name of their own. */
    return r[1] == 0x68747541 || r[1] == 0x6f677948 ? X86_VENDOR_AMD : X86_VENDOR_INTEL;
}

static void host_xsave(struct x86_cpu_model *m)
{
    u32 r[4];
    for (unsigned i = 2; i < X86_XSAVE_COMPONENTS; i++) {
        host_cpuid(0xd, i, r);
        m->xsave[i].size = r[0];
        m->xsave[i].offset = r[1];
    }
    host_cpuid(0xd, 0, r);
    m->xcr0_allowed = r[0];
}

static void host_frequency(struct x86_cpu_model *m)
{
    u32 r[4];
    host_cpuid(0x15, 0, r);
    if (r[0] && r[1] && r[2])
        m->tsc_khz = (u32)((u64)r[2] * r[1] / r[0] / 1000);
}

static void add_provided(struct x86_cpu_model *m)
{
    ADD(m, provided);
    ADD(m, comforts);
    if (m->vendor == X86_VENDOR_AMD)
        ADD(m, comforts_amd);
    else
        ADD(m, comforts_intel);
}

static bool is_in(unsigned feature, const u16 *list, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (list[i] == feature)
            return true;
    return false;
}

bool x86_feature_is_optional(unsigned feature)
{
    return is_in(feature, comforts, ARRAY_LEN(comforts)) ||
           is_in(feature, comforts_intel, ARRAY_LEN(comforts_intel)) ||
           is_in(feature, comforts_amd, ARRAY_LEN(comforts_amd));
}

/* Features of one leaf stand together in the table. */
static void make_host(struct x86_cpu_model *m)
{
    u32 r[4], leaf = ~0u, subleaf = 0;
    mem_fill(m, 0, sizeof *m);
    str_copy(m->name, "host", sizeof m->name);
    m->vendor = host_vendor();
    for (unsigned f = X86_FEATURE_NONE + 1; f < X86_FEATURE_COUNT; f++) {
        const struct x86_feature_place *p = &x86_feature_places[f];
        if (p->leaf != leaf || p->subleaf != subleaf)
            host_cpuid(leaf = p->leaf, subleaf = p->subleaf, r);
        x86_model_set(m, f, r[p->reg] >> p->bit & 1);
    }
    set_all(m, hidden, ARRAY_LEN(hidden), false);
    add_provided(m);
    host_cpuid(1, 0, r);
    m->signature = r[0];
    host_cpuid(0x80000008, 0, r);
    m->physical_bits = r[0] & 0xff ? (u8)MIN(r[0] & 0xff, 52u) : 36;
    m->linear_bits = 48;
    host_xsave(m);
    host_frequency(m);
    x86_model_update(m);
}

/* Filled once: another processor must not see it while it is being made. */
const struct x86_cpu_model *x86_host(void)
{
    static struct x86_cpu_model host;
    enum { ABSENT, BEING_MADE, READY };
    static u32 state;
    u32 seen = ABSENT;

    if (likely(__atomic_load_n(&state, __ATOMIC_ACQUIRE) == READY))
        return &host;
    if (__atomic_compare_exchange_n(&state, &seen, BEING_MADE, false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_ACQUIRE)) {
        make_host(&host);
        __atomic_store_n(&state, READY, __ATOMIC_RELEASE);
    }
    while (__atomic_load_n(&state, __ATOMIC_ACQUIRE) != READY)
        __builtin_ia32_pause();
    return &host;
}

void x86_model_host(struct x86_cpu_model *m)
{
    mem_copy(m, x86_host(), sizeof *m);
}

/* A level of 0 is "common". */
static void make_named(struct x86_cpu_model *m, unsigned level)
{
    mem_fill(m, 0, sizeof *m);
    m->vendor = host_vendor();
    /* A server each: AMD family 19h model 1, Intel family 6 model 143. */
    m->signature = m->vendor == X86_VENDOR_AMD ? 0x00a00f11 : 0x000806f8;
    m->physical_bits = 40;
    m->linear_bits = 48;
    add_provided(m);
    ADD(m, level1);
    if (level != 1)
        ADD(m, level2);
    if (level == 0 || level > 2)
        ADD(m, level3);
    if (level == 4)
        ADD(m, level4);
    if (level == 0)
        ADD(m, common);
    host_xsave(m);
    m->xcr0_allowed = 0; /* whatever the features ask for: x86_model_intersect compares */
    x86_model_update(m);
}

int x86_model_find(struct x86_cpu_model *m, const char *name, struct err *e)
{
    if (str_equal(name, "host")) {
        x86_model_host(m);
        return 0;
    }
    for (unsigned i = 1; i < ARRAY_LEN(names); i++) {
        if (!str_equal(name, names[i]))
            continue;
        make_named(m, i - 1);
        str_copy(m->name, name, sizeof m->name);
        return 0;
    }
    char list[160] = "";
    size_t n = 0;
    for (unsigned i = 0; i < ARRAY_LEN(names); i++)
        n += str_format(list + n, sizeof list - n, "%s%s", i ? ", " : "", names[i]);
    err_set(e, -ENOENT, "choosing the CPU model: there is none called '%s'", name);
    err_hint(e, "choose one of %s", list);
    return -ENOENT;
}
