/* SPDX-License-Identifier: BSD-2-Clause */
/* Shared by cpuid.c, cpuid_models.c and cpuid_leaves.c. */
#ifndef ISA_X86_CPUID_PRIV_H
#define ISA_X86_CPUID_PRIV_H

#include "isa/x86/cpuid.h"

/* Where CPUID shows each feature. Index: enum x86_feature. */
struct x86_feature_place {
    const char *name;
    u32 leaf;
    u8 subleaf, reg, bit; /* reg: 0 eax .. 3 edx */
};
extern const struct x86_feature_place x86_feature_places[X86_FEATURE_COUNT];

/* "AuthenticAMD" as EBX, EDX, ECX hold it. */
void x86_vendor_registers(u8 vendor, u32 out[4]);

/* What a named model takes when it is offered and does not promise. */
bool x86_feature_is_optional(unsigned feature);

#endif
