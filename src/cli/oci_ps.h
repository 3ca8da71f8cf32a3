/* SPDX-License-Identifier: BSD-2-Clause */
/* A container's processes as a table for people. */
#ifndef CLI_OCI_PS_H
#define CLI_OCI_PS_H

#include <fcntl.h>
#include <sys/types.h>

/* Prints ps(1)'s head line and its lines of the given processes. Without options: ps -ef, or the
 * numbers alone where there is no ps. -1: ps failed or prints no PID column. */
int oci_ps_table(const pid_t *pid, size_t n, char *const *options, size_t option_count);

#endif
