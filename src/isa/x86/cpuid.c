/* SPDX-License-Identifier: BSD-2-Clause */
/* CPUID as the guest sees it, and models as sets of features that can be narrowed. */
#include "base/bits.h"
#include "isa/x86/cpuid_priv.h"
#include "isa/x86/insn.h"
#include "isa/x86/state.h"

#include <errno.h>

const struct x86_feature_place x86_feature_places[X86_FEATURE_COUNT] = {
#define F(id, text, leaf, subleaf, reg, bit) [X86_FEATURE_##id] = {text, leaf, subleaf, reg, bit},
    X86_FEATURE_LIST(F)
#undef F
};

const char *x86_feature_name(unsigned feature)
{
    if (feature >= X86_FEATURE_COUNT || !x86_feature_places[feature].name)
        return "none";
    return x86_feature_places[feature].name;
}

void x86_vendor_registers(u8 vendor, u32 out[4])
{
    bool amd = vendor == X86_VENDOR_AMD;
    out[1] = amd ? 0x68747541 : 0x756e6547; /* Auth, Genu */
    out[3] = amd ? 0x69746e65 : 0x49656e69; /* enti, ineI */
    out[2] = amd ? 0x444d4163 : 0x6c65746e; /* cAMD, ntel */
}

/* Each row: the first feature is nothing without the second. [SDM1 13, 14; SDM2 CPUID] */
static const u16 needs[][2] = {
    {X86_FEATURE_XSAVE, X86_FEATURE_FXSR},
    {X86_FEATURE_XSAVEOPT, X86_FEATURE_XSAVE},
    {X86_FEATURE_XSAVEC, X86_FEATURE_XSAVE},
    {X86_FEATURE_XGETBV1, X86_FEATURE_XSAVE},
    {X86_FEATURE_XSAVES, X86_FEATURE_XSAVEC},
    {X86_FEATURE_XSAVEERPTR, X86_FEATURE_FXSR},
    {X86_FEATURE_SSE, X86_FEATURE_FXSR},
    {X86_FEATURE_SSE2, X86_FEATURE_SSE},
    {X86_FEATURE_SSE3, X86_FEATURE_SSE2},
    {X86_FEATURE_SSSE3, X86_FEATURE_SSE3},
    {X86_FEATURE_SSE41, X86_FEATURE_SSSE3},
    {X86_FEATURE_SSE42, X86_FEATURE_SSE41},
    {X86_FEATURE_SSE4A, X86_FEATURE_SSE3},
    {X86_FEATURE_MISALIGNSSE, X86_FEATURE_SSE},
    {X86_FEATURE_AES, X86_FEATURE_SSE2},
    {X86_FEATURE_PCLMULQDQ, X86_FEATURE_SSE2},
    {X86_FEATURE_SHA, X86_FEATURE_SSE2},
    {X86_FEATURE_GFNI, X86_FEATURE_SSE2},
    {X86_FEATURE_AVX, X86_FEATURE_XSAVE},
    {X86_FEATURE_AVX, X86_FEATURE_SSE42},
    {X86_FEATURE_F16C, X86_FEATURE_AVX},
    {X86_FEATURE_FMA, X86_FEATURE_AVX},
    {X86_FEATURE_AVX2, X86_FEATURE_AVX},
    {X86_FEATURE_VAES, X86_FEATURE_AVX},
    {X86_FEATURE_VPCLMULQDQ, X86_FEATURE_AVX},
    {X86_FEATURE_AVX_VNNI, X86_FEATURE_AVX2},
    {X86_FEATURE_AVX512F, X86_FEATURE_AVX2},
    {X86_FEATURE_AVX512DQ, X86_FEATURE_AVX512F},
    {X86_FEATURE_AVX512CD, X86_FEATURE_AVX512F},
    {X86_FEATURE_AVX512BW, X86_FEATURE_AVX512F},
    {X86_FEATURE_AVX512VL, X86_FEATURE_AVX512F},
    {X86_FEATURE_AVX512_IFMA, X86_FEATURE_AVX512F},
    {X86_FEATURE_AVX512_VBMI, X86_FEATURE_AVX512BW},
    {X86_FEATURE_AVX512_VBMI2, X86_FEATURE_AVX512BW},
    {X86_FEATURE_AVX512_VNNI, X86_FEATURE_AVX512F},
    {X86_FEATURE_AVX512_BITALG, X86_FEATURE_AVX512BW},
    {X86_FEATURE_AVX512_VPOPCNTDQ, X86_FEATURE_AVX512F},
    {X86_FEATURE_AVX512_BF16, X86_FEATURE_AVX512BW},
    {X86_FEATURE_AVX512_FP16, X86_FEATURE_AVX512BW},
    {X86_FEATURE_X2APIC, X86_FEATURE_APIC},
    {X86_FEATURE_TSC_DEADLINE, X86_FEATURE_APIC},
    {X86_FEATURE_ARAT, X86_FEATURE_APIC},
    {X86_FEATURE_TSC_ADJUST, X86_FEATURE_TSC},
    {X86_FEATURE_RDTSCP, X86_FEATURE_TSC},
    {X86_FEATURE_NX, X86_FEATURE_PAE},
    {X86_FEATURE_LM, X86_FEATURE_PAE},
    {X86_FEATURE_PAGE1GB, X86_FEATURE_LM},
    {X86_FEATURE_PCID, X86_FEATURE_LM},
    {X86_FEATURE_CX16, X86_FEATURE_CX8},
    {X86_FEATURE_LAHF_LM, X86_FEATURE_LM},
    {X86_FEATURE_FSGSBASE, X86_FEATURE_LM},
    {X86_FEATURE_STIBP, X86_FEATURE_SPEC_CTRL},
    {X86_FEATURE_SSBD, X86_FEATURE_SPEC_CTRL},
};

