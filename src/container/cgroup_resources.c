/* SPDX-License-Identifier: BSD-2-Clause */
/* linux.resources as control group files: tables for what is a plain value, functions for what is
 * converted or depends on order. */
#include "container/cgroup.h"

#include "container/cgroup_devices.h"
#include "container/json.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct target {
    const struct cgroup_host *host;
    const char *path;
};

/* Writes value to the file of a controller; which file depends on the version. */
static int put(const struct target *t, const char *controller, const char *v1, const char *v2,
               const char *value, struct err *e)
{
    const struct cgroup_hierarchy *h = cgroup_find(t->host, controller);
    const char *file = h ? (h->v2 ? v2 : v1) : NULL;
    if (!h)
        return err_set(e, -ENOTSUP, "resources: control group controller `%s` is not available",
                       controller);
    if (!file)
        return err_set(e, -ENOTSUP,
                       "resources: `%s` has no equivalent of `%s` in control groups v2", controller,
                       v1);
    auto_close int dir = cgroup_open(h, t->path, e);
    return dir < 0 ? dir : file_write(dir, file, value, e);
}

static bool is_v2(const struct target *t, const char *controller)
{
    const struct cgroup_hierarchy *h = cgroup_find(t->host, controller);
    return h && h->v2;
}

/* -1 is "no limit" in OCI's signed values; version 2 calls it max. */
static const char *limit_text(char *buf, size_t size, i64 v, bool v2)
{
    if (v < 0)
        return v2 ? "max" : "-1";
    snprintf(buf, size, "%" PRId64, v);
    return buf;
}

static int set_memory(const struct target *t, json_t *m, struct err *e)
{
    const char *w = "resources.memory";
    i64 limit = 0, swap = 0, soft = 0, kernel = 0, tcp = 0;
    u64 swappiness = 0;
    bool has_limit, has_swap, has_soft, has_swappiness, has_tcp, no_oom = false, check = false;
    int r;
    if ((r = json_get_i64(m, w, "limit", &limit, &has_limit, e)) ||
        (r = json_get_i64(m, w, "swap", &swap, &has_swap, e)) ||
        (r = json_get_i64(m, w, "reservation", &soft, &has_soft, e)) ||
        (r = json_get_i64(m, w, "kernel", &kernel, NULL, e)) || /* gone from Linux: no effect */
        (r = json_get_i64(m, w, "kernelTCP", &tcp, &has_tcp, e)) ||
        (r = json_get_u64(m, w, "swappiness", &swappiness, &has_swappiness, e)) ||
        (r = json_get_bool(m, w, "disableOOMKiller", &no_oom, e)) ||
        (r = json_get_bool(m, w, "checkBeforeUpdate", &check, e)))
        return r;
    bool v2 = is_v2(t, "memory");
    char a[32], b[32];
    has_limit &= limit != 0;
    has_swap &= swap != 0;
    /* Version 1 knows the limit that is there, and compares itself. */
    if (has_swap && swap > 0 && (has_limit ? swap < limit : v2))
        return err_set(e, -EINVAL, "resources: memory.swap is below memory.limit");
    if (check && has_limit && limit > 0) {
        auto_c_free char *text = NULL;
        const struct cgroup_hierarchy *h = cgroup_find(t->host, "memory");
        auto_close int dir = h ? cgroup_open(h, t->path, e) : -1;
        u64 used = 0;
        if (dir >= 0 &&
            !file_read(dir, v2 ? "memory.current" : "memory.usage_in_bytes", 64, &text, NULL) &&
            sscanf(text, "%" SCNu64, &used) == 1 && used > (u64)limit)
            return err_set(e, -EBUSY, "resources: memory usage %" PRIu64 " is above the new limit",
                           used);
    }
    if (v2) {
        if (has_swap) { /* version 2 counts swap alone, OCI memory and swap together */
            i64 only = swap < 0 || limit < 0 ? -1 : swap - limit;
            if ((r = put(t, "memory", "", "memory.swap.max", limit_text(a, sizeof a, only, true),
                         e)))
                return r;
        }
        if (has_limit &&
            (r = put(t, "memory", "", "memory.max", limit_text(a, sizeof a, limit, true), e)))
            return r;
    } else if (has_limit || has_swap) {
        /* limit <= swap must hold after each write: growing starts with swap. */
        limit_text(a, sizeof a, limit, false);
        limit_text(b, sizeof b, swap, false);
        const char *lt = limit < 0 ? "-1" : a, *st = swap < 0 ? "-1" : b;
        const char *lf = "memory.limit_in_bytes", *sf = "memory.memsw.limit_in_bytes";
        r = has_limit ? put(t, "memory", lf, NULL, lt, e) : 0;
        if (r == -EINVAL && limit < 0) /* unlimited memory under a swap limit: lift that first */
            r = put(t, "memory", sf, NULL, "-1", e) ?: put(t, "memory", lf, NULL, lt, e);
        else if (r == -EINVAL && has_swap)
            return put(t, "memory", sf, NULL, st, e) ?: put(t, "memory", lf, NULL, lt, e);
        if (!r && has_swap)
            r = put(t, "memory", sf, NULL, st, e);
        if (r)
            return r;
    }
    if (has_soft && soft &&
        (r = put(t, "memory", "memory.soft_limit_in_bytes", "memory.low",
                 limit_text(a, sizeof a, soft, v2), e)))
        return r;
    if (has_tcp && tcp && !v2 &&
        (r = put(t, "memory", "memory.kmem.tcp.limit_in_bytes", NULL,
                 limit_text(a, sizeof a, tcp, false), e)))
        return r;
    if (has_swappiness) {
        if (swappiness > 100)
            return err_set(e, -EINVAL, "resources: memory.swappiness is above 100");
        snprintf(a, sizeof a, "%" PRIu64, swappiness);
        if (!v2 && (r = put(t, "memory", "memory.swappiness", NULL, a, e)))
            return r;
        if (v2)
            return err_set(e, -ENOTSUP, "resources: memory.swappiness is not in control groups v2");
    }
    return no_oom && !v2 ? put(t, "memory", "memory.oom_control", NULL, "1", e) : 0;
}

