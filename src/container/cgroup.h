/* SPDX-License-Identifier: BSD-2-Clause */
/* Control groups through their file systems: version 1 hierarchies, version 2, and both together.
 * A container has one path, used below every hierarchy that is mounted; a resource goes to the
 * version 1 hierarchy of its controller if there is one, else to version 2. */
#ifndef CONTAINER_CGROUP_H
#define CONTAINER_CGROUP_H

#include "container/util.h"

enum { CGROUP_HIERARCHIES = 24 };

struct cgroup_hierarchy {
    char mount[256];
    char controllers[128]; /* ",cpu,cpuacct," or ",name=systemd,"; of v2: what its root offers */
    char own[256];         /* path of this process in it */
    bool v2;
};
struct cgroup_host {
    struct cgroup_hierarchy h[CGROUP_HIERARCHIES];
    unsigned n;
    bool pure_v2; /* version 2 alone */
};

int cgroup_host_read(const struct cgroup_host **out, struct err *e) must_check;
/* The hierarchy with a controller; NULL. */
const struct cgroup_hierarchy *cgroup_find(const struct cgroup_host *host, const char *controller);
const struct cgroup_hierarchy *cgroup_v2(const struct cgroup_host *host);
/* Opens the container's directory in one hierarchy. */
int cgroup_open(const struct cgroup_hierarchy *h, const char *path, struct err *e) must_check;

/* The group a process is in: of version 2 if mounted, else of systemd's own hierarchy. Freed with
 * free(). */
int cgroup_path_of(pid_t pid, char **out, struct err *e) must_check;
/* The path for a container: cgroupsPath or made from the id. Freed with free(). */
int cgroup_path(const char *wanted, const char *id, char **out, struct err *e) must_check;
/* Makes the directories, of version 2 or of all hierarchies of version 1. -EBUSY when a group of
 * that path holds processes already. */
int cgroup_create(const struct cgroup_host *host, const char *path, bool v2, bool may_lack,
                  struct err *e) must_check;
/* The same around a process that is in some of them already (systemd has made those): version 1. */
int cgroup_complete(const struct cgroup_host *host, const char *path, bool may_lack,
                    struct err *e) must_check;
/* Descriptors with which a new process joins a group: opened outside, used inside. */
struct cgroup_doors {
    int v1[CGROUP_HIERARCHIES]; /* `tasks` of each version 1 hierarchy */
    unsigned n;
    int v2, v2_procs; /* the directory, for clone3, and its cgroup.procs; -1: none */
};
/* Adds those of one version. */
int cgroup_doors_open(const struct cgroup_host *host, const char *path, bool v2, bool may_lack,
                      struct cgroup_doors *d, struct err *e) must_check;
void cgroup_doors_close(struct cgroup_doors *d);
/* Moves the calling thread; v2: there too, because clone3 could not. */
int cgroup_enter(const struct cgroup_doors *d, bool v2, struct err *e) must_check;
/* linux.resources; members that the kernel lacks are refused. devices: as cgroup_devices.h says. */
int cgroup_set(const struct cgroup_host *host, const char *path, json_t *resources,
               struct err *e) must_check;
/* OCI's shares 2..262144 and block weights 10..1000 as version 2's weights 1..10000. */
u64 cgroup_weight_of_shares(u64 shares);
u64 cgroup_weight_of_io(u64 weight);
int cgroup_freeze(const char *path, bool freeze, struct err *e) must_check;
bool cgroup_is_frozen(const char *path);
/* The directory of the group where it is frozen; NULL. Freed with free(). */
char *cgroup_freezer_path(const char *path);
/* All pids in the group and below; *out is freed with free(). */
int cgroup_pids(const char *path, pid_t **out, size_t *n, struct err *e) must_check;
/* Sends a signal to every process in the group and below. */
int cgroup_kill(const char *path, int signal, struct err *e) must_check;
/* Removes the group and what is below it; waits a little for dying processes. */
int cgroup_remove(const char *path, struct err *e) must_check;
/* What `events --stats` prints as data. */
int cgroup_stats(const char *path, json_t **out, struct err *e) must_check;

#endif
