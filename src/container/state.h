/* SPDX-License-Identifier: BSD-2-Clause */
/* The state directory: ROOT/ID holds state.json, the copy of config.json and the start FIFO.
 *
 * Making the directory decides who owns an id. Its flock, taken on the directory itself, orders
 * create, start, update, pause, resume and delete; readers take no lock since state.json is only
 * ever replaced whole. What state.json says is never believed alone: a process is named by its pid
 * and start time, and "created" is the lock which the waiting init holds on the start FIFO until
 * its execve closes it. */
#ifndef CONTAINER_STATE_H
#define CONTAINER_STATE_H

#include "container/util.h"

enum status { STATUS_CREATING, STATUS_CREATED, STATUS_RUNNING, STATUS_PAUSED, STATUS_STOPPED };
const char *status_name(enum status s);

struct state {
    json_t *json; /* owns the strings below that came from a file */
    char *id;
    char *bundle, *rootfs, *created, *owner;
    pid_t pid; /* 0: none yet */
    u64 pid_start;
    pid_t creator;
    u64 creator_start;
    bool complete;   /* create has finished */
    bool own_pids;   /* the end of its init is the end of all */
    bool late_hooks; /* config.json has hooks for after the start or the end */
    char *scope;     /* unit of the systemd manager; NULL: control groups are made by us */
    char *cgroup;    /* path below the hierarchies; NULL: none is managed */
    char *resctrl;   /* directory below the resctrl file system that goes with it; NULL: none */
    json_t *annotations;
};

/* A container's directory, open. */
struct container_dir {
    int root, fd;
    bool locked;
};

/* ROOT for this user when none was named; created when missing. */
int state_root_open(const char *root, int *fd, struct err *e) must_check;
int state_id_check(const char *id, struct err *e) must_check;
/* Makes ROOT/ID, locked. -EEXIST: somebody else has it. */
int container_dir_create(struct container_dir *d, int root, const char *id,
                         struct err *e) must_check;
/* -ENOENT when there is no such container. With lock: waits for it. */
int container_dir_open(struct container_dir *d, int root, const char *id, bool lock,
                       struct err *e) must_check;
void container_dir_close(struct container_dir *d);
/* Removes the files and the directory. */
int container_dir_remove(struct container_dir *d, const char *id, struct err *e) must_check;

int state_save(const struct state *s, const struct container_dir *d, struct err *e) must_check;
/* A directory without a state file gives an empty state: create was killed before its first step.
 */
int state_load(struct state *s, const struct container_dir *d, const char *id,
               struct err *e) must_check;
void state_free(struct state *s);
/* What is true now. */
enum status state_status(const struct state *s, const struct container_dir *d);
bool state_alive(const struct state *s);
/* The state as the specification's JSON object: for `state` and for hooks. */
json_t *state_to_json(const struct state *s, enum status status, bool extended);

#endif
