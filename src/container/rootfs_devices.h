/* SPDX-License-Identifier: BSD-2-Clause */
/* The container's /dev: the devices every container has, those asked for, customary links. */
#ifndef CONTAINER_ROOTFS_DEVICES_H
#define CONTAINER_ROOTFS_DEVICES_H

#include "container/config.h"

int devices_setup(const struct config *c, int root, bool userns, const int *prepared,
                  struct err *e) must_check;
/* Outside, with the host's privileges, for a container in a user namespace, where no node can be
 * made: fds[i] becomes a detached mount of device i of the configuration. */
int devices_prepare(const struct config *c, int *fds, struct err *e) must_check;

#endif
