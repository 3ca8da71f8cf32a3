/* SPDX-License-Identifier: BSD-2-Clause */
/* The typed form of a bundle's config.json (OCI runtime-spec). Strings point into the parsed JSON,
 * which the configuration keeps. config.json is hostile input: every field is checked here, before
 * anything is done. Resources and seccomp stay JSON: their own files read them. */
#ifndef CONTAINER_CONFIG_H
#define CONTAINER_CONFIG_H

#include "container/util.h"

#include <sys/resource.h>

#define OCI_VERSION "1.2.0"

enum ns_kind { NS_USER, NS_MOUNT, NS_PID, NS_NET, NS_IPC, NS_UTS, NS_CGROUP, NS_TIME, NS_KINDS };

struct ns_request {
    bool wanted;
    const char *path; /* to join; NULL: a new one */
};

struct id_map {
    u32 container, host, size;
};
struct id_maps {
    struct id_map *map;
    size_t n;
};

struct mount_request {
    const char *destination, *type, *source;
    const char **options; /* ended by NULL */
    struct id_maps uids, gids;
    const char *in_root; /* source from the root on, where it lies there: mount_sources_prepare */
};

struct device_request {
    const char *path;
    char type; /* c, b, u, p */
    i64 major, minor;
    u32 mode, uid, gid;
};

struct hook {
    const char *path;
    const char **args, **env;
    u64 timeout; /* seconds; 0: none */
};
struct hooks {
    struct hook *hook;
    size_t n;
};
enum hook_kind {
    HOOK_PRESTART,
    HOOK_CREATE_RUNTIME,
    HOOK_CREATE_CONTAINER,
    HOOK_START_CONTAINER,
    HOOK_POSTSTART,
    HOOK_POSTSTOP,
    HOOK_KINDS
};
extern const char *const hook_names[HOOK_KINDS];

struct rlimit_request {
    int resource;
    const char *name;
    struct rlimit limit;
};

enum cap_set {
    CAP_SET_BOUNDING,
    CAP_SET_EFFECTIVE,
    CAP_SET_INHERITABLE,
    CAP_SET_PERMITTED,
    CAP_SET_AMBIENT,
    CAP_SETS
};

struct sched_request {
    bool wanted;
    u32 policy;
    i64 nice;
    u64 priority, flags, runtime, deadline, period;
};

struct process {
    bool terminal;
    u64 rows, columns;
    u32 uid, gid;
    bool has_umask;
    u32 umask;
    u32 *groups;
    size_t group_count;
    const char **args, **env;
    const char *cwd;
    u64 caps[CAP_SETS]; /* bit n: capability number n */
    struct rlimit_request *rlimits;
    size_t rlimit_count;
    bool no_new_privileges;
    const char *apparmor, *selinux;
    bool has_oom_score;
    i64 oom_score;
    struct sched_request scheduler;
    int io_class; /* -1: leave */
    u32 io_priority;
    const char *cpus_initial, *cpus_final; /* execCPUAffinity */
};

struct config {
    json_t *json;
    struct config_block *blocks; /* memory of the arrays */
    const char *root;            /* rootfs path, as written */
    bool root_readonly;
    const char *hostname, *domainname;
    bool has_process;
    struct process process;
    struct mount_request *mounts;
    size_t mount_count;
    struct hooks hooks[HOOK_KINDS];
    json_t *annotations; /* an object or NULL */

    struct ns_request ns[NS_KINDS];
    struct id_maps uids, gids;
    struct {
        bool wanted;
        i64 secs;
        i64 nsecs;
    } monotonic, boottime;
    struct device_request *devices;
    size_t device_count;
    const char *cgroups_path;
    json_t *resources;     /* an object or NULL */
    json_t *seccomp;       /* an object or NULL */
    json_t *sysctl;        /* an object of strings or NULL */
    json_t *memory_policy; /* an object or NULL */
    json_t *intel_rdt;     /* an object or NULL */
    json_t *net_devices;   /* an object that is not empty, or NULL */
    const char **masked, **readonly;
    unsigned long rootfs_propagation; /* MS_ flags; 0: the default */
    const char *mount_label;
    bool has_personality;
    unsigned long personality;
};

/* Parses text (n bytes). On failure nothing is kept. */
enum { CONFIG_MAX = 16 << 20 };
int config_parse(struct config *c, const char *text, size_t n, struct err *e) must_check;
int config_load(struct config *c, int dir, const char *path, struct err *e) must_check;
/* A process object alone: of exec --process. Memory belongs to c. */
int config_parse_process(struct config *c, json_t *object, struct process *p,
                         struct err *e) must_check;
void config_free(struct config *c);
/* Zeroed memory that lives as long as c; NULL without memory. */
void *config_alloc(struct config *c, size_t n, size_t size);
/* The value of an annotation; NULL when it is not there. */
const char *config_annotation(const struct config *c, const char *key);

/* Bits of the capability sets from names like "CAP_KILL". Unknown names are reported with a
 * warning and left out, as the specification allows. */
int caps_from_names(json_t *names, const char *where, u64 *set, struct err *e) must_check;
/* One name; -1 when unknown. */
int cap_number(const char *name);

#endif
