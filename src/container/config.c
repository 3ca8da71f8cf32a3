/* SPDX-License-Identifier: BSD-2-Clause */
/* config.json: the parts that every platform has. */
#include "container/config_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARRAY_MAX = 1 << 16 };

const char *const hook_names[HOOK_KINDS] = {"prestart",       "createRuntime", "createContainer",
                                            "startContainer", "poststart",     "poststop"};

struct config_block {
    struct config_block *next;
    alignas(16) u8 data[];
};

void *config_alloc(struct config *c, size_t n, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes) || bytes > SIZE_MAX / 2)
        return NULL;
    struct config_block *b = calloc(1, sizeof *b + bytes);
    if (!b)
        return NULL;
    b->next = c->blocks;
    c->blocks = b;
    return b->data;
}

void config_free(struct config *c)
{
    for (struct config_block *b = c->blocks, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    json_decref(c->json);
    *c = (struct config){0};
}

const char *config_annotation(const struct config *c, const char *key)
{
    return json_string_value(json_object_get(c->annotations, key));
}

int config_strings(struct config *c, json_t *o, const char *where, const char *key,
                   const char ***out, struct err *e)
{
    json_t *a;
    int r = json_get_array(o, where, key, &a, e);
    if (r || !a)
        return r;
    const char **v = config_alloc(c, json_array_size(a) + 1, sizeof *v);
    if (!v)
        return err_set(e, -ENOMEM, "config: out of memory");
    for (size_t i = 0; i < json_array_size(a); i++) {
        v[i] = json_string_value(json_array_get(a, i));
        if (!v[i])
            return err_set(e, -EINVAL, "config: `%s.%s[%zu]` is not a string", where, key, i);
    }
    *out = v;
    return 0;
}

int config_id_maps(struct config *c, json_t *o, const char *where, const char *key,
                   struct id_maps *out, struct err *e)
{
    json_t *a;
    int r = json_get_array(o, where, key, &a, e);
    if (r || !a)
        return r;
    size_t n = json_array_size(a);
    struct id_map *map = config_alloc(c, n, sizeof *map);
    if (!map)
        return err_set(e, -ENOMEM, "config: out of memory");
    for (size_t i = 0; i < n && !r; i++) {
        json_t *m = json_array_get(a, i);
        if (!json_is_object(m))
            return err_set(e, -EINVAL, "config: `%s.%s[%zu]` is not an object", where, key, i);
        bool has[3] = {false, false, false};
        (void)((r = json_get_u32(m, key, "containerID", &map[i].container, &has[0], e)) ||
               (r = json_get_u32(m, key, "hostID", &map[i].host, &has[1], e)) ||
               (r = json_get_u32(m, key, "size", &map[i].size, &has[2], e)));
        if (!r && !(has[0] && has[1] && has[2] && map[i].size))
            r = err_set(e, -EINVAL,
                        "config: `%s.%s[%zu]` needs containerID, hostID and a size above 0", where,
                        key, i);
    }
    if (!r) {
        out->map = map;
        out->n = n;
    }
    return r;
}

static int parse_mounts(struct config *c, json_t *top, struct err *e)
{
    json_t *a;
    int r = json_get_array(top, "", "mounts", &a, e);
    if (r || !a)
        return r;
    size_t n = json_array_size(a);
    if (n > ARRAY_MAX)
        return err_set(e, -E2BIG, "config: %zu mounts are too many", n);
    c->mounts = config_alloc(c, n, sizeof *c->mounts);
    if (!c->mounts)
        return err_set(e, -ENOMEM, "config: out of memory");
    for (size_t i = 0; i < n; i++) {
        json_t *o = json_array_get(a, i);
        struct mount_request *m = &c->mounts[i];
        char where[32];
        snprintf(where, sizeof where, "mounts[%zu]", i);
        if (!json_is_object(o))
            return err_set(e, -EINVAL, "config: `%s` is not an object", where);
        if ((r = json_get_string(o, where, "destination", &m->destination, e)) ||
            (r = json_get_string(o, where, "type", &m->type, e)) ||
            (r = json_get_string(o, where, "source", &m->source, e)) ||
            (r = config_strings(c, o, where, "options", &m->options, e)) ||
            (r = config_id_maps(c, o, where, "uidMappings", &m->uids, e)) ||
            (r = config_id_maps(c, o, where, "gidMappings", &m->gids, e)))
            return r;
        if (!m->destination || !*m->destination)
            return err_set(e, -EINVAL, "config: `%s.destination` is missing", where);
        if (!m->uids.n != !m->gids.n)
            return err_set(e, -EINVAL, "config: `%s` needs both uidMappings and gidMappings",
                           where);
    }
    c->mount_count = n;
    return 0;
}

static int parse_hooks(struct config *c, json_t *top, struct err *e)
{
    json_t *hooks;
    int r = json_get_object(top, "", "hooks", &hooks, e);
    if (r || !hooks)
        return r;
    for (unsigned k = 0; k < HOOK_KINDS; k++) {
        json_t *a;
        char where[64];
        if ((r = json_get_array(hooks, "hooks", hook_names[k], &a, e)))
            return r;
        if (!a)
            continue;
        size_t n = json_array_size(a);
        struct hook *h = config_alloc(c, n, sizeof *h);
        if (!h)
            return err_set(e, -ENOMEM, "config: out of memory");
        for (size_t i = 0; i < n; i++) {
            json_t *o = json_array_get(a, i);
            snprintf(where, sizeof where, "hooks.%s[%zu]", hook_names[k], i);
            if (!json_is_object(o))
                return err_set(e, -EINVAL, "config: `%s` is not an object", where);
            bool has = false;
            if ((r = json_get_string(o, where, "path", &h[i].path, e)) ||
                (r = config_strings(c, o, where, "args", &h[i].args, e)) ||
                (r = config_strings(c, o, where, "env", &h[i].env, e)) ||
                (r = json_get_u64(o, where, "timeout", &h[i].timeout, &has, e)))
                return r;
            if (!h[i].path || h[i].path[0] != '/')
                return err_set(e, -EINVAL, "config: `%s.path` is not an absolute path", where);
            if (has && (!h[i].timeout || h[i].timeout > UINT32_MAX))
                return err_set(e, -EINVAL,
                               "config: `%s.timeout` is not a positive number of seconds", where);
        }
        c->hooks[k] = (struct hooks){h, n};
    }
    return 0;
}

/* Any 1.x version is understood: the specification is compatible upwards. */
static int check_version(json_t *top, struct err *e)
{
    const char *v = NULL;
    int r = json_get_string(top, "", "ociVersion", &v, e);
    if (r)
        return r;
    if (!v)
        return err_set(e, -EINVAL, "config: `ociVersion` is missing");
    unsigned major, minor, patch;
    int used = 0;
    if (sscanf(v, "%u.%u.%u%n", &major, &minor, &patch, &used) != 3 ||
        (v[used] && v[used] != '-' && v[used] != '+'))
        return err_set(e, -EINVAL, "config: `ociVersion` \"%s\" is not a version", v);
    if (major != 1)
        return err_set(e, -EINVAL, "config: `ociVersion` \"%s\" is not supported, 1.x is", v);
    return 0;
}

static int parse_top(struct config *c, struct err *e)
{
    json_t *root, *process, *linux_, *vm;
    int r;
    c->process.io_class = -1;
    if ((r = check_version(c->json, e)) || (r = json_get_object(c->json, "", "root", &root, e)) ||
        (r = json_get_object(c->json, "", "process", &process, e)) ||
        (r = json_get_object(c->json, "", "linux", &linux_, e)) ||
        (r = json_get_object(c->json, "", "vm", &vm, e)) ||
        (r = json_get_object(c->json, "", "annotations", &c->annotations, e)) ||
        (r = json_get_string(c->json, "", "hostname", &c->hostname, e)) ||
        (r = json_get_string(c->json, "", "domainname", &c->domainname, e)) ||
        (r = parse_mounts(c, c->json, e)) || (r = parse_hooks(c, c->json, e)))
        return r;
    if (vm)
        return err_set(e, -ENOTSUP, "config: `vm`: virtual machine containers are not supported");
    if (!root)
        return err_set(e, -EINVAL, "config: `root` is missing");
    if ((r = json_get_string(root, "root", "path", &c->root, e)) ||
        (r = json_get_bool(root, "root", "readonly", &c->root_readonly, e)))
        return r;
    if (!c->root || !*c->root)
        return err_set(e, -EINVAL, "config: `root.path` is missing");
    const char *key;
    json_t *value;
    json_object_foreach(c->annotations, key, value)
    {
        if (!*key || !json_is_string(value))
            return err_set(e, -EINVAL, "config: `annotations.%s` is not a string", key);
    }
    if (process) {
        if ((r = config_parse_process(c, process, &c->process, e)))
            return r;
        c->has_process = true;
    }
    if (linux_ && (r = config_parse_linux(c, linux_, e)))
        return r;
    if (c->hostname && !c->ns[NS_UTS].wanted)
        return err_set(e, -EINVAL, "config: `hostname` needs a uts namespace");
    if (c->domainname && !c->ns[NS_UTS].wanted)
        return err_set(e, -EINVAL, "config: `domainname` needs a uts namespace");
    return 0;
}

int config_parse(struct config *c, const char *text, size_t n, struct err *e)
{
    *c = (struct config){0};
    if (n > CONFIG_MAX)
        return err_set(e, -EFBIG, "config: larger than %d bytes", CONFIG_MAX);
    int r = json_parse(text, n, "config.json", &c->json, e);
    if (!r)
        r = parse_top(c, e);
    if (r)
        config_free(c);
    return r;
}

int config_load(struct config *c, int dir, const char *path, struct err *e)
{
    auto_c_free char *text = NULL;
    int r = file_read(dir, path, CONFIG_MAX, &text, e);
    return r ? r : config_parse(c, text, strlen(text), e);
}
