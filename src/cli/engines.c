/* SPDX-License-Identifier: BSD-2-Clause */
/* doppel engines: what this host offers, and why not. */
#include "cli/command.h"

#include "machine/machine.h"
#include <jansson.h>
#include <stdio.h>

enum { OPT_JSON = 1 };

static int set_option(void *ctx, int id, const char *value, struct err *e)
{
    if (id == OPT_JSON)
        *(bool *)ctx = true;
    return 0;
}

static void print_quirk(void *ctx, const char *keyword, const char *text)
{
    if (ctx)
        json_object_set_new(ctx, keyword, json_string(text));
    else
        printf("%-24s quirk %s: %s\n", "", keyword, text);
}

static void print_engine(const struct engine_ops *engine, json_t *rows)
{
    struct err e = {0};
    int err = engine->probe ? engine->probe(&e) : 0;
    /* A probe that succeeds may still have something to say: "works, but in software". */
    if (rows) {
        json_t *row = json_pack("{s:s, s:s, s:b}", "name", engine->name, "description",
                                engine->description, "available", !err);
        if (e.text[0])
            json_object_set_new(row, "note", json_string(e.text));
        if (e.hint[0])
            json_object_set_new(row, "hint", json_string(e.hint));
        json_t *quirks = json_object();
        if (!err && engine->quirks)
            engine->quirks(print_quirk, quirks);
        json_object_set_new(row, "quirks", quirks);
        json_array_append_new(rows, row);
        return;
    }
    printf("%-10s %-13s %s\n", engine->name, err ? "unavailable" : "available",
           engine->description);
    if (e.text[0])
        printf("%-24s %s\n", "", e.text);
    if (e.hint[0])
        printf("%-24s hint: %s\n", "", e.hint);
    if (!err && engine->quirks)
        engine->quirks(print_quirk, NULL);
}

static int run(const struct cli_command *self, int argc, char **argv)
{
    struct err e = {0};
    bool json = false;
    int err = cli_parse_all(self, argc, argv, set_option, &json, &e);
    if (err > 0)
        return 0;
    if (err) {
        cli_report(&e);
        return STATUS_USAGE;
    }
    json_t *rows = json ? json_array() : NULL;
    for (const struct engine_ops *const *p = machine_engines(); *p; p++)
        print_engine(*p, rows);

    const struct engine_ops *chosen = NULL;
    char reason[256];
    err = machine_choose_engine("auto", &chosen, reason, sizeof reason, &e);
    if (json) {
        json_t *doc = json_pack("{s:o, s:s?, s:s}", "engines", rows, "auto",
                                err ? NULL : chosen->name, "reason", err ? e.text : reason);
        json_dumpf(doc, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(doc);
    } else if (!err) {
        printf("\n--engine auto takes %s\n", reason);
    }
    return 0;
}

static const struct cli_option options[] = {
    {OPT_JSON, 0, "json", NULL, NULL, "print a JSON document"},
    {0},
};
static const struct cli_example examples[] = {
    {"doppel engines", "see which techniques work on this host"},
    {NULL, NULL},
};
const struct cli_command cli_engines = {
    .name = "engines",
    .synopsis = "",
    .summary = "Show what this host offers, and why not",
    .text = "Lists the engines (techniques of running a virtual CPU), whether each works on this "
            "host, and if not, the likely cure. The last line is what --engine auto takes.",
    .options = options,
    .examples = examples,
    .run = run,
};
