/* SPDX-License-Identifier: BSD-2-Clause */
/* Dispatch to a command; where diagnostics go. */
#include "cli/command.h"
#include "cli/oci.h"

#include "base/log.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct cli_command *const cli_commands[] = {
    &cli_completion, &cli_engines, &cli_man, &cli_run, &cli_stat, NULL,
};

void cli_report(const struct err *e)
{
    fprintf(stderr, "doppel: %s\n", e->text);
    if (e->hint[0])
        fprintf(stderr, "doppel: hint: %s\n", e->hint);
}

void cli_note(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("doppel: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
}

static void log_to_stderr(enum log_level level, const char *area, const char *message)
{
    static const char *const names[] = {"error", "warning", "info", "debug", "trace"};
    fprintf(stderr, "doppel: %s: %s: %s\n", names[level], area, message);
}

/* What was printed must have arrived: a full disk or closed pipe is a failure. */
static int finish(int status)
{
    if (fflush(stdout) || ferror(stdout)) {
        fprintf(stderr, "doppel: writing to standard output: %s\n", strerror(errno));
        return status ? status : STATUS_FAILURE;
    }
    return status;
}

static int unknown_command(const char *name)
{
    struct err e = {0};
    err_set(&e, -EINVAL, "unknown command '%s'", name);
    err_hint(&e, "`doppel --help` lists them");
    for (const struct cli_command *const *c = cli_commands; *c; c++)
        if (cli_is_like(name, (*c)->name))
            err_hint(&e, "did you mean `doppel %s`?", (*c)->name);
    cli_report(&e);
    return STATUS_USAGE;
}

/* A standard stream that was closed before the start gets one that fails: otherwise the next file
 * to be opened, a disk perhaps, would take its number and receive what the guest prints. */
static void open_missing_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 &&
            open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0)
            return;
}

int main(int argc, char **argv)
{
    open_missing_streams();
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error of the write that meets it */
    const char *name = strrchr(argv[0], '/');
    if (!strcmp(name ? name + 1 : argv[0], "doppel-oci"))
        return finish(oci_main(argc, argv, argv));
    if (argc > 1 && !strcmp(argv[1], "oci"))
        return finish(oci_main(argc - 1, argv + 1, argv));
    log_set_sink(log_to_stderr);
    if (argc < 2) {
        cli_help(NULL);
        return finish(STATUS_USAGE);
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
        cli_help(NULL);
        return finish(0);
    }
    if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
        printf("doppel %s\n", DOPPEL_VERSION);
        return finish(0);
    }
    for (const struct cli_command *const *c = cli_commands; *c; c++)
        if (!strcmp((*c)->name, argv[1]))
            return finish((*c)->run(*c, argc - 2, argv + 2));
    return unknown_command(argv[1]);
}
