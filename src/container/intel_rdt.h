/* SPDX-License-Identifier: BSD-2-Clause */
/* linux.intelRdt: shares of caches and memory bandwidth through the resctrl file system. o: the
 * object of config.json, which intel_rdt_check has accepted, or NULL: then nothing is done. */
#ifndef CONTAINER_INTEL_RDT_H
#define CONTAINER_INTEL_RDT_H

#include "container/util.h"

/* What can be said about it without the file system. */
int intel_rdt_check(json_t *o, struct err *e) must_check;
/* With it, and nothing is changed yet. */
int intel_rdt_check_host(json_t *o, const char *id, struct err *e) must_check;
/* The directory that is made for the container and goes with it, to be recorded before; NULL:
 * none. Freed with free(). */
char *intel_rdt_owned(json_t *o, const char *id);
/* Makes the container's group, or finds the one it names. */
int intel_rdt_make(json_t *o, const char *id, struct err *e) must_check;
/* A process of the container, its first one or one of exec. */
int intel_rdt_join(json_t *o, const char *id, pid_t pid, struct err *e) must_check;
/* Other schemas for a container that has its group: members l3CacheSchema and memBwSchema. */
int intel_rdt_update(json_t *o, const char *id, json_t *schemas, struct err *e) must_check;
int intel_rdt_remove(const char *owned, struct err *e) must_check;

/* For tests: a directory to take for the file system; missing files are made in it. */
extern const char *intel_rdt_test_root;

#endif
