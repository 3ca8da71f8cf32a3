/* SPDX-License-Identifier: BSD-2-Clause */
/* The process confines itself once the machine is built: from then on it may use only the system
 * calls that running a machine takes, gains no privilege, opens no file, starts no program and maps
 * no new executable memory. What a guest could win by a bug of ours ends here. */
#ifndef HOST_SANDBOX_H
#define HOST_SANDBOX_H

#include "base/err.h"

/* Applies to every thread of the process, at once and for good. kvm: the KVM ioctls stay allowed.
 * -ENOTSUP where the host kernel has no filters: nothing has changed then. */
int sandbox_enter(bool kvm, struct err *e) must_check;

#endif
