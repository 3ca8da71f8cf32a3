/* SPDX-License-Identifier: BSD-2-Clause */
/* config.json: the linux object. */
#include "container/config_priv.h"
#include "container/intel_rdt.h"
#include "container/memory_policy.h"
#include "container/netdevice.h"

#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/personality.h>

static const struct {
    const char *name;
    enum ns_kind kind;
} ns_names[] = {
    {"user", NS_USER}, {"mount", NS_MOUNT}, {"pid", NS_PID},       {"network", NS_NET},
    {"ipc", NS_IPC},   {"uts", NS_UTS},     {"cgroup", NS_CGROUP}, {"time", NS_TIME},
};

static int parse_namespaces(struct config *c, json_t *o, struct err *e)
{
    json_t *a;
    int r = json_get_array(o, "linux", "namespaces", &a, e);
    if (r || !a)
        return r;
    for (size_t i = 0; i < json_array_size(a); i++) {
        json_t *n = json_array_get(a, i);
        const char *type = "", *path = NULL;
        if (!json_is_object(n))
            return err_set(e, -EINVAL, "config: `linux.namespaces[%zu]` is not an object", i);
        if ((r = json_get_string(n, "linux.namespaces", "type", &type, e)) ||
            (r = json_get_string(n, "linux.namespaces", "path", &path, e)))
            return r;
        struct ns_request *q = NULL;
        for (size_t k = 0; k < ARRAY_LEN(ns_names); k++)
            if (!strcmp(type, ns_names[k].name))
                q = &c->ns[ns_names[k].kind];
        if (!q)
            return err_set(e, -EINVAL, "config: invalid namespace type `%s`", type);
        if (q->wanted)
            return err_set(e, -EINVAL, "config: namespace `%s` is given twice", type);
        if (path && *path && *path != '/')
            return err_set(e, -EINVAL, "config: path `%s` of namespace `%s` is not absolute", path,
                           type);
        q->wanted = true;
        q->path = path && *path ? path : NULL;
    }
    return 0;
}

/* "/dev/x/" names the device too. */
static int strip_slashes(struct config *c, const char **path, struct err *e)
{
    size_t n = strlen(*path);
    if (n < 2 || (*path)[n - 1] != '/')
        return 0;
    char *copy = config_alloc(c, n + 1, 1);
    if (!copy)
        return err_set(e, -ENOMEM, "config: out of memory");
    while (n > 1 && (*path)[n - 1] == '/')
        n--;
    memcpy(copy, *path, n);
    *path = copy;
    return 0;
}

static int parse_devices(struct config *c, json_t *o, struct err *e)
{
    json_t *a;
    int r = json_get_array(o, "linux", "devices", &a, e);
    if (r || !a)
        return r;
    size_t n = json_array_size(a);
    c->devices = config_alloc(c, n, sizeof *c->devices);
    if (!c->devices)
        return err_set(e, -ENOMEM, "config: out of memory");
    for (size_t i = 0; i < n; i++) {
        json_t *j = json_array_get(a, i);
        struct device_request *d = &c->devices[i];
        const char *type = "", *where = "linux.devices";
        bool has_major = false, has_minor = false;
        if (!json_is_object(j))
            return err_set(e, -EINVAL, "config: `linux.devices[%zu]` is not an object", i);
        d->mode = 0666;
        if ((r = json_get_string(j, where, "path", &d->path, e)) ||
            (r = json_get_string(j, where, "type", &type, e)) ||
            (r = json_get_i64(j, where, "major", &d->major, &has_major, e)) ||
            (r = json_get_i64(j, where, "minor", &d->minor, &has_minor, e)) ||
            (r = json_get_u32(j, where, "fileMode", &d->mode, NULL, e)) ||
            (r = json_get_u32(j, where, "uid", &d->uid, NULL, e)) ||
            (r = json_get_u32(j, where, "gid", &d->gid, NULL, e)))
            return r;
        if (!d->path || d->path[0] != '/')
            return err_set(e, -EINVAL, "config: `linux.devices[%zu].path` is not absolute", i);
        if ((r = strip_slashes(c, &d->path, e)))
            return r;
        if (!*type || type[1] || !strchr("cbup", *type))
            return err_set(e, -EINVAL, "config: invalid device type `%s`", type);
        d->type = *type;
        if (*type != 'p' &&
            (d->major < 0 || d->minor < 0 || d->major > INT32_MAX || d->minor > INT32_MAX))
            return err_set(e, -EINVAL, "config: device `%s` needs major and minor", d->path);
    }
    c->device_count = n;
    return 0;
}

static int parse_time_offsets(struct config *c, json_t *o, struct err *e)
{
    json_t *t, *clock;
    int r = json_get_object(o, "linux", "timeOffsets", &t, e);
    if (r || !t)
        return r;
    if (!c->ns[NS_TIME].wanted || c->ns[NS_TIME].path)
        return err_set(e, -EINVAL, "config: `linux.timeOffsets` needs a new time namespace");
    if ((r = json_get_object(t, "linux.timeOffsets", "monotonic", &clock, e)))
        return r;
    if (clock) {
        c->monotonic.wanted = true;
        if ((r = json_get_i64(clock, "monotonic", "secs", &c->monotonic.secs, NULL, e)) ||
            (r = json_get_i64(clock, "monotonic", "nanosecs", &c->monotonic.nsecs, NULL, e)))
            return r;
    }
    if ((r = json_get_object(t, "linux.timeOffsets", "boottime", &clock, e)))
        return r;
    if (clock) {
        c->boottime.wanted = true;
        if ((r = json_get_i64(clock, "boottime", "secs", &c->boottime.secs, NULL, e)) ||
            (r = json_get_i64(clock, "boottime", "nanosecs", &c->boottime.nsecs, NULL, e)))
            return r;
    }
    return 0;
}

