/* SPDX-License-Identifier: BSD-2-Clause */
/* Model-specific registers that belong to the machine: the local APIC's, and a table of those that
 * kernels look at to learn what the processor is. Registers with a meaning for instructions
 * (EFER, STAR, MTRRs ...) are the canonical state's own. */
#include "vm/vcpu_priv.h"

#include "base/bits.h"
#include "base/log.h"
#include "isa/x86/insn.h"
#include "vm/vm.h"
#include "vm/x86/lapic.h"

#include <errno.h>

enum { ON_INTEL = 1 << X86_VENDOR_INTEL, ON_AMD = 1 << X86_VENDOR_AMD, ON_BOTH = 3 };

/* Bits outside `writable` keep their value whatever is written: kernels set bits in these that the
 * machine has no use for. A register that no processor lets anybody write faults. */
struct msr_row {
    u32 index;
    u8 vendors;
    u64 reset, writable;
    const char *name; /* and where it is described */
    bool read_only;
};

/* No Meltdown, L1TF, MDS, TAA, SSB, MMIO stale data, GDS, RFDS, ITS or post-barrier RSB
 * predictions; enhanced IBRS, so that Linux needs no retpolines. */
#define ARCH_CAPABILITIES                                                                          \
    (BIT(0) | BIT(1) | BIT(3) | BIT(4) | BIT(5) | BIT(6) | BIT(8) | BIT(13) | BIT(14) | BIT(15) |  \
     BIT(24) | BIT(26) | BIT(27) | BIT(62))

/* Rows are saved by index, so they may be moved and added; VCPU_MSRS_MAX bounds them. */
static const struct msr_row rows[] = {
    {0x00000017, ON_INTEL, 0, 0, "IA32_PLATFORM_ID [SDM4 2.1]", true},
    {0x0000003a, ON_INTEL, 1, 0, "IA32_FEATURE_CONTROL: locked, VMX off [SDM4 2.1]", true},
    {0x0000008b, ON_BOTH, (u64)1 << 32, 0, "IA32_BIOS_SIGN_ID, PATCH_LEVEL: microcode revision"},
    {0x000000ce, ON_INTEL, 0, 0, "MSR_PLATFORM_INFO [SDM4 2.17]"},
    {0x0000010a, ON_INTEL, ARCH_CAPABILITIES, 0, "IA32_ARCH_CAPABILITIES [SDM4 2.1]", true},
    {0x00000140, ON_INTEL, 0, 0, "MISC_FEATURE_ENABLES: no CPUID faulting [SDM4 2.17]"},
    {0x00000179, ON_BOTH, 0, 0, "IA32_MCG_CAP: no machine-check banks [SDM3 15.3.1.1]", true},
    {0x0000017a, ON_BOTH, 0, ~(u64)0, "IA32_MCG_STATUS [SDM3 15.3.1.2]"},
    {0x00000198, ON_INTEL, 0, 0, "IA32_PERF_STATUS [SDM3 14.1.1]", true},
    {0x0000019a, ON_INTEL, 0, 0, "IA32_CLOCK_MODULATION [SDM3 14.8.3]"},
    {0x0000019b, ON_INTEL, 0, 0, "IA32_THERM_INTERRUPT [SDM3 14.8.2]"},
    {0x0000019c, ON_INTEL, 0, 0, "IA32_THERM_STATUS [SDM3 14.8.2]"},
    {0xc0010010, ON_AMD, 0, 0x740000, "SYSCFG [APM2 7.9.4]"},
    {0xc0010015, ON_AMD, (u64)1 << 24, 0xffff,
     "HWCR: the TSC counts at P0 frequency [APM2 3.2.10]"},
    {0xc001001a, ON_AMD, 0, 0, "TOP_MEM [APM2 7.9.4]"},
    {0xc001001d, ON_AMD, 0, 0, "TOM2 [APM2 7.9.4]"},
    {0xc001001f, ON_AMD, 0, 0, "NB_CFG1"},
    {0xc0010055, ON_AMD, 0, 0, "interrupt pending: no C1E"},
    {0xc0010114, ON_AMD, 1 << 4, 0, "VM_CR: SVM disabled and locked [APM2 15.30.1]"},
    {0xc0010117, ON_AMD, 0, 0, "VM_HSAVE_PA [APM2 15.30.4]"},
    {0xc0010140, ON_AMD, 4, 0, "OSVW_ID_LENGTH: four errata described"},
    {0xc0010141, ON_AMD, 0, 0, "OSVW_STATUS: none of them present"},
    {0xc0011020, ON_AMD, 0, ~(u64)0, "LS_CFG"},
    {0xc0011022, ON_AMD, 0, ~(u64)0, "DC_CFG"},
    {0xc0011023, ON_AMD, 0, ~(u64)0, "BU_CFG, TW_CFG"},
    {0xc0011029, ON_AMD, 1 << 1, ~(u64)0, "DE_CFG: LFENCE serializes"},
    {0xc001102a, ON_AMD, 0, ~(u64)0, "BU_CFG2"},
};
_Static_assert(ARRAY_LEN(rows) <= VCPU_MSRS_MAX, "a value for each row");

