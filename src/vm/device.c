/* SPDX-License-Identifier: BSD-2-Clause */
/* Life of a device, from its type's table: making, options, access, reset. */
#include "vm/device.h"

#include "base/mem.h"
#include "base/str.h"

#include <errno.h>

enum { OPTION_TEXT_MAX = 1024 };

static void *field(struct device *d, u32 offset)
{
    return (u8 *)d + offset;
}

static int set_bool(bool *to, const char *value)
{
    if (str_equal(value, "on") || str_equal(value, "true") || str_equal(value, "1"))
        *to = true;
    else if (str_equal(value, "off") || str_equal(value, "false") || str_equal(value, "0"))
        *to = false;
    else
        return -EINVAL;
    return 0;
}

static int set_string(char **to, const char *value)
{
    char *copy = str_dup(value);
    if (!copy)
        return -ENOMEM;
    mem_free(*to);
    *to = copy;
    return 0;
}

static int set_option(struct device *d, const struct opt_desc *o, const char *value)
{
    void *to = field(d, o->offset);
    switch (o->kind) {
    case OPT_BOOL: return set_bool(to, value);
    case OPT_U64: return str_to_u64(value, to);
    case OPT_SIZE: return str_to_size(value, to);
    case OPT_STRING: return set_string(to, value);
    }
    return -EINVAL;
}

static const struct opt_desc *find_option(const struct device_type *t, const char *name)
{
    for (const struct opt_desc *o = t->opts; o && o->name; o++)
        if (str_equal(o->name, name))
            return o;
    return NULL;
}

static void hint_options(const struct device_type *t, struct err *e)
{
    char names[160] = "";
    size_t n = 0;
    for (const struct opt_desc *o = t->opts; o && o->name; o++)
        n += str_format(names + n, sizeof names - n, "%s%s", n ? ", " : "", o->name);
    err_hint(e, "%s knows %s", t->name, n ? names : "no options");
}

/* One "name=value" or "name"; the text is changed. */
static int set_pair(struct device *d, char *pair, struct err *e)
{
    char *value = pair;
    while (*value && *value != '=')
        value++;
    bool given = *value == '=';
    if (given)
        *value++ = '\0';
    const struct opt_desc *o = find_option(d->type, pair);
    if (!o) {
        err_set(e, -ENOENT, "setting options of %s: no option '%s'", d->id, pair);
        hint_options(d->type, e);
        return -ENOENT;
    }
    if (!given && o->kind != OPT_BOOL)
        return err_set(e, -EINVAL, "setting options of %s: %s needs a value", d->id, pair);
    int r = set_option(d, o, given ? value : "on");
    if (r)
        err_set(e, r, "setting options of %s: %s=%s: %s", d->id, pair, given ? value : "on",
                err_name(r));
    return r;
}

int device_set_options(struct device *d, const char *text, struct err *e)
{
    if (!text)
        return 0;
    char copy[OPTION_TEXT_MAX];
    if (str_length(text) >= sizeof copy)
        return err_set(e, -E2BIG, "setting options of %s: longer than %d characters", d->id,
                       OPTION_TEXT_MAX);
    str_copy(copy, text, sizeof copy);
    for (char *pair = copy, *next; *pair; pair = next) {
        for (next = pair; *next && *next != ',';)
            next++;
        if (*next)
            *next++ = '\0';
        int r = *pair ? set_pair(d, pair, e) : 0;
        if (r)
            return r;
    }
    return 0;
}

struct device *device_alloc(const struct device_type *type, const char *id)
{
    struct device *d = mem_alloc(type->size);
    if (!d)
        return NULL;
    d->type = type;
    str_copy(d->id, id, sizeof d->id);
    for (const struct opt_desc *o = type->opts; o && o->name; o++) {
        if (o->default_text && set_option(d, o, o->default_text)) {
            device_destroy(d);
            return NULL;
        }
    }
    return d;
}

int device_init(struct device *d, struct err *e)
{
    int r = d->type->init ? d->type->init(d, e) : 0;
    if (r)
        return err_wrap(e, "making %s", d->id);
    d->live = true;
    return 0;
}

void device_reset(struct device *d, enum reset_kind kind)
{
    if (!d->type->reset)
        return;
    with_lock(&d->lock);
    d->type->reset(d, kind);
}

void device_quiesce(struct device *d, bool on)
{
    if (d->type->quiesce)
        d->type->quiesce(d, on);
}

void device_destroy(struct device *d)
{
    if (!d)
        return;
    if (d->live && d->type->fini)
        d->type->fini(d);
    for (const struct opt_desc *o = d->type->opts; o && o->name; o++)
        if (o->kind == OPT_STRING)
            mem_free(*(char **)field(d, o->offset));
    mem_free(d);
}

enum io_result device_io(struct device *d, unsigned region, struct io_access *a)
{
    if (!d->type->io)
        return IO_UNCLAIMED;
    with_lock(&d->lock);
    return d->type->io(d, region, a);
}
