/* SPDX-License-Identifier: BSD-2-Clause */
/* The container's /dev: the devices every container has, those asked for, customary links. */
#ifndef CONTAINER_ROOTFS_DEVICES_H
#define CONTAINER_ROOTFS_DEVICES_H

#include "container/config.h"

int devices_setup(const struct config *c, int root, bool userns, struct err *e) must_check;

#endif
