/* SPDX-License-Identifier: BSD-2-Clause */
/* The inner half of a container: what happens inside the namespaces, from a configuration and a
 * few descriptors alone. It knows nothing of state directories, control group set-up or commands,
 * so that the init of a virtual machine can use it as it is. */
#ifndef CONTAINER_INNER_H
#define CONTAINER_INNER_H

#include "container/cgroup.h"
#include "container/config.h"
#include "container/seccomp_filter.h"

/* Descriptors from FIRST_KEPT_FD on that the program inherits. */
enum { FIRST_KEPT_FD = 3, KEPT_FDS_MAX = 2048 };
struct kept_fds {
    unsigned n;
    u8 open[KEPT_FDS_MAX / 8];   /* bit i: descriptor FIRST_KEPT_FD + i was open when we started */
    u8 others[KEPT_FDS_MAX / 8]; /* bit i: descriptor i was, and is not to be kept */
};
/* To be called before anything is opened: what is not open now is taken, so that no descriptor of
 * ours gets such a number and ends up in the container. */
int kept_fds_reserve(struct kept_fds *k, unsigned n, struct err *e) must_check;
/* In the child: what the caller of the runtime had open is no business of the container, which may
 * wait long for its start with an end of somebody's pipe in its hands. */
void kept_fds_close_others(const struct kept_fds *k);

struct inner {
    const struct config *config;
    const struct process *process;
    const char *id, *rootfs;               /* rootfs: absolute path outside */
    const char *cgroup;                    /* path of the container's group, or NULL; or with GO */
    struct cgroup_doors *doors;            /* into that group; more may come with MSG_GO */
    const struct seccomp_program *seccomp; /* NULL: none */
    json_t *state;                         /* for hooks inside */
    const int *prepared;                   /* mounts cloned outside */
    const int *devices;                    /* devices made outside; NULL: none */
    char *notify_text;    /* shared with the runtime: message for the seccomp agent */
    int channel;          /* to the runtime */
    int start;            /* FIFO to wait at; gets "!" and the error of what fails then; -1 */
    int console;          /* connected socket that gets the terminal; -1 */
    int foreign[2];       /* the runtime's lock and state root, not to be kept by us; -1 */
    const char **env;     /* the program's, whole; set inside */
    int seccomp_agent;    /* connected socket of listenerPath; -1 */
    struct kept_fds kept; /* what the program inherits */
    bool plain_lines;     /* the terminal is copied: what ends a line its reader decides */
    bool keep_groups;     /* the caller's additional groups stay */
    bool listen_fds;      /* they are socket activation's */
    bool joined;          /* exec: the container is there already */
    bool userns, map_ids; /* in a user namespace; in a new one without maps */
    bool confined;        /* in a user namespace, be it the caller's: no devices, no new sysfs */
    bool enter_v2;        /* clone3 could not put us into the version 2 group */
    bool waits;           /* MSG_GO brings the start FIFO */
    bool in_group;        /* MSG_GO has come */
    bool no_pivot, no_new_keyring;
};

#define INNER_NONE                                                                                 \
    {                                                                                              \
        .channel = -1, .start = -1, .console = -1, .seccomp_agent = -1, .foreign = { -1, -1 }      \
    }

/* Runs in the child; returns only on failure, with the error already reported. */
void inner_main(struct inner *in);

/* Waits until the container's groups are made, and enters them. What can be done before, while the
 * runtime makes them, is; after the first call this does nothing. */
int inner_join_groups(struct inner *in, struct err *e) must_check;

/* rootfs.c: everything below the root, then the root itself. */
int rootfs_setup(struct inner *in, int proc, struct err *e) must_check;
/* process.c: the variables of config.json and those every program has: in->env. */
int process_environment(struct inner *in, struct err *e) must_check;
/* Writes a label to a file of procfs (proc: its root), which speaks for this process alone. */
int process_write_label(int proc, const char *file, const char *label, struct err *e) must_check;
/* From here only execve is left. */
int process_become(struct inner *in, int proc, struct err *e) must_check;
int process_find_program(const struct process *p, char *path, size_t size,
                         struct err *e) must_check;
/* console.c: a terminal of the container's devpts as fds 0, 1, 2; sends its master away. */
int console_setup(struct inner *in, int root, struct err *e) must_check;
/* Sends fd over a connected socket, with text as the message. */
int fd_send(int socket, int fd, const char *text, struct err *e) must_check;
/* Receives one; -EPROTO when none came. */
int fd_receive(int socket, struct err *e) must_check;
/* sysctl.c */
int sysctl_check(const struct config *c, struct err *e) must_check;
int sysctl_apply(const struct config *c, int proc, struct err *e) must_check;

#endif
