/* SPDX-License-Identifier: BSD-2-Clause */
/* Device rules in the version 1 controller [cgroup-v1/devices.rst]. A group there allows or denies
 * everything and has a table of exceptions from that; writes change one of them, or, as "a",
 * replace all. A container may be running: its table is changed, not made anew, so that nothing it
 * may use before and after is denied in between, and so that it works with groups below the
 * container's, where the kernel refuses "a". Where that cannot be it is frozen meanwhile. */
#include "container/cgroup_devices.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is not allowed exactly as `allow` says is in exceptions: of each type and numbers once. */
struct table {
    bool allow;
    unsigned n;
    struct device_rule exception[2 * DEVICE_RULES_MAX];
};

static bool same_device(const struct device_rule *a, const struct device_rule *b)
{
    return a->type == b->type && a->major == b->major && a->minor == b->minor;
}

static u32 table_access(const struct table *t, const struct device_rule *q)
{
    for (unsigned i = 0; i < t->n; i++)
        if (same_device(&t->exception[i], q))
            return t->exception[i].access;
    return 0;
}

static bool is_everything(const struct device_rule *q)
{
    return q->type == 'a' && q->major < 0 && q->minor < 0 && q->access == 7;
}

/* As the kernel takes a rule: what agrees with the default is taken off its exceptions. */
static void table_apply(struct table *t, const struct device_rule *q)
{
    if (is_everything(q)) {
        t->allow = q->allow;
        t->n = 0;
        return;
    }
    if (q->type == 'a') { /* the table knows no "a" with numbers */
        struct device_rule one = *q;
        one.type = 'c';
        table_apply(t, &one);
        one.type = 'b';
        table_apply(t, &one);
        return;
    }
    unsigned i = 0;
    while (i < t->n && !same_device(&t->exception[i], q))
        i++;
    if (i == ARRAY_LEN(t->exception))
        return;
    if (q->allow != t->allow) {
        if (i == t->n) {
            t->exception[t->n++] = *q;
            t->exception[i].access = 0;
        }
        t->exception[i].access |= q->access;
    } else if (i < t->n) {
        t->exception[i].access &= ~q->access;
    }
}

static i64 number(const char *text)
{
    return *text == '*' ? -1 : strtoll(text, NULL, 10);
}

/* Of a group that allows everything else the kernel does not tell the exceptions. */
static int table_read(int dir, struct table *t, struct err *e)
{
    auto_c_free char *text = NULL;
    int r = file_read(dir, "devices.list", 1 << 20, &text, e);
    if (r)
        return r;
    char *save = NULL;
    for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
        char major[16], minor[16], access[8];
        struct device_rule q = {.allow = true};
        if (sscanf(l, "%c %15[^:]:%15s %7s", &q.type, major, minor, access) != 4)
            continue;
        q.major = number(major);
        q.minor = number(minor);
        for (const char *a = access; *a; a++)
            q.access |= *a == 'r' ? DEVICE_READ : *a == 'w' ? DEVICE_WRITE : DEVICE_MKNOD;
        table_apply(t, &q);
    }
    return 0;
}

static void number_text(char *out, size_t size, i64 v)
{
    if (v < 0)
        snprintf(out, size, "*");
    else
        snprintf(out, size, "%" PRId64, v);
}

static int write_rule(int dir, bool allow, const struct device_rule *q, u32 access, struct err *e)
{
    char text[64], major[24], minor[24];
    number_text(major, sizeof major, q->major);
    number_text(minor, sizeof minor, q->minor);
    snprintf(text, sizeof text, "%c %s:%s %s%s%s", q->type, major, minor,
             access & DEVICE_READ ? "r" : "", access & DEVICE_WRITE ? "w" : "",
             access & DEVICE_MKNOD ? "m" : "");
    return access ? file_write(dir, allow ? "devices.allow" : "devices.deny", text, e) : 0;
}

static bool holds_processes(int dir)
{
    auto_c_free char *text = NULL;
    return !file_read(dir, "cgroup.procs", 64 << 20, &text, NULL) && *text;
}

/* What is new comes first: a device that moves to a wider rule is usable throughout. */
static int table_write(int dir, bool anew, struct table *have, const struct table *want,
                       struct err *e)
{
    int r = 0;
    if (anew) {
        r = file_write(dir, want->allow ? "devices.allow" : "devices.deny", "a", e);
        if (r == -EINVAL && e)
            err_hint(e, "the container has control groups of its own: remove them, or leave "
                        "everything else allowed or denied as it is");
        have->n = 0;
    }
    for (unsigned i = 0; !r && i < want->n; i++) {
        const struct device_rule *q = &want->exception[i];
        r = write_rule(dir, !want->allow, q, q->access & ~table_access(have, q), e);
    }
    for (unsigned i = 0; !r && i < have->n; i++) {
        const struct device_rule *q = &have->exception[i];
        r = write_rule(dir, want->allow, q, q->access & ~table_access(want, q), e);
    }
    return r;
}

int cgroup_set_devices_v1(const struct cgroup_hierarchy *h, const char *path,
                          const struct device_rule *rules, unsigned n, struct err *e)
{
    auto_c_free struct table *have = calloc(1, sizeof *have), *want = calloc(1, sizeof *want);
    if (!have || !want)
        return err_set(e, -ENOMEM, "out of memory");
    auto_close int dir = cgroup_open(h, path, e);
    if (dir < 0)
        return dir;
    for (unsigned i = 0; i < n; i++)
        table_apply(want, &rules[i]);
    int r = table_read(dir, have, e);
    if (r)
        return r;
    /* From or to "everything is allowed" there is no way but through a table without exceptions,
     * which nobody should run under. */
    bool anew = want->allow || have->allow;
    bool freeze = anew && holds_processes(dir) && !cgroup_is_frozen(path);
    if (freeze && (r = cgroup_freeze(path, true, e)))
        return r;
    r = table_write(dir, anew, have, want, e);
    if (freeze && r)
        (void)!cgroup_freeze(path, false, NULL);
    else if (freeze)
        r = cgroup_freeze(path, false, e);
    return r;
}