/* 2..262144 to 1..10000, linear as every runtime does it. */
u64 cgroup_weight_of_shares(u64 shares)
{
    if (shares < 2)
        shares = 2;
    if (shares > 262144)
        shares = 262144;
    return 1 + ((shares - 2) * 9999) / 262142;
}

static int set_cpu(const struct target *t, json_t *c, struct err *e)
{
    const char *w = "resources.cpu", *cpus = NULL, *mems = NULL;
    u64 shares = 0, period = 0, burst = 0, rt_period = 0;
    i64 quota = 0, rt_runtime = 0, idle = 0;
    bool has_shares, has_period, has_quota, has_burst, has_rt_period, has_rt, has_idle;
    char text[64];
    int r;
    if ((r = json_get_u64(c, w, "shares", &shares, &has_shares, e)) ||
        (r = json_get_u64(c, w, "period", &period, &has_period, e)) ||
        (r = json_get_i64(c, w, "quota", &quota, &has_quota, e)) ||
        (r = json_get_u64(c, w, "burst", &burst, &has_burst, e)) ||
        (r = json_get_u64(c, w, "realtimePeriod", &rt_period, &has_rt_period, e)) ||
        (r = json_get_i64(c, w, "realtimeRuntime", &rt_runtime, &has_rt, e)) ||
        (r = json_get_i64(c, w, "idle", &idle, &has_idle, e)) ||
        (r = json_get_string(c, w, "cpus", &cpus, e)) ||
        (r = json_get_string(c, w, "mems", &mems, e)))
        return r;
    bool v2 = is_v2(t, "cpu");
    if (has_idle) {
        snprintf(text, sizeof text, "%" PRId64, idle);
        if ((r = put(t, "cpu", "cpu.idle", "cpu.idle", text, e)))
            return r;
    }
    if (has_shares && shares && !(has_idle && idle)) {
        snprintf(text, sizeof text, "%" PRIu64, v2 ? cgroup_weight_of_shares(shares) : shares);
        if ((r = put(t, "cpu", "cpu.shares", "cpu.weight", text, e)))
            return r;
    }
    if (v2 && ((has_quota && quota) || (has_period && period))) {
        if (has_quota && quota > 0)
            snprintf(text, sizeof text, "%" PRId64 " %" PRIu64, quota, period ? period : 100000);
        else
            snprintf(text, sizeof text, "max %" PRIu64, period ? period : 100000);
        if ((r = put(t, "cpu", "", "cpu.max", text, e)))
            return r;
    } else if (!v2) {
        bool again = false;
        if (has_period && period) {
            snprintf(text, sizeof text, "%" PRIu64, period);
            r = put(t, "cpu", "cpu.cfs_period_us", NULL, text, e);
            again = r == -EINVAL && has_quota; /* the old quota was too large for it */
            if (r && !again)
                return r;
        }
        if (has_quota && quota) {
            char q[32];
            snprintf(q, sizeof q, "%" PRId64, quota);
            if ((r = put(t, "cpu", "cpu.cfs_quota_us", NULL, q, e)))
                return r;
        }
        if (again && (r = put(t, "cpu", "cpu.cfs_period_us", NULL, text, e)))
            return r;
    }
    if (has_burst) {
        snprintf(text, sizeof text, "%" PRIu64, burst);
        if ((r = put(t, "cpu", "cpu.cfs_burst_us", "cpu.max.burst", text, e)))
            return r;
    }
    if (has_rt_period && rt_period) {
        snprintf(text, sizeof text, "%" PRIu64, rt_period);
        if ((r = put(t, "cpu", "cpu.rt_period_us", NULL, text, e)))
            return r;
    }
    if (has_rt && rt_runtime) {
        snprintf(text, sizeof text, "%" PRId64, rt_runtime);
        if ((r = put(t, "cpu", "cpu.rt_runtime_us", NULL, text, e)))
            return r;
    }
    if (cpus && *cpus && (r = put(t, "cpuset", "cpuset.cpus", "cpuset.cpus", cpus, e)))
        return r;
    return mems && *mems ? put(t, "cpuset", "cpuset.mems", "cpuset.mems", mems, e) : 0;
}

