/* SPDX-License-Identifier: BSD-2-Clause */
/* A control group's counters in the form that `runc events --stats` made customary. */
#include "container/cgroup.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reader {
    const struct cgroup_host *host;
    const char *path;
};

/* The text of a controller's file; NULL when the host lacks it. Freed with free(). */
static char *text_of(const struct reader *q, const char *controller, const char *v1, const char *v2)
{
    const struct cgroup_hierarchy *h = cgroup_find(q->host, controller);
    const char *file = h ? (h->v2 ? v2 : v1) : NULL;
    auto_close int dir = file && *file ? cgroup_open(h, q->path, NULL) : -1;
    char *text = NULL;
    if (dir < 0 || file_read(dir, file, 1 << 20, &text, NULL))
        return NULL;
    return text;
}

static json_int_t number_of(const struct reader *q, const char *controller, const char *v1,
                            const char *v2)
{
    auto_c_free char *text = text_of(q, controller, v1, v2);
    u64 v = !text ? 0 : !strncmp(text, "max", 3) ? INT64_MAX : strtoull(text, NULL, 10);
    return (json_int_t)MIN(v, (u64)INT64_MAX);
}

/* "key value" lines as an object. */
static json_t *flat_of(const struct reader *q, const char *controller, const char *v1,
                       const char *v2)
{
    auto_c_free char *text = text_of(q, controller, v1, v2);
    json_t *o = json_object();
    char *save = NULL;
    for (char *l = text ? strtok_r(text, "\n", &save) : NULL; l; l = strtok_r(NULL, "\n", &save)) {
        char key[128];
        u64 v;
        if (sscanf(l, "%127s %" SCNu64, key, &v) == 2)
            json_object_set_new(o, key, json_integer((json_int_t)MIN(v, (u64)INT64_MAX)));
    }
    return o;
}

static json_int_t pick(json_t *flat, const char *key)
{
    return json_integer_value(json_object_get(flat, key));
}

static json_t *cpu_stats(const struct reader *q)
{
    const struct cgroup_hierarchy *h = cgroup_find(q->host, "cpuacct");
    auto_json json_t *stat = flat_of(q, "cpu", "cpu.stat", "cpu.stat");
    json_int_t total, user, kernel, throttled;
    json_t *per_cpu = json_array();
    if (h && !h->v2) {
        auto_json json_t *acct = flat_of(q, "cpuacct", "cpuacct.stat", NULL);
        auto_c_free char *each = text_of(q, "cpuacct", "cpuacct.usage_percpu", NULL);
        json_int_t tick = 1000000000 / sysconf(_SC_CLK_TCK);
        char *save = NULL;
        for (char *s = each ? strtok_r(each, " \n", &save) : NULL; s;
             s = strtok_r(NULL, " \n", &save))
            json_array_append_new(per_cpu, json_integer(strtoll(s, NULL, 10)));
        total = number_of(q, "cpuacct", "cpuacct.usage", NULL);
        user = pick(acct, "user") * tick;
        kernel = pick(acct, "system") * tick;
        throttled = pick(stat, "throttled_time");
    } else {
        total = pick(stat, "usage_usec") * 1000;
        user = pick(stat, "user_usec") * 1000;
        kernel = pick(stat, "system_usec") * 1000;
        throttled = pick(stat, "throttled_usec") * 1000;
    }
    return json_pack("{s{sIsosIsI}s{sIsIsI}}", "usage", "total", total, "percpu", per_cpu, "kernel",
                     kernel, "user", user, "throttling", "periods", pick(stat, "nr_periods"),
                     "throttledPeriods", pick(stat, "nr_throttled"), "throttledTime", throttled);
}

static json_t *memory_stats(const struct reader *q)
{
    json_t *raw = flat_of(q, "memory", "memory.stat", "memory.stat");
    auto_json json_t *events = flat_of(q, "memory", "", "memory.events");
    auto_json json_t *control = flat_of(q, "memory", "memory.oom_control", NULL);
    json_int_t cache = pick(raw, "cache") ? pick(raw, "cache") : pick(raw, "file");
    json_int_t failures = number_of(q, "memory", "memory.failcnt", NULL);
    return json_pack(
        "{sIsIs{sIsIsIsI}s{sIsIsIsI}so}", "oomKills",
        pick(events, "oom_kill") + pick(control, "oom_kill"), "cache", cache, "usage", "limit",
        number_of(q, "memory", "memory.limit_in_bytes", "memory.max"), "usage",
        number_of(q, "memory", "memory.usage_in_bytes", "memory.current"), "max",
        number_of(q, "memory", "memory.max_usage_in_bytes", "memory.peak"), "failcnt",
        failures ? failures : pick(events, "max"), "swap", "limit",
        number_of(q, "memory", "memory.memsw.limit_in_bytes", "memory.swap.max"), "usage",
        number_of(q, "memory", "memory.memsw.usage_in_bytes", "memory.swap.current"), "max",
        number_of(q, "memory", "memory.memsw.max_usage_in_bytes", "memory.swap.peak"), "failcnt",
        number_of(q, "memory", "memory.memsw.failcnt", NULL), "raw", raw);
}

int cgroup_stats(const char *path, json_t **out, struct err *e)
{
    const struct cgroup_host *host;
    int r = cgroup_host_read(&host, e);
    if (r)
        return r;
    struct reader q = {host, path};
    json_int_t pids_limit = number_of(&q, "pids", "pids.max", "pids.max");
    *out = json_pack("{sososo}", "cpu", cpu_stats(&q), "memory", memory_stats(&q), "pids",
                     json_pack("{sIsI}", "current",
                               number_of(&q, "pids", "pids.current", "pids.current"), "limit",
                               pids_limit == INT64_MAX ? (json_int_t)0 : pids_limit));
    return *out ? 0 : err_set(e, -ENOMEM, "read statistics: out of memory");
}