static int parse_propagation(struct config *c, json_t *o, struct err *e)
{
    static const struct {
        const char *name;
        unsigned long flags;
    } names[] = {
        {"shared", MS_SHARED},         {"rshared", MS_SHARED | MS_REC},
        {"slave", MS_SLAVE},           {"rslave", MS_SLAVE | MS_REC},
        {"private", MS_PRIVATE},       {"rprivate", MS_PRIVATE | MS_REC},
        {"unbindable", MS_UNBINDABLE}, {"runbindable", MS_UNBINDABLE | MS_REC},
    };
    const char *name = NULL;
    int r = json_get_string(o, "linux", "rootfsPropagation", &name, e);
    if (r || !name || !*name)
        return r;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (!strcmp(name, names[i].name)) {
            c->rootfs_propagation = names[i].flags;
            return 0;
        }
    return err_set(e, -EINVAL, "config: invalid rootfsPropagation `%s`", name);
}

static int parse_personality(struct config *c, json_t *o, struct err *e)
{
    json_t *p, *flags;
    const char *domain = "";
    int r = json_get_object(o, "linux", "personality", &p, e);
    if (r || !p)
        return r;
    if ((r = json_get_string(p, "linux.personality", "domain", &domain, e)) ||
        (r = json_get_array(p, "linux.personality", "flags", &flags, e)))
        return r;
    if (flags && json_array_size(flags))
        return err_set(e, -ENOTSUP, "config: `linux.personality.flags`: no flag is defined");
    if (!strcmp(domain, "LINUX"))
        c->personality = PER_LINUX;
    else if (!strcmp(domain, "LINUX32"))
        c->personality = PER_LINUX32;
    else
        return err_set(e, -EINVAL, "config: unknown personality domain `%s`", domain);
    c->has_personality = true;
    return 0;
}

static int check_sysctl(struct config *c, struct err *e)
{
    const char *key;
    json_t *value;
    json_object_foreach(c->sysctl, key, value)
    {
        if (!*key || !json_is_string(value))
            return err_set(e, -EINVAL, "config: `linux.sysctl.%s` is not a string", key);
    }
    return 0;
}

int config_parse_linux(struct config *c, json_t *o, struct err *e)
{
    int r;
    if ((r = parse_namespaces(c, o, e)) || (r = parse_devices(c, o, e)) ||
        (r = config_id_maps(c, o, "linux", "uidMappings", &c->uids, e)) ||
        (r = config_id_maps(c, o, "linux", "gidMappings", &c->gids, e)) ||
        (r = parse_time_offsets(c, o, e)) || (r = parse_propagation(c, o, e)) ||
        (r = parse_personality(c, o, e)) ||
        (r = json_get_string(o, "linux", "cgroupsPath", &c->cgroups_path, e)) ||
        (r = json_get_object(o, "linux", "resources", &c->resources, e)) ||
        (r = json_get_object(o, "linux", "seccomp", &c->seccomp, e)) ||
        (r = json_get_object(o, "linux", "sysctl", &c->sysctl, e)) ||
        (r = json_get_object(o, "linux", "memoryPolicy", &c->memory_policy, e)) ||
        (r = memory_policy_check(c->memory_policy, e)) ||
        (r = json_get_object(o, "linux", "intelRdt", &c->intel_rdt, e)) ||
        (r = intel_rdt_check(c->intel_rdt, e)) ||
        (r = config_strings(c, o, "linux", "maskedPaths", &c->masked, e)) ||
        (r = config_strings(c, o, "linux", "readonlyPaths", &c->readonly, e)) ||
        (r = json_get_string(o, "linux", "mountLabel", &c->mount_label, e)) ||
        (r = check_sysctl(c, e)) ||
        (r = json_get_object(o, "linux", "netDevices", &c->net_devices, e)) ||
        (r = netdevice_check(c->net_devices, c->ns[NS_NET].wanted, e)))
        return r;
    if (!json_object_size(c->net_devices))
        c->net_devices = NULL;
    if ((c->uids.n || c->gids.n) && !c->ns[NS_USER].wanted)
        return err_set(e, -EINVAL, "config: id mappings need a user namespace");
    if (c->ns[NS_USER].wanted && !c->ns[NS_USER].path && (!c->uids.n || !c->gids.n))
        return err_set(e, -EINVAL,
                       "config: a new user namespace needs uidMappings and gidMappings");
    if ((c->masked || c->readonly) && !c->ns[NS_MOUNT].wanted &&
        ((c->masked && c->masked[0]) || (c->readonly && c->readonly[0])))
        return err_set(e, -EINVAL, "config: masked and read-only paths need a mount namespace");
    return 0;
}
