/* SPDX-License-Identifier: BSD-2-Clause */
/* linux.netDevices of runtime-spec 1.3: devices of the host's network that the container gets. o:
 * the object of config.json or NULL. */
#ifndef CONTAINER_NETDEVICE_H
#define CONTAINER_NETDEVICE_H

#include "container/util.h"

/* own_network: the container has a network namespace, be it a joined one. */
int netdevice_check(json_t *o, bool own_network, struct err *e) must_check;
/* Moves them into the network namespace of process pid, under their names there, with their
 * permanent addresses, and switches them on. */
int netdevice_move(json_t *o, pid_t pid, struct err *e) must_check;

#endif
