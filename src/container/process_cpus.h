/* SPDX-License-Identifier: BSD-2-Clause */
/* CPU affinity from lists like "0-3,7". */
#ifndef CONTAINER_PROCESS_CPUS_H
#define CONTAINER_PROCESS_CPUS_H

#include "container/util.h"

int process_set_cpus(pid_t pid, const char *list, struct err *e) must_check;

/* All CPUs that the control group allows: not those that whoever called the runtime runs on. */
void process_reset_cpus(void);

#endif
