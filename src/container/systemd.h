/* SPDX-License-Identifier: BSD-2-Clause */
/* The systemd cgroup manager: each container in a transient scope, made by the service manager with
 * what config.json limits as its properties, and delegated to the container. */
#ifndef CONTAINER_SYSTEMD_H
#define CONTAINER_SYSTEMD_H

#include "container/util.h"

struct scope {
    char unit[256], slice[256];
};

/* From linux.cgroupsPath "slice:prefix:name"; without one the id names the scope. */
int systemd_scope_parse(const char *cgroups_path, const char *id, struct scope *s,
                        struct err *e) must_check;
/* Starts the scope with pid in it. annotations: of config.json; "org.systemd.property.X" is
 * property X of the scope. */
int systemd_scope_start(const struct scope *s, pid_t pid, json_t *resources, json_t *annotations,
                        bool v2, struct err *e) must_check;
/* Tells the manager, so that it does not undo what is written to the group. */
int systemd_scope_update(const char *unit, json_t *resources, bool v2, struct err *e) must_check;
/* Forgets it; that there is none any more is no error. */
int systemd_scope_stop(const char *unit, struct err *e) must_check;

#endif
