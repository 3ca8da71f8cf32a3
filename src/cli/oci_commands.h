/* SPDX-License-Identifier: BSD-2-Clause */
/* What the commands of the OCI runtime share. Each takes its own words (argv[0] is its name) and
 * gives the exit status. */
#ifndef CLI_OCI_COMMANDS_H
#define CLI_OCI_COMMANDS_H

#include "base/err.h"
#include "container/runtime.h"

enum { OCI_FAILURE = 1, OCI_NO_EXEC = 255 };

/* The options before the command. */
struct oci_command_line {
    struct runtime rt;
    const char *log; /* a file, or NULL: standard error */
    bool json, debug;
    char **all; /* what the process was started with */
};
extern struct oci_command_line oci;

/* Tells the error, and problem, on standard error and in the log; gives OCI_FAILURE. */
int oci_failure(const struct err *e);
int oci_usage(const char *command, const char *problem);
/* Consumes j. */
int oci_print_json(json_t *j, size_t flags);
/* Before anything of a container runs; see self_protect(). */
int oci_protect(void);
/* The operand at optind, or a usage error. */
int oci_need_id(const char *command, int argc, char **argv, const char **id);
/* The same for a command without options. */
int oci_only_id(int argc, char **argv, const char **id);
/* The options of create, run and restore; the files they name, independent of the directory. */
int oci_parse_create(int argc, char **argv, struct create_options *o);
void oci_make_absolute(struct create_options *o);
/* The name as seen from the root directory, allocated; NULL of NULL. */
char *oci_absolute(const char *path);
/* Goes on as `doppel` beside us, which can load libraries; returns only with its failure. */
int oci_run_dynamic(void);

int oci_command_checkpoint(int argc, char **argv);
int oci_command_create(int argc, char **argv);
int oci_command_delete(int argc, char **argv);
int oci_command_events(int argc, char **argv);
int oci_command_exec(int argc, char **argv);
int oci_command_features(int argc, char **argv);
int oci_command_help(int argc, char **argv);
int oci_command_kill(int argc, char **argv);
int oci_command_list(int argc, char **argv);
int oci_command_pause(int argc, char **argv);
int oci_command_ps(int argc, char **argv);
int oci_command_restore(int argc, char **argv);
int oci_command_resume(int argc, char **argv);
int oci_command_run(int argc, char **argv);
int oci_command_spec(int argc, char **argv);
int oci_command_start(int argc, char **argv);
int oci_command_state(int argc, char **argv);
int oci_command_update(int argc, char **argv);

#endif