static int find_row(const struct vcpu *v, u32 index)
{
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].index == index && rows[i].vendors >> v->vm->model.vendor & 1)
            return (int)i;
    return -1;
}

static bool is_lapic(u32 index)
{
    return index == 0x1b || index == 0x6e0 || (index >= 0x800 && index <= 0x8ff);
}

static int unknown(struct vcpu *v, u32 index, bool write)
{
    vcpu_count(v, EXIT_UNKNOWN_MSR);
    log_guest("msr", "vCPU %u: %s of unknown register %#x", v->index, write ? "write" : "read",
              index);
    return -1;
}

int vcpu_msr(struct vcpu *v, u32 index, bool write, u64 *value)
{
    vcpu_in_tier(v, TIER_MONITOR);
    struct vm *vm = v->vm;
    vcpu_count(v, write ? EXIT_MSR_WRITE : EXIT_MSR_READ);
    if (is_lapic(index) && !(vm->engine->caps & ENGINE_LAPIC))
        return lapic_msr(v, index, write, value);
    if (vm->hypercall && vm->hypercall->msr) {
        int r = vm->hypercall->msr(v, vm->hypercall_ctx, index, write, value);
        if (r <= 0)
            return r;
    }
    int i = find_row(v, index);
    if (i < 0)
        return unknown(v, index, write);
    u64 *reg = &v->priv->msr[i];
    if (write && rows[i].read_only)
        return -1;
    if (write)
        *reg = (*reg & ~rows[i].writable) | (*value & rows[i].writable);
    else
        *value = *reg;
    return 0;
}

void vcpu_msr_reset(struct vcpu *v)
{
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++)
        v->priv->msr[i] = rows[i].reset;
}

/* Only what differs from reset is kept, so that the list stays short and old states stay valid. */
void vcpu_msr_save(struct vcpu *v, struct x86_state *s)
{
    for (unsigned i = 0; i < ARRAY_LEN(rows) && s->msr_count < X86_MSR_EXTRA_MAX; i++)
        if (rows[i].vendors >> v->vm->model.vendor & 1 && v->priv->msr[i] != rows[i].reset)
            s->msr[s->msr_count++] =
                (struct x86_msr){.index = rows[i].index, .value = v->priv->msr[i]};
}

/* Registers of the list that no row knows are left to the engine. */
int vcpu_msr_load(struct vcpu *v, const struct x86_state *s, struct err *e)
{
    if (s->msr_count > X86_MSR_EXTRA_MAX)
        return err_set(e, -EINVAL, "loading the registers of vCPU %u: %u entries in a list of %d",
                       v->index, s->msr_count, X86_MSR_EXTRA_MAX);
    vcpu_msr_reset(v);
    for (u32 n = 0; n < s->msr_count; n++) {
        int i = find_row(v, s->msr[n].index);
        if (i >= 0)
            v->priv->msr[i] =
                (rows[i].reset & ~rows[i].writable) | (s->msr[n].value & rows[i].writable);
    }
    return 0;
}
