/* SPDX-License-Identifier: BSD-2-Clause */
/* linux.seccomp: compiled outside the container by libseccomp, so that a bad profile fails before
 * anything exists; the init only loads bytes. */
#ifndef CONTAINER_SECCOMP_FILTER_H
#define CONTAINER_SECCOMP_FILTER_H

#include "container/util.h"

struct seccomp_program {
    void *code; /* struct sock_filter[] */
    size_t count;
    unsigned flags; /* of seccomp(2) */
    bool notifies;  /* some rule asks the agent */
    const char *listener_path, *listener_metadata;
};

int seccomp_program_compile(json_t *section, struct seccomp_program *out, struct err *e) must_check;
void seccomp_program_free(struct seccomp_program *p);
/* Loads it into the calling thread; *listener is the notify descriptor or -1. */
int seccomp_program_load(const struct seccomp_program *p, int *listener, struct err *e) must_check;
/* Names for `features`. */
extern const char *const seccomp_action_names[],
    *const seccomp_operator_names[], *const seccomp_arch_names[], *const seccomp_flag_names[];

#endif
