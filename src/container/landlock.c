/* SPDX-License-Identifier: BSD-2-Clause */
#include "container/landlock.h"

#include "base/log.h"
#include "container/json.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* landlock(7). The headers of the oldest kernel we build on know the first version only. */
enum {
    SYS_CREATE_RULESET = 444,
    SYS_ADD_RULE = 445,
    SYS_RESTRICT_SELF = 446,
    GET_VERSION = 1,
    RULE_PATH = 1,
    RULE_PORT = 2
};
enum {
    FS_EXECUTE = 1 << 0,
    FS_WRITE_FILE = 1 << 1,
    FS_READ_FILE = 1 << 2,
    FS_READ_DIR = 1 << 3,
    FS_FIRST_VERSION = (1 << 13) - 1,
    FS_REFER = 1 << 13,     /* version 2 */
    FS_TRUNCATE = 1 << 14,  /* version 3 */
    FS_IOCTL_DEV = 1 << 15, /* version 5 */
    /* The only ones that a rule for a file, not a directory, may hold. */
    FS_OF_FILES = FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV
};
enum { NET_VERSION = 4, NET_BIND = 1, NET_CONNECT = 2 };

struct ruleset {
    u64 fs, net;
};
struct path_rule {
    u64 access;
    i32 parent;
} packed;
struct port_rule {
    u64 access, port;
};

static const struct {
    const char *member;
    u64 access;
} path_kinds[] = {
    {"read", FS_READ_FILE | FS_READ_DIR},
    {"execute", FS_READ_FILE | FS_READ_DIR | FS_EXECUTE},
    {"write", (FS_FIRST_VERSION & ~FS_EXECUTE) | FS_REFER | FS_TRUNCATE | FS_IOCTL_DEV}};
static const struct {
    const char *member;
    u64 access;
} port_kinds[] = {{"bindTcp", NET_BIND}, {"connectTcp", NET_CONNECT}};

struct policy {
    json_t *json;
    bool optional;
    json_t *paths[ARRAY_LEN(path_kinds)], *ports[ARRAY_LEN(port_kinds)];
};

static int kernel_version(void)
{
    long v = syscall(SYS_CREATE_RULESET, NULL, 0, GET_VERSION);
    return v < 0 ? 0 : (int)v;
}

static int check_members(struct policy *p, struct err *e)
{
    const char *key;
    json_t *value, *item;
    size_t k;
    json_object_foreach(p->json, key, value)
    {
        bool known = !strcmp(key, "optional");
        for (size_t i = 0; i < ARRAY_LEN(path_kinds); i++)
            known |= !strcmp(key, path_kinds[i].member);
        for (size_t i = 0; i < ARRAY_LEN(port_kinds); i++)
            known |= !strcmp(key, port_kinds[i].member);
        if (!known) /* a policy must not be weaker than it was meant to be */
            return err_set(e, -EINVAL, LANDLOCK_ANNOTATION ": unknown member `%s`", key);
    }
    for (size_t i = 0; i < ARRAY_LEN(path_kinds); i++)
        json_array_foreach(p->paths[i], k, item)
        {
            const char *path = json_string_value(item);
            if (!path || path[0] != '/')
                return err_set(e, -EINVAL, LANDLOCK_ANNOTATION ": `%s[%zu]` is no absolute path",
                               path_kinds[i].member, k);
        }
    for (size_t i = 0; i < ARRAY_LEN(port_kinds); i++)
        json_array_foreach(p->ports[i], k, item)
        {
            json_int_t n = json_integer_value(item);
            if (!json_is_integer(item) || n < 0 || n > UINT16_MAX)
                return err_set(e, -EINVAL, LANDLOCK_ANNOTATION ": `%s[%zu]` is no port",
                               port_kinds[i].member, k);
        }
    return 0;
}

/* *found: there is a policy. */
static int parse(const struct config *c, struct policy *p, bool *found, struct err *e)
{
    const char *text = config_annotation(c, LANDLOCK_ANNOTATION), *w = LANDLOCK_ANNOTATION;
    int r = 0;
    *p = (struct policy){0};
    *found = text != NULL;
    if (!text || (r = json_parse(text, strlen(text), w, &p->json, e)))
        return r;
    if (!json_is_object(p->json))
        r = err_set(e, -EINVAL, "%s: an object is expected", w);
    for (size_t i = 0; i < ARRAY_LEN(path_kinds) && !r; i++)
        r = json_get_array(p->json, w, path_kinds[i].member, &p->paths[i], e);
    for (size_t i = 0; i < ARRAY_LEN(port_kinds) && !r; i++)
        r = json_get_array(p->json, w, port_kinds[i].member, &p->ports[i], e);
    if (!r)
        r = json_get_bool(p->json, w, "optional", &p->optional, e);
    if (!r)
        r = check_members(p, e);
    if (r)
        json_decref(p->json);
    return r;
}

