/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the running time of vCPUs goes: their threads are sampled by processor time, so waiting
 * does not count. A sample falls to a tier, and to the symbol of the guest's code that runs. */
#ifndef VM_PROFILE_H
#define VM_PROFILE_H

#include "base/err.h"
#include "base/os.h"

struct vm;
struct vcpu;

/* clang-format cannot settle on a layout of this list. */
/* clang-format off */
#define VM_TIERS(X)                                                                                \
    X(MONITOR, "monitor") X(GUEST, "guest") X(TRANSLATED, "translated code")                       \
    X(CALLED_OUT, "called out of translated code") X(INTERPRETED, "interpreter")                   \
    X(DECODING, "decoding") X(TRANSLATING, "translating")
/* clang-format on */

enum vcpu_tier {
#define X(id, text) TIER_##id,
    VM_TIERS(X)
#undef X
        TIER_COUNT
};
extern const char *const vcpu_tier_name[TIER_COUNT];

/* What an engine says of a sample that was taken while it ran the guest. */
struct guest_place {
    enum vcpu_tier tier;
    u64 addr;   /* linear address of the guest's code, or of the block it is in */
    bool known; /* addr was found */
    bool user;  /* CPL 3; then the address does not matter */
};

/* Symbols by ascending address, each up to the next one. name NULL: what begins there is no code.
 */
struct guest_symbols {
    u32 count;
    const u64 *start;
    const char *const *name;
};

/* Where samples fall: numbers for profile_place(). */
enum {
    PLACE_USER,
    PLACE_NAMELESS, /* code of the kernel that no symbol names */
    PLACE_UNKNOWN,  /* the engine was between two places */
    PLACE_SYMBOL,   /* number 0 of struct guest_symbols; the others follow */
};

/* Of all vCPUs together, in periods. Any thread, while they run too. */
u64 profile_tier(const struct vm *vm, enum vcpu_tier tier);
u64 profile_place(const struct vm *vm, u32 place);

/* Samples the calling vCPU's thread from now on, if vm_config asks for it. Where the host cannot,
 * the machine runs without. */
void profile_start(struct vcpu *v);
/* On the same thread, at its end. The counts stay until profile_free(). */
void profile_stop(struct vcpu *v);
void profile_free(struct vcpu *v);

#endif
