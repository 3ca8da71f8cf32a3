/* SPDX-License-Identifier: BSD-2-Clause */
/* Option parsing from a command's table. */
#include "cli/command.h"

#include "base/str.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Edit distance of two short words, for "did you mean". */
static unsigned distance(const char *a, const char *b)
{
    unsigned row[64];
    size_t n = strlen(b);
    if (n >= ARRAY_LEN(row))
        return 99;
    for (size_t j = 0; j <= n; j++)
        row[j] = (unsigned)j;
    for (unsigned i = 1; *a; a++, i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            unsigned above = row[j];
            unsigned change = diagonal + (*a != b[j - 1]);
            unsigned insert = MIN(above, row[j - 1]) + 1;
            row[j] = MIN(change, insert);
            diagonal = above;
        }
    }
    return row[n];
}

bool cli_is_like(const char *word, const char *known)
{
    return distance(word, known) <= 2;
}

/* arg is the argument as given, name the part of it that names an option. */
static int unknown_option(const struct cli_command *c, const char *arg, const char *name,
                          struct err *e)
{
    const char *best = NULL;
    unsigned best_distance = 3;
    for (const struct cli_option *o = c->options; o && o->id; o++) {
        unsigned d = distance(name, o->name);
        if (d < best_distance) {
            best = o->name;
            best_distance = d;
        }
    }
    err_set(e, -EINVAL, "%s: unknown option %s", c->name, arg);
    if (best)
        err_hint(e, "did you mean --%s?", best);
    else
        err_hint(e, "`doppel %s --help` lists the options", c->name);
    return -EINVAL;
}

static int unknown_long(const struct cli_command *c, const char *arg, size_t n, struct err *e)
{
    char name[64];
    str_format(name, sizeof name, "%.*s", (int)MIN(n, sizeof name - 1), arg + 2);
    return unknown_option(c, arg, name, e);
}

static const struct cli_option *find_long(const struct cli_command *c, const char *name, size_t n)
{
    for (const struct cli_option *o = c->options; o && o->id; o++)
        if (strlen(o->name) == n && !strncmp(o->name, name, n))
            return o;
    return NULL;
}

static const struct cli_option *find_letter(const struct cli_command *c, char letter)
{
    for (const struct cli_option *o = c->options; o && o->id; o++)
        if (o->letter && o->letter == letter)
            return o;
    return NULL;
}

int cli_parse(const struct cli_command *c, int argc, char **argv,
              int (*set)(void *ctx, int id, const char *value, struct err *e), void *ctx, int *rest,
              bool *dashes, struct err *e)
{
    int i = 0;
    *dashes = false;
    for (; i < argc; i++) {
        const char *arg = argv[i];
        const struct cli_option *o;
        const char *value = NULL;
        if (!strcmp(arg, "--")) {
            *dashes = true;
            i++;
            break;
        }
        if (arg[0] != '-' || !arg[1])
            break;
        if (!strcmp(arg, "--help") || !strcmp(arg, "-h")) {
            cli_help(c);
            return 1;
        }
        if (arg[1] == '-') {
            const char *equals = strchr(arg, '=');
            size_t n = equals ? (size_t)(equals - arg - 2) : strlen(arg + 2);
            o = find_long(c, arg + 2, n);
            if (!o)
                return unknown_long(c, arg, n, e);
            value = equals ? equals + 1 : NULL;
        } else {
            o = find_letter(c, arg[1]);
            if (!o)
                return unknown_option(c, arg, arg + 1, e);
            value = arg[2] ? arg + 2 : NULL;
        }
        if (!o->value && value)
            return err_set(e, -EINVAL, "%s: --%s takes no value", c->name, o->name);
        if (o->value && !value && i + 1 < argc)
            value = argv[++i];
        if (o->value && !value) {
            err_set(e, -EINVAL, "%s: --%s needs a value", c->name, o->name);
            err_hint(e, "--%s %s: %s", o->name, o->value, o->help);
            return -EINVAL;
        }
        int err = set(ctx, o->id, value, e);
        if (err)
            return err;
    }
    *rest = i;
    return 0;
}

int cli_parse_all(const struct cli_command *c, int argc, char **argv,
                  int (*set)(void *ctx, int id, const char *value, struct err *e), void *ctx,
                  struct err *e)
{
    int rest = 0;
    bool dashes;
    int err = cli_parse(c, argc, argv, set, ctx, &rest, &dashes, e);
    if (err || rest == argc)
        return err;
    err_set(e, -EINVAL, "%s: unexpected '%s'", c->name, argv[rest]);
    err_hint(e, "`doppel %s --help` says what it takes", c->name);
    return -EINVAL;
}
