/* SPDX-License-Identifier: BSD-2-Clause */
/* Builds the CPUID leaves of a machine from its model: one package of single-threaded cores.
 * [SDM2 CPUID] [AMD3 App. E] */
#include "base/bits.h"
#include "base/mem.h"
#include "base/str.h"
#include "isa/x86/cpuid_priv.h"
#include "isa/x86/insn.h"

enum { HTT = 1 << 28, CMP_LEGACY = 1 << 1, CRYSTAL_HZ = 1000000000 };

/* A leaf with the model's features in it, and these registers besides. */
static void add(struct x86_cpu_model *m, u32 leaf, int subleaf, u32 a, u32 b, u32 c, u32 d)
{
    if (m->leaf_count == X86_CPUID_LEAVES_MAX)
        return;
    struct x86_cpuid_leaf *l = &m->leaf[m->leaf_count++];
    *l = (struct x86_cpuid_leaf){leaf, subleaf > 0 ? (u32)subleaf : 0, subleaf >= 0, {a, b, c, d}};
    for (unsigned f = X86_FEATURE_NONE + 1; f < X86_FEATURE_COUNT; f++) {
        const struct x86_feature_place *p = &x86_feature_places[f];
        if (p->leaf == leaf && p->subleaf == l->subleaf && x86_model_has(m, f))
            l->reg[p->reg] |= 1u << p->bit;
    }
}
enum { NO_SUBLEAF = -1 };

/* Bits of the APIC ID that number cores. */
static unsigned core_bits(unsigned cpus)
{
    unsigned bits = 0;
    while (1u << bits < cpus)
        bits++;
    return bits;
}

struct cache {
    u8 type, level; /* 1 data, 2 instruction, 3 unified */
    u16 ways;
    u32 sets; /* lines are 64 bytes */
};
static const struct cache caches[] = {
    {1, 1, 8, 64},
    {2, 1, 8, 64},
    {3, 2, 8, 2048},
    {3, 3, 16, 16384},
};

/* Intel's leaf 4 and AMD's 8000001D share their layout but for the core count in the top bits. */
static void add_caches(struct x86_cpu_model *m, u32 leaf, unsigned cpus)
{
    u32 last = (1u << core_bits(cpus)) - 1;
    for (unsigned i = 0; i < ARRAY_LEN(caches); i++) {
        const struct cache *c = &caches[i];
        u32 sharing = c->level == 3 ? (leaf == 4 ? last : cpus - 1) : 0;
        u32 a = c->type | (u32)c->level << 5 | 1 << 8 | sharing << 14;
        if (leaf == 4)
            a |= MIN(last, 63u) << 26;
        add(m, leaf, (int)i, a, (u32)(c->ways - 1) << 22 | 63, c->sets - 1, 0);
    }
    add(m, leaf, ARRAY_LEN(caches), 0, 0, 0, 0);
}

static void add_topology(struct x86_cpu_model *m, unsigned cpus)
{
    add(m, 0xb, 0, 0, 1, 1 << 8, 0);                  /* thread level: one of one */
    add(m, 0xb, 1, core_bits(cpus), cpus, 2 << 8, 0); /* core level */
}

static void add_xsave(struct x86_cpu_model *m)
{
    if (!x86_model_has(m, X86_FEATURE_XSAVE))
        return;
    u64 xcr0 = m->xcr0_allowed;
    add(m, 0xd, 0, (u32)xcr0, m->xsave_size, m->xsave_size, xcr0 >> 32);
    add(m, 0xd, 1, 0, 0, 0, 0);
    for (unsigned i = 2; i < X86_XSAVE_COMPONENTS; i++)
        if (xcr0 >> i & 1)
            add(m, 0xd, (int)i, m->xsave[i].size, m->xsave[i].offset, 0, 0);
}

/* The crystal is the local APIC timer's clock. Its product with the numerator must fit 32 bits,
 * for Linux multiplies kilohertz there: whole megahertz are what the ratio can say. */
static void add_frequency(struct x86_cpu_model *m)
{
    u32 mhz = (m->tsc_khz + 500) / 1000;
    if (!mhz) /* the engine does not know it: the guest measures */
        return;
    add(m, 0x15, NO_SUBLEAF, 1000, mhz, CRYSTAL_HZ, 0);
    add(m, 0x16, NO_SUBLEAF, mhz, mhz, 100, 0);
}

