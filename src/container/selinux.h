/* SPDX-License-Identifier: BSD-2-Clause */
/* Labels of SELinux: of what a container mounts, of its processes, of its keys. */
#ifndef CONTAINER_SELINUX_H
#define CONTAINER_SELINUX_H

#include "container/util.h"

bool selinux_enabled(void);
/* member: what gives the label, for the error; NULL or "" is no label. */
int selinux_check_label(const char *label, const char *member, struct err *e) must_check;
/* data, the options for mounting a file system of this type, with the label among them. Types whose
 * files have labels of their own are left alone, and so are options that give a context already. */
int selinux_mount_data(const char *label, const char *type, const char *data, char *out,
                       size_t size, struct err *e) must_check;
/* Labels what fd, which may be an O_PATH one, stands for. */
int selinux_label_file(int fd, const char *label, struct err *e) must_check;

#endif
