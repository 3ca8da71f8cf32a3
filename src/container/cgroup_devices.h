/* SPDX-License-Identifier: BSD-2-Clause */
/* Which devices a container may use: resources.devices, as writes to the version 1 devices
 * controller or as a BPF program on the version 2 group. */
#ifndef CONTAINER_CGROUP_DEVICES_H
#define CONTAINER_CGROUP_DEVICES_H

#include "container/cgroup.h"

#include <linux/bpf.h>

struct device_rule {
    bool allow;
    char type;        /* a, c, b */
    i64 major, minor; /* -1: any */
    u32 access;       /* DEVICE_READ ... */
};
enum { DEVICE_MKNOD = 1, DEVICE_READ = 2, DEVICE_WRITE = 4 };
enum { DEVICE_RULES_MAX = 512, DEVICE_PROGRAM_MAX = 16 * DEVICE_RULES_MAX };

/* Rules of the configuration; before them nothing is allowed, after them come the devices every
 * container has. */
int device_rules_parse(json_t *resources, struct device_rule *rules, unsigned *n,
                       struct err *e) must_check;
/* Whether they can be parsed. */
int device_rules_check(json_t *resources, struct err *e) must_check;
/* The last matching rule decides. */
bool device_rules_allow(const struct device_rule *rules, unsigned n, char type, i64 major,
                        i64 minor, u32 access);
/* The same decision as a BPF_PROG_TYPE_CGROUP_DEVICE program; returns its length. */
unsigned device_rules_compile(const struct device_rule *rules, unsigned n, struct bpf_insn *out);
int cgroup_set_devices(const struct cgroup_host *host, const char *path, json_t *resources,
                       struct err *e) must_check;
/* Version 1's part of it. */
int cgroup_set_devices_v1(const struct cgroup_hierarchy *h, const char *path,
                          const struct device_rule *rules, unsigned n, struct err *e) must_check;

#endif