u64 cgroup_weight_of_io(u64 weight)
{
    u64 w = weight < 10 ? 1 : 1 + (weight - 10) * 9999 / 990;
    return MIN(w, (u64)10000);
}

/* Arrays of {major, minor, rate} and {major, minor, weight}. */
static int set_block_devices(const struct target *t, json_t *b, const char *key, const char *value,
                             const char *v1, const char *v2, const char *v2_prefix, struct err *e)
{
    json_t *a;
    int r = json_get_array(b, "resources.blockIO", key, &a, e);
    for (size_t i = 0; !r && i < json_array_size(a); i++) {
        i64 major = 0, minor = 0;
        u64 n = 0;
        bool has = false;
        json_t *o = json_array_get(a, i);
        char text[96];
        if ((r = json_get_i64(o, key, "major", &major, NULL, e)) ||
            (r = json_get_i64(o, key, "minor", &minor, NULL, e)) ||
            (r = json_get_u64(o, key, value, &n, &has, e)))
            return r;
        if (!has)
            continue;
        snprintf(text, sizeof text, "%" PRId64 ":%" PRId64 " %s%" PRIu64, major, minor,
                 is_v2(t, "io") ? v2_prefix : "", n);
        r = put(t, is_v2(t, "io") ? "io" : "blkio", v1, v2, text, e);
    }
    return r;
}

