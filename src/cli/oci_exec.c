/* SPDX-License-Identifier: BSD-2-Clause */
/* exec: one more process in a container. */
#include "cli/oci_commands.h"

#include "container/util.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Grows a vector ended by NULL. */
static void append(const char ***list, size_t *n, const char *s)
{
    const char **more = realloc(*list, (*n + 2) * sizeof *more);
    if (!more)
        return;
    more[(*n)++] = s;
    more[*n] = NULL;
    *list = more;
}

int oci_command_exec(int argc, char **argv)
{
    enum {
        PID_FILE = 256,
        CONSOLE,
        PIDFD,
        CWD,
        LABEL,
        APPARMOR,
        NNP,
        PRESERVE,
        IGNORE_PAUSED,
        CGROUP,
        NO_SUBREAPER
    };
    static const struct option options[] = {
        {"process", required_argument, NULL, 'p'},
        {"tty", no_argument, NULL, 't'},
        {"user", required_argument, NULL, 'u'},
        {"additional-gids", required_argument, NULL, 'g'},
        {"cwd", required_argument, NULL, CWD},
        {"env", required_argument, NULL, 'e'},
        {"cap", required_argument, NULL, 'c'},
        {"detach", no_argument, NULL, 'd'},
        {"pid-file", required_argument, NULL, PID_FILE},
        {"console-socket", required_argument, NULL, CONSOLE},
        {"pidfd-socket", required_argument, NULL, PIDFD},
        {"process-label", required_argument, NULL, LABEL},
        {"apparmor", required_argument, NULL, APPARMOR},
        {"no-new-privs", no_argument, NULL, NNP},
        {"preserve-fds", required_argument, NULL, PRESERVE},
        {"ignore-paused", no_argument, NULL, IGNORE_PAUSED},
        {"cgroup", required_argument, NULL, CGROUP},
        {"no-subreaper", no_argument, NULL, NO_SUBREAPER},
        {NULL, 0, NULL, 0},
    };
    struct exec_options o = {0};
    static u32 groups[64];
    size_t envs = 0, caps = 0, words = 0, cgroups = 0;
    struct err e;
    int status;
    for (int c; (c = getopt_long(argc, argv, "+p:tu:g:e:c:d", options, NULL)) >= 0;) {
        switch (c) {
        case 'p': o.process_file = optarg; break;
        case 't': o.terminal = true; break;
        case 'u': o.user = optarg; break;
        case 'g':
            if (o.group_count == ARRAY_LEN(groups))
                return oci_usage("exec", "too many groups");
            groups[o.group_count++] = (u32)strtoul(optarg, NULL, 10);
            break;
        case 'e': append(&o.env, &envs, optarg); break;
        case 'c': append(&o.caps, &caps, optarg); break;
        case 'd': o.detach = true; break;
        case CWD: o.cwd = optarg; break;
        case PID_FILE: o.pid_file = optarg; break;
        case CONSOLE: o.console_socket = optarg; break;
        case PIDFD: o.pidfd_socket = optarg; break;
        case LABEL: o.label = optarg; break;
        case APPARMOR: o.apparmor = optarg; break;
        case NNP: o.no_new_privileges = true; break;
        case PRESERVE: o.preserve_fds = (unsigned)strtoul(optarg, NULL, 10); break;
        case IGNORE_PAUSED: o.ignore_paused = true; break;
        case NO_SUBREAPER: break; /* exec never becomes one */
        case CGROUP: append(&o.cgroups, &cgroups, optarg); break;
        default: return oci_usage("exec", "invalid option");
        }
    }
    o.groups = groups;
    int r = oci_need_id("exec", argc, argv, &o.id);
    if (r)
        return r;
    while (optind < argc)
        append(&o.args, &words, argv[optind++]);
    if (!words && !o.process_file)
        return oci_usage("exec", "a program or --process is required");
    if (o.preserve_fds > 1024)
        return oci_usage("exec", "--preserve-fds is out of range");
    if ((r = oci_protect()))
        return r;
    /* Not a number that programs use: who runs one must tell its failure from ours. */
    r = runtime_exec(&oci.rt, &o, &status, &e) ? oci_failure(&e), OCI_NO_EXEC : status;
    free(o.env);
    free(o.caps);
    free(o.cgroups);
    free(o.args);
    return r;
}
