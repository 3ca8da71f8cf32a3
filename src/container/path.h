/* SPDX-License-Identifier: BSD-2-Clause */
/* Paths inside a root file system that may be hostile: symbolic links in it never lead out. All
 * results are O_PATH descriptors, so nothing can be exchanged between the check and the use. */
#ifndef CONTAINER_PATH_H
#define CONTAINER_PATH_H

#include "container/util.h"

/* openat2(RESOLVE_IN_ROOT); without openat2 the components are walked one by one. */
int path_open(int root, const char *path, int flags, struct err *e) must_check;
/* As above but a last symbolic link is not followed. */
int path_open_nofollow(int root, const char *path, int flags, struct err *e) must_check;
/* Opens path and makes missing directories (mode) and, for a file, an empty regular file. */
enum path_kind { PATH_DIRECTORY, PATH_FILE };
int path_make(int root, const char *path, enum path_kind kind, mode_t mode,
              struct err *e) must_check;
/* Opens (making it if missing) the directory that holds path; *name is path's last component. */
int path_make_parent(int root, const char *path, const char **name, struct err *e) must_check;

/* For tests: behave as a kernel without openat2. */
extern bool path_force_walk;

#endif
