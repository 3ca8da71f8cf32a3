/* SPDX-License-Identifier: BSD-2-Clause */
/* linux.memoryPolicy of runtime-spec 1.3; o: the object or NULL. */
#ifndef CONTAINER_MEMORY_POLICY_H
#define CONTAINER_MEMORY_POLICY_H

#include "container/util.h"

int memory_policy_check(json_t *o, struct err *e) must_check;
/* On the calling process; execve keeps it. */
int memory_policy_apply(json_t *o, struct err *e) must_check;

#endif
