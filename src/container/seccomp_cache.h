/* SPDX-License-Identifier: BSD-2-Clause */
/* Compiled seccomp profiles, kept below the root directory: compiling the one that podman gives to
 * every container takes three times as long as all the rest of a start. */
#ifndef CONTAINER_SECCOMP_CACHE_H
#define CONTAINER_SECCOMP_CACHE_H

#include "container/seccomp_filter.h"

/* As seccomp_program_compile, from the cache when the very same profile is there. root: the state
 * directory of all containers; what cannot be kept there is just compiled again. */
int seccomp_cache_compile(int root, json_t *section, struct seccomp_program *out,
                          struct err *e) must_check;

#endif
