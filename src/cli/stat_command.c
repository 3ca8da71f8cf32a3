/* SPDX-License-Identifier: BSD-2-Clause */
/* doppel stat: asks a running machine what it has counted. */
#include "cli/command.h"
#include "cli/run.h"
#include "host/control.h"

#include "base/mem.h"
#include <errno.h>
#include <jansson.h>

enum { OPT_JSON = 1 };

static int set_option(void *ctx, int id, const char *value, struct err *e)
{
    if (id == OPT_JSON)
        *(bool *)ctx = true;
    return 0;
}

static int fetch(const char *name, json_t **doc, struct err *e)
{
    auto_free char *text = NULL;
    int err = control_ask(name, "stat", &text, e);
    if (err)
        return err;
    *doc = json_loads(text, 0, NULL);
    return *doc ? 0 : err_set(e, -EPROTO, "machine '%s' gave an answer that is no document", name);
}

static int run(const struct cli_command *self, int argc, char **argv)
{
    struct err e = {0};
    bool json = false, dashes;
    int rest;
    json_t *doc = NULL;
    int err = cli_parse(self, argc, argv, set_option, &json, &rest, &dashes, &e);
    if (err > 0)
        return 0;
    if (!err && rest + 1 != argc) {
        err =
            err_set(&e, -EINVAL, rest == argc ? "stat: of which machine?" : "stat: of one machine");
        err_hint(&e, "doppel stat NAME, as given to `doppel run --name NAME`");
    }
    if (err) {
        cli_report(&e);
        return STATUS_USAGE;
    }
    err = fetch(argv[rest], &doc, &e);
    if (err) {
        cli_report(&e);
        return STATUS_FAILURE;
    }
    stat_print(doc, json, stdout);
    json_decref(doc);
    return 0;
}

static const struct cli_option options[] = {
    {OPT_JSON, 0, "json", NULL, NULL, "print a JSON document"},
    {0},
};
static const struct cli_example examples[] = {
    {"doppel stat web", "what the machine started with `doppel run --name web` has counted"},
    {NULL, NULL},
};
const struct cli_command cli_stat = {
    .name = "stat",
    .synopsis = "NAME",
    .summary = "Show what a running machine has counted",
    .text = "Prints the exits of the machine called NAME by reason, and what its engine counts "
            "beside them: code translated and dropped, TLB events, instructions called out of "
            "translated code, what is not translated and why. `doppel run --stat` prints the same "
            "at the end, with the time spent in the monitor. A machine started with --stat or "
            "--symbols also tells where its processors' running time went, and with --symbols in "
            "which functions of the guest's kernel.",
    .options = options,
    .examples = examples,
    .run = run,
};
