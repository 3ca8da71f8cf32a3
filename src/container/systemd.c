/* SPDX-License-Identifier: BSD-2-Clause */
/* Transient scopes: starting, changing and ending them. */
#include "container/systemd.h"

#include "container/sdbus.h"
#include "container/systemd_properties.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const char service[] = "org.freedesktop.systemd1", object[] = "/org/freedesktop/systemd1",
                  manager[] = "org.freedesktop.systemd1.Manager";

static bool is_unit_name(const char *s)
{
    return *s &&
           strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-_.\\@") ==
               strlen(s);
}

int systemd_scope_parse(const char *cgroups_path, const char *id, struct scope *s, struct err *e)
{
    char slice[128] = "", prefix[128] = "", name[256] = "";
    int n;
    if (!cgroups_path || !*cgroups_path) {
        n = snprintf(s->unit, sizeof s->unit, "doppel-oci-%s.scope", id);
    } else {
        const char *a = strchr(cgroups_path, ':'), *b = a ? strchr(a + 1, ':') : NULL;
        if (!b || strchr(b + 1, ':') || (size_t)(a - cgroups_path) >= sizeof slice ||
            (size_t)(b - a - 1) >= sizeof prefix || strlen(b + 1) >= sizeof name)
            return err_set(e, -EINVAL,
                           "cgroupsPath `%s`: the systemd manager wants `slice:prefix:name`",
                           cgroups_path);
        memcpy(slice, cgroups_path, (size_t)(a - cgroups_path));
        memcpy(prefix, a + 1, (size_t)(b - a - 1));
        strcpy(name, b + 1);
        if (strlen(name) > 6 && !strcmp(name + strlen(name) - 6, ".slice"))
            return err_set(e, -ENOTSUP, "cgroupsPath `%s`: a slice cannot hold a container",
                           cgroups_path);
        n = snprintf(s->unit, sizeof s->unit, "%s%s%s.scope", prefix, *prefix ? "-" : "", name);
    }
    snprintf(s->slice, sizeof s->slice, "%s",
             *slice           ? slice
             : is_host_root() ? "system.slice"
                              : "user.slice");
    size_t length = strlen(s->slice);
    if (n >= (int)sizeof s->unit || !is_unit_name(s->unit) || !is_unit_name(s->slice) ||
        length < 7 || strcmp(s->slice + length - 6, ".slice"))
        return err_set(e, -EINVAL, "`%s` in `%s` is no name of a scope in a slice", s->unit,
                       s->slice);
    return 0;
}

struct job {
    struct sdbus *bus;
    char path[128];
    char result[32]; /* empty: not ended yet */
};

static int job_removed(sd_bus_message *m, void *ctx, sd_bus_error *error)
{
    struct job *j = ctx;
    u32 id;
    const char *path, *unit, *result;
    if (j->bus->read(m, "uoss", &id, &path, &unit, &result) >= 0 && !strcmp(path, j->path))
        snprintf(j->result, sizeof j->result, "%s", result);
    return 0;
}

static int wait_for_job(struct job *j, const char *unit, struct err *e)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    for (time_t end = now.tv_sec + 60; !j->result[0];) {
        int r = j->bus->process(j->bus->bus, NULL);
        if (!r)
            r = j->bus->wait(j->bus->bus, 1000000);
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (r < 0)
            return err_set(e, r, "systemd: wait for `%s`: %s", unit, err_name(r));
        if (now.tv_sec > end)
            return err_set(e, -ETIMEDOUT, "systemd did not start `%s` in a minute", unit);
    }
    if (strcmp(j->result, "done"))
        return err_set(e, -EIO, "systemd could not start `%s`: %s", unit, j->result);
    return 0;
}

