/* SPDX-License-Identifier: BSD-2-Clause */
/* Groups of resctrl [Linux, filesystems/resctrl.rst; runtime-spec 1.3, config-linux.md, IntelRdt].
 * A group is a directory: `schemata` says what it gets, `tasks` takes a process, whose children
 * follow it. Below each group's mon_groups are groups that only count. A group that config.json
 * names by closID is its maker's and stays; one named by the container's id goes with it. */
#include "container/intel_rdt.h"

#include "container/json.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

const char *intel_rdt_test_root;

static const char where[] = "linux.intelRdt";

/* Strings point into the JSON. */
struct rdt {
    const char *clos, *l3, *bandwidth;
    json_t *schemata; /* a string or an array of strings; NULL */
    bool monitoring, cmt, mbm;
};

static int parse(json_t *o, struct rdt *q, struct err *e)
{
    int r;
    *q = (struct rdt){0};
    if ((r = json_get_string(o, where, "closID", &q->clos, e)) ||
        (r = json_get_string(o, where, "l3CacheSchema", &q->l3, e)) ||
        (r = json_get_string(o, where, "memBwSchema", &q->bandwidth, e)) ||
        (r = json_get_bool(o, where, "enableMonitoring", &q->monitoring, e)) ||
        (r = json_get_bool(o, where, "enableCMT", &q->cmt, e)) ||
        (r = json_get_bool(o, where, "enableMBM", &q->mbm, e)))
        return r;
    q->clos = q->clos && *q->clos ? q->clos : NULL;
    q->l3 = q->l3 && *q->l3 ? q->l3 : NULL;
    q->bandwidth = q->bandwidth && *q->bandwidth ? q->bandwidth : NULL;
    q->schemata = json_object_get(o, "schemata");
    if (json_is_null(q->schemata))
        q->schemata = NULL;
    return 0;
}

static int check_schemata(json_t *s, struct err *e)
{
    size_t i;
    json_t *line;
    if (!s || json_is_string(s))
        return 0;
    if (!json_is_array(s))
        return err_set(e, -EINVAL, "config: `%s.schemata` is not an array of strings", where);
    json_array_foreach(s, i, line)
    {
        if (!json_is_string(line) || strchr(json_string_value(line), '\n'))
            return err_set(e, -EINVAL, "config: `%s.schemata[%zu]` is not a line of text", where,
                           i);
    }
    return 0;
}

static int check_bandwidth(const char *s, struct err *e)
{
    if (s && (strncmp(s, "MB:", 3) || strchr(s, '\n')))
        return err_set(e, -EINVAL,
                       "config: `%s.memBwSchema` \"%s\" is not one line that starts with `MB:`",
                       where, s);
    return 0;
}

int intel_rdt_check(json_t *o, struct err *e)
{
    static const char *const reserved[] = {".", "..", "info", "mon_groups", "mon_data"};
    struct rdt q;
    int r = o ? parse(o, &q, e) : 0;
    if (r || !o)
        return r;
    bool bad = q.clos && strcmp(q.clos, "/") && (strpbrk(q.clos, "/\n") || strlen(q.clos) > 255);
    for (size_t i = 0; q.clos && i < ARRAY_LEN(reserved); i++)
        bad |= !strcmp(q.clos, reserved[i]);
    if (bad)
        return err_set(e, -EINVAL,
                       "config: `%s.closID` \"%s\" is neither the name of a directory nor `/`",
                       where, q.clos);
    r = check_bandwidth(q.bandwidth, e);
    return r ? r : check_schemata(q.schemata, e);
}