static bool drop_without_needs(struct x86_cpu_model *m)
{
    bool dropped = false;
    for (unsigned i = 0; i < ARRAY_LEN(needs); i++) {
        if (!x86_model_has(m, needs[i][0]) || x86_model_has(m, needs[i][1]))
            continue;
        x86_model_set(m, needs[i][0], false);
        dropped = true;
    }
    return dropped;
}

static u64 xcr0_of(const struct x86_cpu_model *m, u64 limit)
{
    u64 v = 0;
    if (x86_model_has(m, X86_FEATURE_XSAVE))
        v = 3;
    if (x86_model_has(m, X86_FEATURE_AVX))
        v |= 4;
    if (x86_model_has(m, X86_FEATURE_AVX512F))
        v |= 0xe0;
    return v & limit;
}

static u64 cr4_of(const struct x86_cpu_model *m)
{
    static const struct {
        u16 feature;
        u64 bits;
    } rows[] = {
        {X86_FEATURE_VME, X86_CR4_VME | X86_CR4_PVI},
        {X86_FEATURE_TSC, X86_CR4_TSD},
        {X86_FEATURE_DE, X86_CR4_DE},
        {X86_FEATURE_PSE, X86_CR4_PSE},
        {X86_FEATURE_PAE, X86_CR4_PAE},
        {X86_FEATURE_MCE, X86_CR4_MCE},
        {X86_FEATURE_PGE, X86_CR4_PGE},
        {X86_FEATURE_FXSR, X86_CR4_OSFXSR},
        {X86_FEATURE_SSE, X86_CR4_OSXMMEXCPT},
        {X86_FEATURE_UMIP, X86_CR4_UMIP},
        {X86_FEATURE_FSGSBASE, X86_CR4_FSGSBASE},
        {X86_FEATURE_PCID, X86_CR4_PCIDE},
        {X86_FEATURE_XSAVE, X86_CR4_OSXSAVE},
        {X86_FEATURE_SMEP, X86_CR4_SMEP},
        {X86_FEATURE_SMAP, X86_CR4_SMAP},
    };
    u64 v = X86_CR4_PCE;
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++)
        if (x86_model_has(m, rows[i].feature))
            v |= rows[i].bits;
    return v;
}

static u64 efer_of(const struct x86_cpu_model *m)
{
    return (x86_model_has(m, X86_FEATURE_SYSCALL) ? X86_EFER_SCE : 0) |
           (x86_model_has(m, X86_FEATURE_LM) ? X86_EFER_LME : 0) |
           (x86_model_has(m, X86_FEATURE_NX) ? X86_EFER_NXE : 0) |
           (x86_model_has(m, X86_FEATURE_AUTOIBRS) ? BIT(21) : 0);
}

/* Size in the standard format of the components in xcr0 [SDM1 13.4]. */
static u32 xsave_size(const struct x86_cpu_model *m, u64 xcr0)
{
    u32 size = 576;
    for (unsigned i = 2; i < X86_XSAVE_COMPONENTS; i++)
        if (xcr0 >> i & 1)
            size = MAX(size, m->xsave[i].offset + m->xsave[i].size);
    return size;
}

