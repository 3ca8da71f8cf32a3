/* SPDX-License-Identifier: BSD-2-Clause */
/* KVM's guest ABI [Linux Documentation/virt/kvm/x86: cpuid.rst, msr.rst, hypercalls.rst]. */
#ifndef HYPERCALL_KVM_ABI_H
#define HYPERCALL_KVM_ABI_H

#include "base/types.h"

enum { KVM_LEAF_SIGNATURE = 0x40000000, KVM_LEAF_FEATURES = 0x40000001 };
enum kvm_feature {
    KVM_FEATURE_CLOCK_OLD = 1 << 0, /* at the old MSR numbers */
    KVM_FEATURE_NO_IO_DELAY = 1 << 1,
    KVM_FEATURE_CLOCK = 1 << 3,
    KVM_FEATURE_STEAL_TIME = 1 << 5,
    KVM_FEATURE_EOI = 1 << 6,
    KVM_FEATURE_UNHALT = 1 << 7,
    KVM_FEATURE_TLB_FLUSH = 1 << 9,
    KVM_FEATURE_SEND_IPI = 1 << 11,
    KVM_FEATURE_STABLE_CLOCK = 1 << 24,
};

enum kvm_msr {
    KVM_MSR_WALL_CLOCK_OLD = 0x11,
    KVM_MSR_SYSTEM_TIME_OLD = 0x12,
    KVM_MSR_WALL_CLOCK = 0x4b564d00,
    KVM_MSR_SYSTEM_TIME = 0x4b564d01,
    KVM_MSR_STEAL_TIME = 0x4b564d03,
    KVM_MSR_EOI = 0x4b564d04,
};
enum { KVM_MSR_ENABLE = 1 };

/* MSR_SYSTEM_TIME: nanoseconds = system_time + ((TSC - tsc) << shift) * mul / 2^32. The version is
 * odd while the rest changes. */
struct kvm_system_time {
    u32 version, pad;
    u64 tsc, system_time;
    u32 mul;
    i8 shift;
    u8 flags;
    u8 reserved[2];
};
_Static_assert(sizeof(struct kvm_system_time) == 32, "as guests know it");
enum { KVM_TIME_STABLE = 1 << 0 }; /* in flags: the same on all processors at any time */

/* MSR_WALL_CLOCK: the time of day at system_time 0. */
struct kvm_wall_clock {
    u32 version, seconds, nanoseconds;
};

/* MSR_STEAL_TIME. */
struct kvm_steal_time {
    u64 steal; /* ns that the processor could have run and did not */
    u32 version, flags;
    u8 preempted;
    u8 reserved[47];
};
_Static_assert(sizeof(struct kvm_steal_time) == 64, "as guests know it");
enum { KVM_PREEMPTED = 1 << 0, KVM_FLUSH_WANTED = 1 << 1 }; /* in preempted; the guest sets FLUSH */

enum kvm_call { KVM_CALL_KICK_CPU = 5, KVM_CALL_CLOCK_PAIRING = 9, KVM_CALL_SEND_IPI = 10 };
enum kvm_error {
    KVM_EPERM = 1,
    KVM_EFAULT = 14,
    KVM_EINVAL = 22,
    KVM_EOPNOTSUPP = 95,
    KVM_ENOSYS = 1000,
};

/* The answer of CLOCK_PAIRING: one moment as time of day and as TSC. */
struct kvm_clock_pairing {
    i64 seconds, nanoseconds;
    u64 tsc;
    u32 flags, reserved[9];
};
_Static_assert(sizeof(struct kvm_clock_pairing) == 64, "as guests know it");

#endif
