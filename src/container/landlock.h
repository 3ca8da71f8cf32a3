/* SPDX-License-Identifier: BSD-2-Clause */
/* The annotation org.doppel.landlock: which parts of its own root a container's processes may use,
 * enforced by the kernel for each of them whatever its user and capabilities are.
 *
 *   {"read": ["/"], "execute": ["/bin", "/lib"], "write": ["/tmp", "/dev"],
 *    "bindTcp": [8080], "connectTcp": [], "optional": true}
 *
 * What is below none of the paths cannot be opened. A path of `execute` or `write` can be read too;
 * `write` is also to make, remove and rename. A list of ports restricts TCP to them; without the
 * member ports are free. `optional`: start without the policy on a kernel that lacks it. */
#ifndef CONTAINER_LANDLOCK_H
#define CONTAINER_LANDLOCK_H

#include "container/config.h"

#define LANDLOCK_ANNOTATION "org.doppel.landlock"

/* Is the policy, if there is one, well formed and within what this kernel can do? */
int landlock_check(const struct config *c, struct err *e) must_check;
/* Restricts the calling process, inside the container's root, with CAP_SYS_ADMIN or no_new_privs.
 */
int landlock_apply(const struct config *c, struct err *e) must_check;

#endif
