/* SPDX-License-Identifier: BSD-2-Clause */
/* CPU models: the CPUID leaves, control-register and XCR0 bits and MSRs that a machine's
 * processors show. A model is data; it is fixed before the first instruction and saved. */
#ifndef ISA_X86_CPUID_H
#define ISA_X86_CPUID_H

#include "base/err.h"
#include "base/types.h"
#include "isa/x86/features.gen.h" /* enum x86_feature: generated from features.tab */

struct x86_cpuid_leaf {
    u32 leaf, subleaf;
    u32 has_subleaf; /* subleaf is significant */
    u32 reg[4];      /* eax, ebx, ecx, edx */
};
enum { X86_CPUID_LEAVES_MAX = 96 };
enum { X86_XSAVE_COMPONENTS = 8 }; /* x87, SSE, AVX, two of MPX, three of AVX-512 */

struct x86_cpu_model {
    char name[32];
    u8 vendor; /* enum x86_vendor */
    u8 physical_bits, linear_bits;
    u64 features[X86_FEATURE_WORDS]; /* bitmap by enum x86_feature */
    u64 xcr0_allowed, cr4_allowed, efer_allowed;
    u32 xsave_size; /* of all allowed components, standard format */
    /* Where components 2 up lie: the host's places, for the guest's area is the host unit's own.
     * Vendors disagree from AVX-512 on. */
    struct {
        u32 size, offset;
    } xsave[X86_XSAVE_COMPONENTS];
    u32 signature; /* family, model, stepping as leaf 1 shows them */
    u32 tsc_khz;   /* 0: not known before the machine runs, and not told to the guest */
    u32 leaf_count;
    struct x86_cpuid_leaf leaf[X86_CPUID_LEAVES_MAX];
};

static inline bool x86_model_has(const struct x86_cpu_model *m, unsigned feature)
{
    return m->features[feature / 64] >> (feature % 64) & 1;
}

/* Puts a feature in or takes it out; x86_model_update follows when the last one is in place. */
static inline void x86_model_set(struct x86_cpu_model *m, unsigned feature, bool on)
{
    u64 bit = (u64)1 << (feature % 64);
    m->features[feature / 64] = (m->features[feature / 64] & ~bit) | (on ? bit : 0);
}
/* Drops features whose prerequisites are gone and recomputes the allowed bits of XCR0, CR4 and
 * EFER and the XSAVE size from the rest. */
void x86_model_update(struct x86_cpu_model *m);

/* What this host's user mode can execute, as a model: the union an engine that runs guest code on
 * the host's own units can offer. What no instruction of user mode decides (paging, APIC, control
 * registers) is in it whatever the host has: the monitor provides it, and an engine that does not
 * takes it out. Hidden whatever the host has: CET, PKU, AMX, RTM, MPX, SGX, WAITPKG, LAM, UINTR,
 * MONITOR. */
void x86_model_host(struct x86_cpu_model *m);
const struct x86_cpu_model *x86_host(void); /* the same, to be looked at */
/* "host", "common" (what a guest needs to move between hosts and engines), or a named model.
 * -ENOENT with the list of names. */
int x86_model_find(struct x86_cpu_model *m, const char *name, struct err *e);
/* Removes from m what offer lacks; -ENOTSUP with the first missing feature's name when strict, but
 * for a few (paging comforts, reports of absent bugs) that no model promises. */
int x86_model_intersect(struct x86_cpu_model *m, const struct x86_cpu_model *offer, bool strict,
                        struct err *e);
/* Removes from m every feature (and XCR0 component) that the CPUID of somebody else, read through
 * leaf(), does not show: what a host kernel's hypervisor supports, for example. */
void x86_model_keep(struct x86_cpu_model *m,
                    void (*leaf)(void *ctx, u32 leaf, u32 subleaf, u32 out[4]), void *ctx);
/* Builds m->leaf from the features for a machine of cpus processors. */
void x86_model_build_leaves(struct x86_cpu_model *m, unsigned cpus, bool hypervisor);

/* The guest's view: dynamic parts (APIC ID, OSXSAVE, XSAVE sizes by XCR0) filled in from state. */
struct x86_state;
void x86_cpuid(const struct x86_cpu_model *m, const struct x86_state *s, u32 leaf, u32 subleaf,
               u32 out[4]);
const char *x86_feature_name(unsigned feature);

#endif
