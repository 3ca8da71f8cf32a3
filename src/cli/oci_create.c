/* SPDX-License-Identifier: BSD-2-Clause */
/* create and run: a container from a bundle. */
#include "cli/oci_commands.h"

#include "container/util.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* create and run take the same options. */
int oci_parse_create(int argc, char **argv, struct create_options *o)
{
    enum { PID_FILE = 256, CONSOLE, PIDFD, PRESERVE, NO_PIVOT, NO_KEYRING, KEEP, NO_SUBREAPER };
    static const struct option options[] = {
        {"bundle", required_argument, NULL, 'b'},
        {"config", required_argument, NULL, 'f'},
        {"pid-file", required_argument, NULL, PID_FILE},
        {"console-socket", required_argument, NULL, CONSOLE},
        {"pidfd-socket", required_argument, NULL, PIDFD},
        {"preserve-fds", required_argument, NULL, PRESERVE},
        {"no-pivot", no_argument, NULL, NO_PIVOT},
        {"no-new-keyring", no_argument, NULL, NO_KEYRING},
        {"detach", no_argument, NULL, 'd'},
        {"keep", no_argument, NULL, KEEP},
        {"no-subreaper", no_argument, NULL, NO_SUBREAPER},
        {NULL, 0, NULL, 0},
    };
    for (int c; (c = getopt_long(argc, argv, "b:f:d", options, NULL)) >= 0;) {
        switch (c) {
        case 'b': o->bundle = optarg; break;
        case 'f': o->config = optarg; break;
        case 'd': o->detach = true; break;
        case PID_FILE: o->pid_file = optarg; break;
        case CONSOLE: o->console_socket = optarg; break;
        case PIDFD: o->pidfd_socket = optarg; break;
        case PRESERVE: o->preserve_fds = (unsigned)strtoul(optarg, NULL, 10); break;
        case NO_PIVOT: o->no_pivot = true; break;
        case NO_KEYRING: o->no_new_keyring = true; break;
        case KEEP: o->keep = true; break;
        case NO_SUBREAPER: o->no_subreaper = true; break;
        default: return oci_usage(argv[0], "invalid option");
        }
    }
    /* The caller's directory is where relative names start, not the bundle. */
    if (o->preserve_fds > 1024)
        return oci_usage(argv[0], "--preserve-fds is out of range");
    int r = oci_need_id(argv[0], argc, argv, &o->id);
    return r ? r : oci_protect();
}

char *oci_absolute(const char *path)
{
    char here[4096];
    if (!path || path[0] == '/' || !getcwd(here, sizeof here))
        return path ? strdup(path) : NULL;
    char *s = malloc(strlen(here) + strlen(path) + 2);
    if (s)
        sprintf(s, "%s/%s", here, path);
    return s;
}

/* Names the caller gave are his directory's; the bundle becomes ours. The strings live as long as
 * the process. */
void oci_make_absolute(struct create_options *o)
{
    o->pid_file = oci_absolute(o->pid_file);
    o->console_socket = oci_absolute(o->console_socket);
    o->pidfd_socket = oci_absolute(o->pidfd_socket);
    oci.log = oci_absolute(oci.log);
    oci.rt.root = oci_absolute(oci.rt.root);
}

int oci_command_create(int argc, char **argv)
{
    struct create_options o = {0};
    struct err e;
    int r = oci_parse_create(argc, argv, &o);
    if (r)
        return r;
    oci_make_absolute(&o);
    return runtime_create(&oci.rt, &o, &e) ? oci_failure(&e) : 0;
}

int oci_command_run(int argc, char **argv)
{
    struct create_options o = {0};
    struct err e;
    int status, r = oci_parse_create(argc, argv, &o);
    if (r)
        return r;
    oci_make_absolute(&o);
    return runtime_run(&oci.rt, &o, &status, &e) ? oci_failure(&e) : status;
}
