/* SPDX-License-Identifier: BSD-2-Clause */
/* What a command is: one table entry from which parsing, --help, the man page and shell completion
 * are made. */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include "base/err.h"
#include "base/types.h"

/* Exit statuses of doppel itself; a guest's own status passes through. */
enum { STATUS_FAILURE = 1, STATUS_USAGE = 2, STATUS_MONITOR = 125 };

struct cli_option {
    int id;              /* the command's own enumeration; 0 ends the table */
    char letter;         /* -x, or 0 */
    const char *name;    /* --name */
    const char *value;   /* "SIZE", or NULL: a switch */
    const char *choices; /* for completion: "auto kvm interpret", "@file", or NULL */
    const char *help;
};

struct cli_example {
    const char *command, *text;
};

struct cli_command {
    const char *name;
    const char *synopsis; /* after the options: "[-- COMMAND...]" */
    const char *operands; /* words that may stand there, for completion; or NULL */
    const char *summary;  /* one line */
    const char *text;     /* paragraphs for the man page, separated by blank lines */
    const struct cli_option *options;
    const struct cli_example *examples; /* ended by NULL */
    /* Gets what follows the command's name; returns the exit status. */
    int (*run)(const struct cli_command *self, int argc, char **argv);
};

extern const struct cli_command *const cli_commands[]; /* sorted; ended by NULL */
extern const struct cli_command cli_run, cli_engines, cli_completion, cli_man, cli_stat;

/* Calls set(ctx, id, value) for each option; *rest is the index of the first operand, *dashes says
 * that it follows "--". --help is answered here: returns 1. Errors: -EINVAL. */
int cli_parse(const struct cli_command *c, int argc, char **argv,
              int (*set)(void *ctx, int id, const char *value, struct err *e), void *ctx, int *rest,
              bool *dashes, struct err *e) must_check;
/* The same for a command that takes options only; set may be NULL when it has none. */
int cli_parse_all(const struct cli_command *c, int argc, char **argv,
                  int (*set)(void *ctx, int id, const char *value, struct err *e), void *ctx,
                  struct err *e) must_check;
/* Is word a likely slip of the keys for known? */
bool cli_is_like(const char *word, const char *known);

/* "doppel: message" and "doppel: hint" on standard error. */
void cli_report(const struct err *e);
void cli_note(const char *fmt, ...) printf_like(1, 2);
/* What to try against an error that was reported without a hint; error is -errno. */
void cli_hint_cure(struct err *e, int error);

void cli_help(const struct cli_command *c);
void cli_write_man(void);
void cli_write_bash_completion(void);

#endif