void x86_model_update(struct x86_cpu_model *m)
{
    while (drop_without_needs(m)) {
    }
    /* A component that was taken out of XCR0 takes its instructions along. */
    u64 limit = m->xcr0_allowed ? m->xcr0_allowed : 0xff;
    for (unsigned i = 2; i < X86_XSAVE_COMPONENTS; i++)
        if (!m->xsave[i].size || m->xsave[i].offset + m->xsave[i].size > X86_XSAVE_SIZE)
            limit &= ~BIT(i);
    if ((limit & 0xe0) != 0xe0)
        x86_model_set(m, X86_FEATURE_AVX512F, false);
    if (!(limit & 4))
        x86_model_set(m, X86_FEATURE_AVX, false);
    while (drop_without_needs(m)) {
    }
    m->xcr0_allowed = xcr0_of(m, limit);
    m->cr4_allowed = cr4_of(m);
    m->efer_allowed = efer_of(m);
    m->xsave_size = xsave_size(m, m->xcr0_allowed);
}

int x86_model_intersect(struct x86_cpu_model *m, const struct x86_cpu_model *offer, bool strict,
                        struct err *e)
{
    for (unsigned f = X86_FEATURE_NONE + 1; strict && f < X86_FEATURE_COUNT; f++)
        if (x86_model_has(m, f) && !x86_model_has(offer, f) && !x86_feature_is_optional(f)) {
            err_set(e, -ENOTSUP, "using CPU model %s: %s lacks %s", m->name, offer->name,
                    x86_feature_name(f));
            err_hint(e, "--cpu host is what this host has");
            return -ENOTSUP;
        }
    for (unsigned i = 0; i < X86_FEATURE_WORDS; i++)
        m->features[i] &= offer->features[i];
    m->xcr0_allowed &= offer->xcr0_allowed;
    for (unsigned i = 0; i < X86_XSAVE_COMPONENTS; i++)
        m->xsave[i] = offer->xsave[i];
    m->physical_bits = MIN(m->physical_bits, offer->physical_bits);
    m->linear_bits = MIN(m->linear_bits, offer->linear_bits);
    m->vendor = offer->vendor;
    if (offer->tsc_khz)
        m->tsc_khz = offer->tsc_khz;
    x86_model_update(m);
    return 0;
}

void x86_model_keep(struct x86_cpu_model *m,
                    void (*leaf)(void *ctx, u32 leaf, u32 subleaf, u32 out[4]), void *ctx)
{
    u32 r[4];
    for (unsigned f = X86_FEATURE_NONE + 1; f < X86_FEATURE_COUNT; f++) {
        const struct x86_feature_place *p = &x86_feature_places[f];
        if (!x86_model_has(m, f) || f == X86_FEATURE_HYPERVISOR) /* that one is ours to show */
            continue;
        leaf(ctx, p->leaf, p->subleaf, r);
        if (!(r[p->reg] >> p->bit & 1))
            x86_model_set(m, f, false);
    }
    leaf(ctx, 0xd, 0, r);
    m->xcr0_allowed &= r[0] | (u64)r[3] << 32;
    x86_model_update(m);
}

/* Size in the compacted format: components follow one another [SDM1 13.4.3]. */
static u32 compacted_size(const struct x86_cpu_model *m, u64 components)
{
    u32 size = 576;
    for (unsigned i = 2; i < X86_XSAVE_COMPONENTS; i++)
        if (components >> i & 1)
            size += m->xsave[i].size;
    return size;
}

static const struct x86_cpuid_leaf *find_leaf(const struct x86_cpu_model *m, u32 leaf, u32 subleaf)
{
    for (u32 i = 0; i < m->leaf_count; i++) {
        const struct x86_cpuid_leaf *l = &m->leaf[i];
        if (l->leaf == leaf && (!l->has_subleaf || l->subleaf == subleaf))
            return l;
    }
    return NULL;
}

void x86_cpuid(const struct x86_cpu_model *m, const struct x86_state *s, u32 leaf, u32 subleaf,
               u32 out[4])
{
    const struct x86_cpuid_leaf *l = find_leaf(m, leaf, subleaf);
    for (unsigned i = 0; i < 4; i++)
        out[i] = l ? l->reg[i] : 0;
    switch (leaf) {
    case 1:
        out[1] |= s->lapic.id << 24;
        if (s->cr4 & X86_CR4_OSXSAVE)
            out[2] |= 1u << 27;
        break;
    case 0xb: /* the ID is there for every subleaf; an invalid one echoes its number */
        out[2] |= subleaf & 0xff;
        out[3] = s->lapic.id;
        break;
    case 0xd:
        if (subleaf == 0 && l)
            out[1] = xsave_size(m, s->xcr0);
        else if (subleaf == 1 && l && (out[0] & 0xa))
            out[1] = compacted_size(m, s->xcr0 | s->xss);
        break;
    case 0x8000001e:
        if (l) {
            out[0] = s->lapic.id;
            out[1] |= s->lapic.id & 0xff;
        }
        break;
    default: break;
    }
}
