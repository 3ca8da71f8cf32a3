/* SPDX-License-Identifier: BSD-2-Clause */
/* The inner half of a container: what happens inside the namespaces, from a configuration and a
 * few descriptors alone. It knows nothing of state directories, control group set-up or commands,
 * so that the init of a virtual machine can use it as it is. */
#ifndef CONTAINER_INNER_H
#define CONTAINER_INNER_H

#include "container/cgroup.h"
#include "container/config.h"
#include "container/seccomp_filter.h"

struct inner {
    const struct config *config;
    const struct process *process;
    const char *id, *rootfs;               /* rootfs: absolute path outside */
    const char *cgroup;                    /* path of the container's group, or NULL; or with GO */
    struct cgroup_doors *doors;            /* into that group; more may come with MSG_GO */
    const struct seccomp_program *seccomp; /* NULL: none */
    json_t *state;                         /* for hooks inside */
    const int *prepared;                   /* mounts cloned outside */
    char *notify_text;     /* shared with the runtime: message for the seccomp agent */
    int channel;           /* to the runtime */
    int start;             /* FIFO to wait at; gets "!" and the error of what fails then; -1 */
    int console;           /* connected socket that gets the terminal; -1 */
    int foreign;           /* the runtime's lock, not to be kept by us; -1 */
    int seccomp_agent;     /* connected socket of listenerPath; -1 */
    unsigned preserve_fds; /* descriptors from 3 on that the program inherits */
    bool listen_fds;       /* they are socket activation's */
    bool joined;           /* exec: the container is there already */
    bool userns, map_ids;  /* in a user namespace; in a new one without maps */
    bool confined;         /* in a user namespace, be it the caller's: no devices, no new sysfs */
    bool enter_v2;         /* clone3 could not put us into the version 2 group */
    bool waits;            /* MSG_GO brings the start FIFO */
    bool in_group;         /* MSG_GO has come */
    bool no_pivot, no_new_keyring;
};

/* Runs in the child; returns only on failure, with the error already reported. */
void inner_main(struct inner *in);

/* Waits until the container's groups are made, and enters them. What can be done before, while the
 * runtime makes them, is; after the first call this does nothing. */
int inner_join_groups(struct inner *in, struct err *e) must_check;

/* rootfs.c: everything below the root, then the root itself. */
int rootfs_setup(struct inner *in, int proc, struct err *e) must_check;
/* process.c: from here only execve is left. */
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
