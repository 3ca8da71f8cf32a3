/* SPDX-License-Identifier: BSD-2-Clause */
/* doppel completion, doppel man: documents made from the tables. */
#include "cli/command.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int run_completion(const struct cli_command *self, int argc, char **argv)
{
    struct err e = {0};
    int rest;
    bool dashes;
    int err = cli_parse(self, argc, argv, NULL, NULL, &rest, &dashes, &e);
    if (err > 0)
        return 0;
    if (!err && (rest + 1 != argc || strcmp(argv[rest], "bash") != 0)) {
        err = err_set(&e, -EINVAL,
                      rest == argc ? "completion: for which shell?"
                                   : "completion: there is none for '%s'",
                      argv[rest]);
        err_hint(&e, "doppel completion bash");
    }
    if (err) {
        cli_report(&e);
        return STATUS_USAGE;
    }
    cli_write_bash_completion();
    return 0;
}

static int run_man(const struct cli_command *self, int argc, char **argv)
{
    struct err e = {0};
    int err = cli_parse_all(self, argc, argv, NULL, NULL, &e);
    if (err > 0)
        return 0;
    if (err < 0) {
        cli_report(&e);
        return STATUS_USAGE;
    }
    cli_write_man();
    return 0;
}

static const struct cli_option none[] = {{0}};
static const struct cli_example completion_examples[] = {
    {"doppel completion bash > ~/.local/share/bash-completion/completions/doppel",
     "complete doppel's commands and options in bash"},
    {NULL, NULL},
};
static const struct cli_example man_examples[] = {
    {"doppel man | man -l -", "read the manual without installing it"},
    {NULL, NULL},
};

const struct cli_command cli_completion = {
    .name = "completion",
    .synopsis = "bash",
    .operands = "bash",
    .summary = "Print a shell completion script",
    .options = none,
    .examples = completion_examples,
    .run = run_completion,
};
const struct cli_command cli_man = {
    .name = "man",
    .synopsis = "",
    .summary = "Print the manual page (roff)",
    .options = none,
    .examples = man_examples,
    .run = run_man,
};
