/* SPDX-License-Identifier: BSD-2-Clause */
/* The runtime's commands: the outer half, which owns state directories, control groups and
 * processes. What src/cli/oci.c calls. */
#ifndef CONTAINER_RUNTIME_H
#define CONTAINER_RUNTIME_H

#include "container/cgroup_oom.h"
#include "container/criu.h"
#include "container/state.h"

struct runtime {
    const char *root;      /* --root or NULL */
    bool cgroups_disabled; /* --cgroup-manager=disabled */
    bool systemd;          /* --systemd-cgroup: groups are the service manager's */
};

struct create_options {
    const char *id, *bundle, *config; /* config: file name in the bundle, or NULL */
    const char *pid_file, *console_socket, *pidfd_socket;
    unsigned preserve_fds;
    bool no_pivot, no_new_keyring;
    bool detach, keep, no_subreaper;  /* run */
    const struct checkpoint *restore; /* instead of making its process: NULL, or from where */
};

struct exec_options {
    const char *id, *process_file; /* process_file: NULL: the members below */
    const char *pid_file, *console_socket, *pidfd_socket, *cwd, *user, *apparmor, *label;
    const char **cgroups; /* [CONTROLLER,...:]PATH below the container's group; NULL: none */
    const char **env, **caps, **args; /* ended by NULL; args is never empty without a file */
    bool terminal, detach, no_new_privileges, ignore_paused;
    unsigned preserve_fds;
    const u32 *groups;
    size_t group_count;
};

int runtime_create(const struct runtime *rt, const struct create_options *o,
                   struct err *e) must_check;
/* With a pid, here and in runtime_delete: only the container whose init that is. Somebody may have
 * deleted ours, and somebody made another one of its name. */
int runtime_start(const struct runtime *rt, const char *id, pid_t pid, struct err *e) must_check;
/* create, start, and unless detached wait and delete; *status is the program's exit status. */
int runtime_run(const struct runtime *rt, const struct create_options *o, int *status,
                struct err *e) must_check;
int runtime_exec(const struct runtime *rt, const struct exec_options *o, int *status,
                 struct err *e) must_check;
/* The container ends unless it is left running. */
int runtime_checkpoint(const struct runtime *rt, const char *id, const struct checkpoint *how,
                       struct err *e) must_check;
int runtime_state(const struct runtime *rt, const char *id, json_t **out, struct err *e) must_check;
int runtime_kill(const struct runtime *rt, const char *id, int signal, bool all,
                 struct err *e) must_check;
int runtime_delete(const struct runtime *rt, const char *id, pid_t pid, bool force,
                   struct err *e) must_check;
/* An array of extended states. */
int runtime_list(const struct runtime *rt, json_t **out, struct err *e) must_check;
int runtime_freeze(const struct runtime *rt, const char *id, bool freeze, struct err *e) must_check;
int runtime_update(const struct runtime *rt, const char *id, json_t *resources,
                   struct err *e) must_check;
int runtime_pids(const struct runtime *rt, const char *id, pid_t **out, size_t *n,
                 struct err *e) must_check;
int runtime_stats(const struct runtime *rt, const char *id, json_t **out, struct err *e) must_check;
/* cgroup_oom_watch of a container. */
int runtime_oom_watch(const struct runtime *rt, const char *id, struct oom_watch *w,
                      struct err *e) must_check;
/* "TERM", "SIGTERM", "15"; -1 when it is none. */
int signal_number(const char *name);

/* spec.c, features.c */
json_t *spec_default(bool rootless);
json_t *features_json(void);

/* self.c: runs this program again from a copy that a container cannot write to. Returns only when
 * that is done already (0) or impossible. */
int self_protect(char **argv, struct err *e) must_check;

#endif