/* An open file system; closing it ends the lock that orders us and other makers of groups. */
static int open_root(struct err *e)
{
    char mount[1024] = "", line[4096];
    FILE *f = intel_rdt_test_root ? NULL : fopen("/proc/self/mountinfo", "re");
    while (f && !*mount && fgets(line, sizeof line, f)) {
        const char *dash = strstr(line, " - ");
        if (dash && !strncmp(dash, " - resctrl ", 11) &&
            sscanf(line, "%*s %*s %*s %*s %1023s", mount) != 1)
            *mount = '\0';
    }
    if (f)
        fclose(f);
    if (intel_rdt_test_root)
        snprintf(mount, sizeof mount, "%s", intel_rdt_test_root);
    if (!*mount) {
        err_set(e, -ENOTSUP, "config: `%s` needs a resctrl file system, and none is mounted",
                where);
        if (e)
            err_hint(e, "mount -t resctrl resctrl /sys/fs/resctrl, where processor and kernel have "
                        "it; or leave `intelRdt` out");
        return -ENOTSUP;
    }
    auto_close int root = open(mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return fail(e, "open the resctrl file system `%s`", mount);
    if (flock(root, LOCK_EX))
        return fail(e, "lock the resctrl file system `%s`", mount);
    return steal_fd(&root);
}

static const char *group_name(const struct rdt *q, const char *id)
{
    return !q->clos ? id : strcmp(q->clos, "/") ? q->clos : ".";
}

static int open_group(int root, const char *name, struct err *e)
{
    int fd = openat(root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return fd < 0 ? fail(e, "open resctrl group `%s`", name) : fd;
}

/* The kernel has words for what it does not like. */
static int explain(int root, int r, struct err *e)
{
    auto_c_free char *status = NULL;
    if (e && !file_read(root, "info/last_cmd_status", 4096, &status, NULL)) {
        status[strcspn(status, "\n")] = '\0';
        if (*status && strcmp(status, "ok"))
            err_hint(e, "the kernel says: %.150s", status);
    }
    return r;
}

/* One write: a file of resctrl takes all lines or none. */
static int put(int root, int group, const char *name, const char *file, const char *text,
               struct err *e)
{
    auto_close int fd = openat(
        group, file, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | (intel_rdt_test_root ? O_CREAT : 0), 0600);
    if (fd < 0)
        return fail(e, "open `%s` of resctrl group `%s`", file, name);
    size_t n = strlen(text);
    if (write(fd, text, n) != (ssize_t)n)
        return explain(root,
                       fail(e, "write `%.64s` to `%s` of resctrl group `%s`", text, file, name), e);
    return 0;
}

/* What is to be written for the two schemas: a bandwidth among the caches' lines gives way. */
static char *combine(const char *l3, const char *bandwidth)
{
    size_t room = strlen(l3 ? l3 : "") + strlen(bandwidth ? bandwidth : "") + 3, used = 0;
    char *text = calloc(1, room);
    for (const char *l = l3; text && l && *l;) {
        size_t n = strcspn(l, "\n");
        if (n && (!bandwidth || strncmp(l, "MB:", 3)))
            used += (size_t)snprintf(text + used, room - used, "%.*s\n", (int)n, l);
        l += n + (l[n] == '\n');
    }
    if (text && bandwidth)
        snprintf(text + used, room - used, "%s\n", bandwidth);
    return text;
}

/* "0=7ff;1=3" has the same number for id; numbers are written with and without leading zeros. */
static bool has_value(const char *list, u64 id, u64 value)
{
    for (const char *s = list; s; s = strchr(s, ';') ? strchr(s, ';') + 1 : NULL) {
        u64 i, v;
        if (sscanf(s, "%" SCNu64 "=%" SCNx64, &i, &v) == 2 && i == id)
            return v == value;
    }
    return false;
}

/* Whether a schemata file says of all that wanted names just that. Its lines are indented. */
static bool agrees(const char *have, const char *wanted)
{
    for (const char *l = wanted; *l; l += strcspn(l, "\n"), l += *l == '\n') {
        char line[2048], theirs[2048] = "";
        int n = (int)strcspn(l, "\n"), name = (int)strcspn(l, ":\n") + 1;
        if (!n || n >= (int)sizeof line)
            continue;
        snprintf(line, sizeof line, "%.*s", n, l);
        for (const char *h = have; *h && !*theirs; h += strcspn(h, "\n"), h += *h == '\n') {
            const char *start = h + strspn(h, " ");
            if (!strncmp(start, line, (size_t)name))
                snprintf(theirs, sizeof theirs, "%.*s", (int)strcspn(start, "\n") - name,
                         start + name);
        }
        for (char *s = line + name - 1; s; s = strchr(s + 1, ';')) {
            u64 id, value;
            if (sscanf(s + 1, "%" SCNu64 "=%" SCNx64, &id, &value) != 2 ||
                !has_value(theirs, id, value))
                return false;
        }
    }
    return true;
}

static int check_same(int group, const char *name, const char *wanted, struct err *e)
{
    auto_c_free char *have = NULL;
    int r = file_read(group, "schemata", 65536, &have, e);
    if (r || agrees(have, wanted))
        return r;
    err_set(e, -EEXIST,
            "config: `%s`: resctrl group `%s` is there with other schemas than `%.128s`", where,
            name, wanted);
    if (e)
        err_hint(e, "give another `closID`, the group's schemas, or none");
    return -EEXIST;
}

static int write_schemata(int root, int group, const char *name, json_t *s, struct err *e)
{
    auto_c_free char *text = NULL;
    size_t i;
    json_t *line;
    if (json_is_string(s))
        text = print_new("%s\n", json_string_value(s));
    else
        text = strdup("");
    json_array_foreach(s, i, line)
    {
        char *more = print_new("%s%s\n", text ? text : "", json_string_value(line));
        free(text);
        text = more;
    }
    if (!text)
        return err_set(e, -ENOMEM, "out of memory");
    return *text && strcmp(text, "\n") ? put(root, group, name, "schemata", text, e) : 0;
}

static int check_monitors(int root, const struct rdt *q, struct err *e)
{
    auto_c_free char *features = NULL;
    if (!q->cmt && !q->mbm)
        return 0;
    if (file_read(root, "info/L3_MON/mon_features", 4096, &features, NULL))
        features = NULL;
    if (q->cmt && (!features || !strstr(features, "llc_occupancy")))
        return err_set(e, -ENOTSUP, "config: `%s.enableCMT`: this machine does not count cache use",
                       where);
    if (q->mbm && (!features || !strstr(features, "mbm_")))
        return err_set(e, -ENOTSUP,
                       "config: `%s.enableMBM`: this machine does not count memory bandwidth",
                       where);
    return 0;
}

char *intel_rdt_owned(json_t *o, const char *id)
{
    struct rdt q;
    if (!o || parse(o, &q, NULL))
        return NULL;
    if (!q.clos)
        return strdup(id);
    return q.monitoring ? print_new("%s/mon_groups/%s", group_name(&q, id), id) : NULL;
}

int intel_rdt_check_host(json_t *o, const char *id, struct err *e)
{
    struct rdt q;
    struct stat st;
    int r = o ? parse(o, &q, e) : 0;
    if (r || !o)
        return r;
    auto_close int root = open_root(e);
    if (root < 0)
        return root;
    bool there = !fstatat(root, group_name(&q, id), &st, AT_SYMLINK_NOFOLLOW);
    if (!q.clos && there)
        return err_set(e, -EEXIST,
                       "config: `%s`: there is a resctrl group `%s` already, not of this container",
                       where, id);
    if (q.clos && !there && !q.l3 && !q.bandwidth && !q.schemata) {
        err_set(e, -ENOENT, "config: `%s.closID`: there is no resctrl group `%s`", where, q.clos);
        if (e)
            err_hint(e, "make it first, or say what it is to get: `schemata`");
        return -ENOENT;
    }
    return check_monitors(root, &q, e);
}

int intel_rdt_make(json_t *o, const char *id, struct err *e)
{
    struct rdt q;
    int r = o ? parse(o, &q, e) : 0;
    if (r || !o)
        return r;
    auto_close int root = open_root(e);
    if (root < 0)
        return root;
    const char *name = group_name(&q, id);
    bool fresh = !mkdirat(root, name, 0755);
    if (!fresh && errno != EEXIST)
        return explain(root, fail(e, "make resctrl group `%s`", name), e);
    auto_close int group = open_group(root, name, e);
    if (group < 0)
        return group;
    if (q.l3 || q.bandwidth) {
        auto_c_free char *text = combine(q.l3, q.bandwidth);
        if (!text)
            return err_set(e, -ENOMEM, "out of memory");
        r = fresh ? put(root, group, name, "schemata", text, e) : check_same(group, name, text, e);
    }
    if (!r && q.schemata)
        r = write_schemata(root, group, name, q.schemata, e);
    if (!r && q.monitoring) {
        char path[600];
        snprintf(path, sizeof path, "mon_groups/%s", id);
        if (mkdirat(group, path, 0755))
            r = explain(
                root, fail(e, "make the monitoring group `%s` of resctrl group `%s`", id, name), e);
    }
    if (r && fresh && q.clos) /* one by the id is recorded, and removed by who finds the record */
        unlinkat(root, name, AT_REMOVEDIR);
    return r;
}

int intel_rdt_join(json_t *o, const char *id, pid_t pid, struct err *e)
{
    struct rdt q;
    char text[16];
    int r = o ? parse(o, &q, e) : 0;
    if (r || !o)
        return r;
    auto_close int root = open_root(e);
    if (root < 0)
        return root;
    const char *name = group_name(&q, id);
    auto_close int group = open_group(root, name, e);
    if (group < 0)
        return group;
    snprintf(text, sizeof text, "%d\n", (int)pid);
    if ((r = put(root, group, name, "tasks", text, e)) || !q.monitoring)
        return r;
    char path[600];
    snprintf(path, sizeof path, "mon_groups/%s", id);
    auto_close int monitor = open_group(group, path, e);
    return monitor < 0 ? monitor : put(root, monitor, path, "tasks", text, e);
}

int intel_rdt_update(json_t *o, const char *id, json_t *schemas, struct err *e)
{
    struct rdt q, more;
    int r = parse(schemas, &more, e);
    if (r || (r = check_bandwidth(more.bandwidth, e)))
        return r;
    if (!o)
        return err_set(e, -EINVAL, "the container has no `%s`: it is in no resctrl group", where);
    if ((r = parse(o, &q, e)))
        return r;
    auto_close int root = open_root(e);
    if (root < 0)
        return root;
    auto_close int group = open_group(root, group_name(&q, id), e);
    if (group < 0)
        return group;
    auto_c_free char *text = combine(more.l3, more.bandwidth);
    if (!text)
        return err_set(e, -ENOMEM, "out of memory");
    return *text ? put(root, group, group_name(&q, id), "schemata", text, e) : 0;
}

int intel_rdt_remove(const char *owned, struct err *e)
{
    auto_close int root = owned ? open_root(e) : -1;
    if (owned && root < 0)
        return root;
    if (owned && unlinkat(root, owned, AT_REMOVEDIR) && errno != ENOENT)
        return fail(e, "remove resctrl group `%s`", owned);
    return 0;
}
