/* SPDX-License-Identifier: BSD-2-Clause */
/* checkpoint and restore, by libcriu. */
#include "cli/oci_commands.h"

#include "container/sdbus.h"
#include "container/util.h"

#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What loads libraries is in `doppel`, beside us: it does the same under our name. */
int oci_run_dynamic(void)
{
    char path[4096];
    struct err e;
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - sizeof "doppel");
    path[MAX(n, (ssize_t)0)] = '\0';
    char *slash = strrchr(path, '/');
    strcpy(slash ? slash + 1 : path, "doppel");
    oci.all[0] = (char *)"doppel-oci";
    execv(path, oci.all);
    err_set(&e, -errno, "run `%s`, which can load what this static program cannot: %s", path,
            err_name(errno));
    return oci_failure(&e);
}

/* checkpoint and restore share their options; restore has create's too. */
static int parse_checkpoint(int argc, char **argv, struct checkpoint *k, struct create_options *o)
{
    enum {
        IMAGES = 256,
        WORK,
        PARENT,
        LEAVE,
        TCP,
        UNIX,
        SHELL,
        LOCKS,
        PRE_DUMP,
        CGROUPS,
        PID_FILE,
        CONSOLE,
        KEEP,
        NO_SUBREAPER,
        IGNORED
    };
    static const struct option options[] = {
        {"image-path", required_argument, NULL, IMAGES},
        {"work-path", required_argument, NULL, WORK},
        {"parent-path", required_argument, NULL, PARENT},
        {"leave-running", no_argument, NULL, LEAVE},
        {"tcp-established", no_argument, NULL, TCP},
        {"ext-unix-sk", no_argument, NULL, UNIX},
        {"shell-job", no_argument, NULL, SHELL},
        {"file-locks", no_argument, NULL, LOCKS},
        {"pre-dump", no_argument, NULL, PRE_DUMP},
        {"manage-cgroups-mode", required_argument, NULL, CGROUPS},
        {"bundle", required_argument, NULL, 'b'},
        {"detach", no_argument, NULL, 'd'},
        {"pid-file", required_argument, NULL, PID_FILE},
        {"console-socket", required_argument, NULL, CONSOLE},
        {"keep", no_argument, NULL, KEEP},
        {"no-subreaper", no_argument, NULL, NO_SUBREAPER},
        {"no-pivot", no_argument, NULL, IGNORED},
        {"auto-dedup", no_argument, NULL, IGNORED},
        {NULL, 0, NULL, 0},
    };
    k->images = "checkpoint";
    for (int c; (c = getopt_long(argc, argv, "+b:d", options, NULL)) >= 0;) {
        switch (c) {
        case IMAGES: k->images = optarg; break;
        case WORK: k->work = optarg; break;
        case PARENT: k->parent = optarg; break;
        case LEAVE: k->leave_running = true; break;
        case TCP: k->tcp_established = true; break;
        case UNIX: k->ext_unix_sk = true; break;
        case SHELL: k->shell_job = true; break;
        case LOCKS: k->file_locks = true; break;
        case PRE_DUMP: k->pre_dump = true; break;
        case CGROUPS: k->cgroups = optarg; break;
        case 'b': o->bundle = optarg; break;
        case 'd': o->detach = true; break;
        case PID_FILE: o->pid_file = optarg; break;
        case CONSOLE: o->console_socket = optarg; break;
        case KEEP: o->keep = true; break;
        case NO_SUBREAPER: o->no_subreaper = true; break;
        case IGNORED: break;
        default: return oci_usage(argv[0], "invalid option");
        }
    }
    k->images = oci_absolute(k->images);
    k->work = oci_absolute(k->work);
    return oci_need_id(argv[0], argc, argv, &o->id);
}

int oci_command_checkpoint(int argc, char **argv)
{
    struct checkpoint k = {0};
    struct create_options o = {0};
    struct err e;
    int r = parse_checkpoint(argc, argv, &k, &o);
    if (r || !sdbus_loadable())
        return r ? r : oci_run_dynamic();
    return runtime_checkpoint(&oci.rt, o.id, &k, &e) ? oci_failure(&e) : 0;
}

int oci_command_restore(int argc, char **argv)
{
    struct checkpoint k = {0};
    struct create_options o = {.restore = &k};
    struct err e;
    int status, r = parse_checkpoint(argc, argv, &k, &o);
    if (r || !sdbus_loadable())
        return r ? r : oci_run_dynamic();
    if ((r = oci_protect()))
        return r;
    oci_make_absolute(&o);
    return runtime_run(&oci.rt, &o, &status, &e) ? oci_failure(&e) : status;
}