static bool wants_ports(const struct policy *p)
{
    return p->ports[0] || p->ports[1];
}

/* 0: the kernel can do it. */
static int check_kernel(const struct policy *p, struct err *e)
{
    int have = kernel_version(), needed = wants_ports(p) ? NET_VERSION : 1;
    if (have >= needed)
        return 0;
    if (!have)
        return err_set(e, -ENOTSUP,
                       LANDLOCK_ANNOTATION ": the kernel has no landlock (is it in "
                                           "CONFIG_LSM or lsm=?)");
    return err_set(e, -ENOTSUP,
                   LANDLOCK_ANNOTATION ": ports need landlock %d, the kernel has version %d",
                   needed, have);
}

int landlock_check(const struct config *c, struct err *e)
{
    struct policy p;
    bool found;
    int r = parse(c, &p, &found, e);
    if (r || !found)
        return r;
    struct err why;
    if (check_kernel(&p, &why)) {
        if (p.optional)
            log_warn("oci", "%s: started without it", why.text);
        else
            r = err_set(e, why.code, "%s", why.text);
    }
    json_decref(p.json);
    return r;
}

static int add_path(int rules, const char *path, u64 access, struct err *e)
{
    struct stat st;
    auto_close int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st))
        return fail(e, LANDLOCK_ANNOTATION ": open `%s`", path);
    struct path_rule rule = {.access = S_ISDIR(st.st_mode) ? access : access & FS_OF_FILES,
                             .parent = fd};
    return syscall(SYS_ADD_RULE, rules, RULE_PATH, &rule, 0)
               ? fail(e, LANDLOCK_ANNOTATION ": allow `%s`", path)
               : 0;
}

static int add_rules(const struct policy *p, int rules, u64 fs, struct err *e)
{
    json_t *item;
    size_t k;
    int r;
    for (size_t i = 0; i < ARRAY_LEN(path_kinds); i++)
        json_array_foreach(p->paths[i], k, item)
        {
            if ((r = add_path(rules, json_string_value(item), path_kinds[i].access & fs, e)))
                return r;
        }
    for (size_t i = 0; i < ARRAY_LEN(port_kinds); i++)
        json_array_foreach(p->ports[i], k, item)
        {
            struct port_rule rule = {port_kinds[i].access, (u64)json_integer_value(item)};
            if (syscall(SYS_ADD_RULE, rules, RULE_PORT, &rule, 0))
                return fail(e, LANDLOCK_ANNOTATION ": allow port %llu",
                            (unsigned long long)rule.port);
        }
    return 0;
}

static int restrict_self(const struct policy *p, struct err *e)
{
    int version = kernel_version();
    struct ruleset set = {.fs = FS_FIRST_VERSION | (version >= 2 ? FS_REFER : 0) |
                                (version >= 3 ? FS_TRUNCATE : 0) |
                                (version >= 5 ? FS_IOCTL_DEV : 0)};
    for (size_t i = 0; i < ARRAY_LEN(port_kinds); i++)
        if (p->ports[i])
            set.net |= port_kinds[i].access;
    auto_close int rules = (int)syscall(SYS_CREATE_RULESET, &set,
                                        version >= NET_VERSION ? sizeof set : sizeof set.fs, 0);
    if (rules < 0)
        return fail(e, LANDLOCK_ANNOTATION ": create a ruleset");
    int r = add_rules(p, rules, set.fs, e);
    if (!r && syscall(SYS_RESTRICT_SELF, rules, 0))
        r = fail(e, LANDLOCK_ANNOTATION ": enforce the policy");
    return r;
}

int landlock_apply(const struct config *c, struct err *e)
{
    struct policy p;
    bool found;
    int r = parse(c, &p, &found, e);
    if (r || !found)
        return r;
    if (check_kernel(&p, e))
        r = p.optional ? 0 : -ENOTSUP; /* said already */
    else
        r = restrict_self(&p, e);
    json_decref(p.json);
    return r;
}
