/* SPDX-License-Identifier: BSD-2-Clause */
/* update: other limits for a container. */
#include "cli/oci_commands.h"

#include "container/util.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --memory and its like become the members that config.json has for them. */
static const struct update_flag {
    const char *flag, *section, *member;
    bool text;
} update_flags[] = {
    {"memory", "memory", "limit", false},
    {"memory-reservation", "memory", "reservation", false},
    {"memory-swap", "memory", "swap", false},
    {"kernel-memory", "memory", "kernel", false},
    {"kernel-memory-tcp", "memory", "kernelTCP", false},
    {"cpu-period", "cpu", "period", false},
    {"cpu-quota", "cpu", "quota", false},
    {"cpu-burst", "cpu", "burst", false},
    {"cpu-share", "cpu", "shares", false},
    {"cpu-idle", "cpu", "idle", false},
    {"cpu-rt-period", "cpu", "realtimePeriod", false},
    {"cpu-rt-runtime", "cpu", "realtimeRuntime", false},
    {"cpuset-cpus", "cpu", "cpus", true},
    {"cpuset-mems", "cpu", "mems", true},
    {"pids-limit", "pids", "limit", false},
    {"l3-cache-schema", "intelRdt", "l3CacheSchema", true},
    {"mem-bw-schema", "intelRdt", "memBwSchema", true},
    {"blkio-weight", "blockIO", "weight", false},
};

static bool set_update(json_t *resources, const struct update_flag *u, const char *value)
{
    json_t *section = json_object_get(resources, u->section);
    if (!section) {
        section = json_object();
        json_object_set_new(resources, u->section, section);
    }
    if (u->text)
        return !json_object_set_new(section, u->member, json_string(value));
    char *end;
    long long v = strtoll(value, &end, 10);
    static const char units[] = "bkmgt";
    if (*end && end != value) {
        const char *unit = strchr(units, *end | 32);
        if (!unit || end[1])
            return false;
        if (__builtin_mul_overflow(v, 1ll << (10 * (unit - units)), &v))
            return false;
    }
    return end != value && !json_object_set_new(section, u->member, json_integer(v));
}

static json_t *read_resources(const char *path)
{
    FILE *f = strcmp(path, "-") ? fopen(path, "re") : stdin;
    json_t *j = f ? json_loadf(f, 0, NULL) : NULL;
    if (f && f != stdin)
        fclose(f);
    return j;
}

int oci_command_update(int argc, char **argv)
{
    struct option options[ARRAY_LEN(update_flags) + 2] = {
        {"resources", required_argument, NULL, 'r'}};
    for (size_t i = 0; i < ARRAY_LEN(update_flags); i++)
        options[i + 1] =
            (struct option){update_flags[i].flag, required_argument, NULL, 256 + (int)i};
    json_t *resources = json_object();
    const char *id;
    struct err e;
    for (int c; (c = getopt_long(argc, argv, "r:", options, NULL)) >= 0;) {
        if (c == 'r') {
            json_decref(resources);
            resources = read_resources(optarg);
            if (!json_is_object(resources))
                return oci_usage("update", "the resources are not a JSON object");
        } else if (c < 256 || !set_update(resources, &update_flags[c - 256], optarg)) {
            return oci_usage("update", "invalid option or value");
        }
    }
    int r = oci_need_id("update", argc, argv, &id);
    if (!r && runtime_update(&oci.rt, id, resources, &e))
        r = oci_failure(&e);
    json_decref(resources);
    return r;
}