static void add_basic(struct x86_cpu_model *m, unsigned cpus)
{
    bool amd = m->vendor == X86_VENDOR_AMD;
    u32 r[4];
    x86_vendor_registers(m->vendor, r);
    add(m, 0, NO_SUBLEAF, amd ? 0xd : 0x16, r[1], r[2], r[3]);
    add(m, 1, NO_SUBLEAF, m->signature, (1u << core_bits(cpus)) << 16 | 8 << 8, 0,
        cpus > 1 ? HTT : 0);
    if (!amd) {
        add(m, 2, NO_SUBLEAF, 0x00feff01, 0, 0, 0); /* caches: see leaf 4 */
        add_caches(m, 4, cpus);
    }
    add(m, 6, NO_SUBLEAF, 0, 0, 0, 0);
    add(m, 7, 0, 1, 0, 0, 0);
    add(m, 7, 1, 0, 0, 0, 0);
    add_topology(m, cpus);
    add_xsave(m);
    if (!amd)
        add_frequency(m);
}

static void add_brand(struct x86_cpu_model *m)
{
    char text[48] = "";
    str_format(text, sizeof text, "doppel virtual processor (%s)", m->name);
    for (unsigned i = 0; i < 3; i++)
        add(m, 0x80000002 + i, NO_SUBLEAF, load32(text + 16 * i), load32(text + 16 * i + 4),
            load32(text + 16 * i + 8), load32(text + 16 * i + 12));
}

/* Caches as above and translation buffers of a plausible size in AMD's own form. */
static void add_amd_extended(struct x86_cpu_model *m, unsigned cpus)
{
    add(m, 0x80000005, NO_SUBLEAF, 0xff40ff40, 0xff40ff40, 0x20080140, 0x20080140);
    add(m, 0x80000006, NO_SUBLEAF, 0x48002200, 0x68004200, 1024u << 16 | 6 << 12 | 1 << 8 | 64,
        32u << 18 | 8 << 12 | 1 << 8 | 64);
    if (!x86_model_has(m, X86_FEATURE_TOPOEXT))
        return;
    add_caches(m, 0x8000001d, cpus);
    add(m, 0x8000001e, NO_SUBLEAF, 0, 0, 0, 0);
}

static void add_extended(struct x86_cpu_model *m, unsigned cpus)
{
    bool amd = m->vendor == X86_VENDOR_AMD;
    u32 r[4] = {0};
    if (amd)
        x86_vendor_registers(m->vendor, r);
    add(m, 0x80000000, NO_SUBLEAF, amd ? 0x80000021 : 0x80000008, r[1], r[2], r[3]);
    add(m, 0x80000001, NO_SUBLEAF, amd ? m->signature : 0, 0, amd && cpus > 1 ? CMP_LEGACY : 0, 0);
    /* AMD repeats leaf 1's EDX where its first 64-bit chips had it. */
    if (amd)
        m->leaf[m->leaf_count - 1].reg[3] |= m->leaf[1].reg[3] & 0x0183f3ff;
    add_brand(m);
    if (amd)
        add_amd_extended(m, cpus);
    else
        add(m, 0x80000006, NO_SUBLEAF, 0, 0, 1024u << 16 | 6 << 12 | 64, 0);
    add(m, 0x80000007, NO_SUBLEAF, 0, 0, 0, 0);
    add(m, 0x80000008, NO_SUBLEAF, m->physical_bits | m->linear_bits << 8, 0,
        amd ? core_bits(cpus) << 12 | (cpus - 1) : 0, 0);
    if (amd)
        add(m, 0x80000021, NO_SUBLEAF, 0, 0, 0, 0);
}

void x86_model_build_leaves(struct x86_cpu_model *m, unsigned cpus, bool hypervisor)
{
    m->leaf_count = 0;
    x86_model_set(m, X86_FEATURE_HYPERVISOR, hypervisor);
    add_basic(m, cpus ? cpus : 1);
    if (hypervisor) /* "doppel VMM", and no interface: a paravirtual one answers in its place */
        add(m, 0x40000000, NO_SUBLEAF, 0x40000000, 0x70706f64, 0x56206c65, 0x00004d4d);
    add_extended(m, cpus ? cpus : 1);
}
