/* SPDX-License-Identifier: BSD-2-Clause */
/* Which control groups a process of exec joins. */
#ifndef CONTAINER_EXEC_CGROUP_H
#define CONTAINER_EXEC_CGROUP_H

#include "container/cgroup.h"
#include "container/state.h"

/* wanted: NULL, or a list ended by NULL of [CONTROLLER,...:]PATH below the container's group. */
int exec_cgroup_open(const struct state *s, const char *const *wanted, struct cgroup_doors *d,
                     struct err *e) must_check;

#endif