static int set_block_io(const struct target *t, json_t *b, struct err *e)
{
    u64 weight = 0, leaf = 0;
    bool has_weight, has_leaf;
    char text[64];
    int r;
    if ((r = json_get_u64(b, "resources.blockIO", "weight", &weight, &has_weight, e)) ||
        (r = json_get_u64(b, "resources.blockIO", "leafWeight", &leaf, &has_leaf, e)))
        return r;
    bool v2 = is_v2(t, "io");
    if (has_weight && weight) {
        if (v2) { /* 10..1000 to 1..10000 */
            snprintf(text, sizeof text, "default %" PRIu64, cgroup_weight_of_io(weight));
            r = put(t, "io", "", "io.bfq.weight", text, e);
            if (r == -ENOENT)
                r = put(t, "io", "", "io.weight", text, e);
        } else {
            snprintf(text, sizeof text, "%" PRIu64, weight);
            r = put(t, "blkio", "blkio.bfq.weight", NULL, text, e);
            if (r == -ENOENT)
                r = put(t, "blkio", "blkio.weight", NULL, text, e);
        }
        if (r)
            return r;
    }
    if (has_leaf && leaf) {
        snprintf(text, sizeof text, "%" PRIu64, leaf);
        if ((r = put(t, v2 ? "io" : "blkio", "blkio.leaf_weight", NULL, text, e)))
            return r;
    }
    (void)((r = set_block_devices(t, b, "weightDevice", "weight", "blkio.weight_device",
                                  "io.bfq.weight", "", e)) ||
           (r = set_block_devices(t, b, "throttleReadBpsDevice", "rate",
                                  "blkio.throttle.read_bps_device", "io.max", "rbps=", e)) ||
           (r = set_block_devices(t, b, "throttleWriteBpsDevice", "rate",
                                  "blkio.throttle.write_bps_device", "io.max", "wbps=", e)) ||
           (r = set_block_devices(t, b, "throttleReadIOPSDevice", "rate",
                                  "blkio.throttle.read_iops_device", "io.max", "riops=", e)) ||
           (r = set_block_devices(t, b, "throttleWriteIOPSDevice", "rate",
                                  "blkio.throttle.write_iops_device", "io.max", "wiops=", e)));
    return r;
}

static int set_pids(const struct target *t, json_t *p, struct err *e)
{
    i64 limit = 0;
    bool has = false;
    char text[32];
    int r = json_get_i64(p, "resources.pids", "limit", &limit, &has, e);
    if (r || !has)
        return r;
    /* 0 and below mean no limit, as runc and crun read it. */
    return put(t, "pids", "pids.max", "pids.max",
               limit <= 0 ? "max" : limit_text(text, sizeof text, limit, true), e);
}

static int set_hugetlb(const struct target *t, json_t *a, struct err *e)
{
    int r = 0;
    for (size_t i = 0; !r && i < json_array_size(a); i++) {
        const char *size = "";
        u64 limit = 0;
        json_t *o = json_array_get(a, i);
        if ((r = json_get_string(o, "resources.hugepageLimits", "pageSize", &size, e)) ||
            (r = json_get_u64(o, "resources.hugepageLimits", "limit", &limit, NULL, e)))
            return r;
        if (!*size || strspn(size, "0123456789KMGB") != strlen(size))
            return err_set(e, -EINVAL, "resources: invalid huge page size `%s`", size);
        char v1[64], v2[64], text[32];
        snprintf(v1, sizeof v1, "hugetlb.%.16s.limit_in_bytes", size);
        snprintf(v2, sizeof v2, "hugetlb.%.16s.max", size);
        snprintf(text, sizeof text, "%" PRIu64, limit);
        r = put(t, "hugetlb", v1, v2, limit > INT64_MAX && is_v2(t, "hugetlb") ? "max" : text, e);
    }
    return r;
}

