/* SPDX-License-Identifier: BSD-2-Clause */
/* Lifecycle hooks: programs that get the container's state on standard input. */
#ifndef CONTAINER_HOOKS_H
#define CONTAINER_HOOKS_H

#include "container/config.h"

/* Runs the hooks of one kind in order; the first failure ends it. env is for those without an
 * environment of their own; NULL: the runtime's. */
int hooks_run(const struct config *c, enum hook_kind kind, json_t *state, const char **env,
              struct err *e) must_check;
/* As above for poststop, whose failures are only reported. */
void hooks_run_all(const struct config *c, enum hook_kind kind, json_t *state);

#endif
