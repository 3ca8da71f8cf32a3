/* SPDX-License-Identifier: BSD-2-Clause */
/* User namespaces: writing id maps, by ourselves or through newuidmap and newgidmap. */
#ifndef CONTAINER_USERNS_H
#define CONTAINER_USERNS_H

#include "container/config.h"

/* Maps ids of the user namespace that pid has just made. */
int userns_map(pid_t pid, const struct id_maps *uids, const struct id_maps *gids,
               struct err *e) must_check;
/* A descriptor of a new user namespace with these maps: for id-mapped mounts. */
int userns_open(const struct id_maps *uids, const struct id_maps *gids, struct err *e) must_check;
/* An id as it is outside; -1 when it is not mapped. */
i64 userns_host_id(const struct id_maps *maps, u32 id);

#endif