/* StartTransientUnit(name, mode, properties, auxiliary units) */
static int start_unit(struct sdbus *b, const struct scope *s, pid_t pid, json_t *resources,
                      json_t *annotations, bool v2, struct err *e)
{
    struct job job = {.bus = b};
    sd_bus_message *m = NULL, *reply = NULL;
    const char *path = "";
    u32 pids[] = {(u32)pid};
    /* Jobs' ends are told only to who asked for signals, and only if before. */
    int r = b->match(b->bus, NULL, NULL, object, manager, "JobRemoved", job_removed, &job);
    if (r >= 0)
        r = b->method(b->bus, &m, service, object, manager, "Subscribe");
    if (r < 0)
        return err_set(e, r, "systemd: subscribe: %s", err_name(r));
    if ((r = sdbus_call(b, m, NULL, e)) ||
        (r = b->method(b->bus, &m, service, object, manager, "StartTransientUnit")) < 0)
        return r;
    struct properties p = {.bus = b, .message = m};
    properties_check(&p, b->append(m, "ss", s->unit, "replace"));
    properties_check(&p, b->open(m, 'a', "(sv)"));
    property_add(&p, "Description", "s", "OCI container");
    property_add(&p, "Slice", "s", s->slice);
    property_add(&p, "Delegate", "b", 1);
    property_add(&p, "DefaultDependencies", "b", 0);
    property_add_array(&p, "PIDs", 'u', pids, sizeof pids);
    static const char *const accounting[] = {"CPUAccounting", "MemoryAccounting", "TasksAccounting",
                                             "IOAccounting"};
    for (size_t i = 0; i < ARRAY_LEN(accounting); i++)
        property_add(&p, accounting[i], "b", 1);
    properties_of_resources(&p, resources, v2);
    properties_of_annotations(&p, annotations);
    properties_check(&p, b->close(m));
    properties_check(&p, b->append(m, "a(sa(sv))", 0));
    if (p.status < 0) {
        b->message_unref(m);
        return err_set(e, p.status, "systemd: properties of `%s`: %s", s->unit,
                       p.wrong ? p.wrong : err_name(p.status));
    }
    if ((r = sdbus_call(b, m, &reply, e)))
        return r;
    r = b->read(reply, "o", &path);
    snprintf(job.path, sizeof job.path, "%s", path);
    b->message_unref(reply);
    return r < 0 ? err_set(e, r, "systemd: read the answer") : wait_for_job(&job, s->unit, e);
}

int systemd_scope_start(const struct scope *s, pid_t pid, json_t *resources, json_t *annotations,
                        bool v2, struct err *e)
{
    struct sdbus b;
    int r = sdbus_connect(&b, !is_host_root(), e);
    if (r)
        return r;
    r = start_unit(&b, s, pid, resources, annotations, v2, e);
    sdbus_close(&b);
    return r;
}

int systemd_scope_update(const char *unit, json_t *resources, bool v2, struct err *e)
{
    struct sdbus b;
    sd_bus_message *m = NULL;
    int r = sdbus_connect(&b, !is_host_root(), e);
    if (r)
        return r;
    r = b.method(b.bus, &m, service, object, manager, "SetUnitProperties");
    struct properties p = {.bus = &b, .message = m, .status = r < 0 ? r : 0};
    if (r >= 0) {
        properties_check(&p, b.append(m, "sb", unit, 1));
        properties_check(&p, b.open(m, 'a', "(sv)"));
        properties_of_resources(&p, resources, v2);
        properties_check(&p, b.close(m));
    }
    if (p.status < 0) {
        if (m)
            b.message_unref(m);
        r = err_set(e, p.status, "systemd: properties of `%s`: %s", unit, err_name(p.status));
    } else {
        r = sdbus_call(&b, m, NULL, e);
    }
    sdbus_close(&b);
    return r;
}

int systemd_scope_stop(const char *unit, struct err *e)
{
    static const struct {
        const char *method, *types, *mode;
    } calls[] = {{"StopUnit", "ss", "replace"}, {"ResetFailedUnit", "s", NULL}};
    struct sdbus b;
    int r = sdbus_connect(&b, !is_host_root(), e);
    if (r)
        return r;
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        sd_bus_message *m = NULL;
        struct err why; /* NoSuchUnit: an empty scope has ended by itself */
        if (b.method(b.bus, &m, service, object, manager, calls[i].method) >= 0 &&
            b.append(m, calls[i].types, unit, calls[i].mode) >= 0)
            (void)!sdbus_call(&b, m, NULL, &why);
    }
    sdbus_close(&b);
    return 0;
}
