/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory type range registers [SDM3 11.11.2]. Types change nothing here, but what a guest writes is
 * read back, and what no processor holds is refused. */
#include "base/bits.h"
#include "isa/x86/exec/place.h"
#include "isa/x86/exec/system.h"

enum {
    MSR_MTRR_BASE0 = 0x200,
    MSR_MTRR_MASK7 = 0x20f,
    MSR_MTRR_DEF_TYPE = 0x2ff,
    MASK_VALID = 1 << 11,
    DEF_FIXED_ENABLE = 1 << 10,
    DEF_ENABLE = 1 << 11,
};

static const u16 fixed_mtrr[11] = {0x250, 0x258, 0x259, 0x268, 0x269, 0x26a,
                                   0x26b, 0x26c, 0x26d, 0x26e, 0x26f};

static bool is_variable(u32 index)
{
    return index >= MSR_MTRR_BASE0 && index <= MSR_MTRR_MASK7;
}

u64 *x86_mtrr_field(struct x86_state *s, u32 index)
{
    if (index == MSR_MTRR_DEF_TYPE)
        return &s->mtrr_def_type;
    if (is_variable(index))
        return index & 1 ? &s->mtrr_mask[(index - MSR_MTRR_BASE0) / 2]
                         : &s->mtrr_base[(index - MSR_MTRR_BASE0) / 2];
    for (unsigned i = 0; i < ARRAY_LEN(fixed_mtrr); i++)
        if (fixed_mtrr[i] == index)
            return &s->mtrr_fix[i];
    return NULL;
}

/* UC, WC, WT, WP, WB [SDM3 table 11-8]. */
static bool valid_type(unsigned type)
{
    return type < 7 && type != 2 && type != 3;
}

bool x86_mtrr_allows(const struct x86_cpu *cpu, u32 index, u64 value)
{
    u64 address = x86_physical_mask(cpu) & ~(u64)0xfff;
    if (index == MSR_MTRR_DEF_TYPE)
        return valid_type(value & 0xff) &&
               !(value >> 8 & ~(u64)((DEF_FIXED_ENABLE | DEF_ENABLE) >> 8));
    if (is_variable(index) && (index & 1))
        return !(value & ~(address | MASK_VALID));
    if (is_variable(index))
        return valid_type(value & 0xff) && !(value & ~(address | 0xff));
    for (unsigned i = 0; i < 8; i++)
        if (!valid_type(value >> 8 * i & 0xff))
            return false;
    return true;
}
