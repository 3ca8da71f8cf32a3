/* SPDX-License-Identifier: BSD-2-Clause */
/* doppel run in parts: run.c reads the options, session.c runs the machine at the user's terminal,
 * dry_run.c and stat.c print what is to run and what has run. */
#ifndef CLI_RUN_H
#define CLI_RUN_H

#include "machine/machine.h"
#include <stdio.h>

struct run_request {
    struct machine_config machine;
    const char *serial[MACHINE_SERIALS]; /* back-end specifications */
    unsigned serials;
    char **command; /* after "--"; NULL: an interactive machine */
    int command_length;
    bool stat, json, quiet, dry_run, no_sandbox;
    bool own_guest; /* the cached kernel and initramfs: what its console runs is known */
    bool trace;
    const char *trace_file; /* NULL: standard error */
    const char *symbols;    /* file; NULL: code has no names */
    const char *name;       /* NULL: it cannot be asked while it runs */
    unsigned verbose;
    struct symbols *symbol_table;
    char kernel_path[4096], initrd_path[4096], append[4096];
};

/* Runs the machine to its end; returns the process's exit status. */
int session_run(struct run_request *r);
/* Prints what would run (to standard output, JSON if asked). */
void dry_run_print(struct machine *m, const struct run_request *r);

/* stat.c: what a machine has counted so far, as a document; while it runs too. */
struct json_t;
struct json_t *stat_collect(struct machine *m);
void stat_print(const struct json_t *doc, bool json, FILE *to);

#endif