static int set_network(const struct target *t, json_t *n, struct err *e)
{
    u32 class = 0;
    bool has = false;
    json_t *a;
    char text[128];
    int r = json_get_u32(n, "resources.network", "classID", &class, &has, e);
    if (!r && has && class) {
        snprintf(text, sizeof text, "%u", class);
        r = put(t, "net_cls", "net_cls.classid", NULL, text, e);
    }
    if (r || (r = json_get_array(n, "resources.network", "priorities", &a, e)))
        return r;
    for (size_t i = 0; !r && i < json_array_size(a); i++) {
        const char *name = "";
        u32 priority = 0;
        json_t *o = json_array_get(a, i);
        if ((r = json_get_string(o, "priorities", "name", &name, e)) ||
            (r = json_get_u32(o, "priorities", "priority", &priority, NULL, e)))
            return r;
        snprintf(text, sizeof text, "%.64s %u", name, priority);
        r = put(t, "net_prio", "net_prio.ifpriomap", NULL, text, e);
    }
    return r;
}

static int set_rdma(const struct target *t, json_t *o, struct err *e)
{
    const char *device;
    json_t *limits;
    json_object_foreach(o, device, limits)
    {
        u32 handles = 0, objects = 0;
        bool has_handles, has_objects;
        char a[32] = "max", b[32] = "max", text[192];
        int r;
        if (!json_is_object(limits))
            return err_set(e, -EINVAL, "resources: rdma.%s is not an object", device);
        if ((r = json_get_u32(limits, "rdma", "hcaHandles", &handles, &has_handles, e)) ||
            (r = json_get_u32(limits, "rdma", "hcaObjects", &objects, &has_objects, e)))
            return r;
        if (has_handles)
            snprintf(a, sizeof a, "%u", handles);
        if (has_objects)
            snprintf(b, sizeof b, "%u", objects);
        snprintf(text, sizeof text, "%.96s hca_handle=%s hca_object=%s", device, a, b);
        if ((r = put(t, "rdma", "rdma.max", "rdma.max", text, e)))
            return r;
    }
    return 0;
}

/* Raw files of version 2; names with a slash would lead elsewhere. */
static int set_unified(const struct target *t, json_t *o, struct err *e)
{
    const char *file;
    json_t *value;
    const struct cgroup_hierarchy *h = cgroup_v2(t->host);
    json_object_foreach(o, file, value)
    {
        if (!json_is_string(value) || strchr(file, '/') || !strchr(file, '.') ||
            !strncmp(file, "cgroup.procs", 12))
            return err_set(e, -EINVAL, "resources: invalid member `unified.%s`", file);
        if (!h)
            return err_set(e, -ENOTSUP, "invalid configuration: `unified` needs control groups v2");
        auto_close int dir = cgroup_open(h, t->path, e);
        if (dir < 0)
            return dir;
        /* Several lines are several writes: io.max takes one device at a time. */
        char text[4096], *save = NULL;
        snprintf(text, sizeof text, "%s", json_string_value(value));
        for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
            int r = file_write(dir, file, l, e);
            if (r == -ENOENT) /* on a host of both versions its controller is with version 1 */
                return err_wrap(e, "invalid configuration: `unified`");
            if (r)
                return r;
        }
    }
    return 0;
}

int cgroup_set(const struct cgroup_host *host, const char *path, json_t *resources, struct err *e)
{
    static const struct {
        const char *key;
        bool array;
        int (*set)(const struct target *, json_t *, struct err *);
    } sections[] = {
        {"memory", false, set_memory},
        {"cpu", false, set_cpu},
        {"blockIO", false, set_block_io},
        {"pids", false, set_pids},
        {"hugepageLimits", true, set_hugetlb},
        {"network", false, set_network},
        {"rdma", false, set_rdma},
        {"unified", false, set_unified},
    };
    struct target t = {host, path};
    for (unsigned i = 0; i < ARRAY_LEN(sections); i++) {
        json_t *o;
        int r = sections[i].array ? json_get_array(resources, "resources", sections[i].key, &o, e)
                                  : json_get_object(resources, "resources", sections[i].key, &o, e);
        if (!r && o)
            r = sections[i].set(&t, o, e);
        if (r)
            return r;
    }
    return 0;
}
