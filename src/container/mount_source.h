/* SPDX-License-Identifier: BSD-2-Clause */
/* The sources of bind mounts: which are cloned outside, before the namespaces are entered, which in
 * there when their turn comes, and how one of those gets other ids. */
#ifndef CONTAINER_MOUNT_SOURCE_H
#define CONTAINER_MOUNT_SOURCE_H

#include "container/mounts.h"

/* Outside, before: clones what must be, into fds (config->mount_count entries, else -1): sources
 * the mapped root could not reach, and id-mapped ones. Those that lie in the root are only found
 * out (mount_request.in_root): they may show what earlier entries mount there. */
int mount_sources_prepare(struct config *c, const char *rootfs, bool privileged, int *fds,
                          struct err *e) must_check;
/* source from the root on, "/a/b"; NULL when it does not lie in there. */
const char *mount_source_in_root(const char *rootfs, const char *source);
/* Inside: the detached tree for an entry. */
int mount_source_open(const struct mounter *m, size_t index, const struct mount_options *o,
                      struct err *e) must_check;
/* Outside, when the inside asks: a clone of source (a descriptor from the mount namespace of
 * process init) with the ids of mount `index` mapped. */
int mount_source_map(const struct config *c, int index, pid_t init, int source,
                     struct err *e) must_check;

#endif
