/* SPDX-License-Identifier: BSD-2-Clause */
/* doppel-oci: the command line that podman, containerd and CRI-O call. Its syntax is runc's, which
 * is why it has its own table instead of doppel's. */
#include "cli/oci.h"

#include "base/log.h"
#include "cli/command.h"
#include "cli/oci_commands.h"
#include "container/runtime.h"
#include "container/sdbus.h"
#include "container/util.h"

#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

struct oci_command_line oci;

/* One log line; to --log if given. */
static void write_log(const char *level, const char *message)
{
    char when[40];
    time_t now = time(NULL);
    struct tm tm;
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
    int fd = open(oci.log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "a");
    if (!f)
        return;
    if (oci.json) {
        json_t *j = json_pack("{ss ss ss}", "level", level, "msg", message, "time", when);
        json_dumpf(j, f, JSON_COMPACT);
        json_decref(j);
        fputc('\n', f);
    } else {
        fprintf(f, "time=\"%s\" level=%s msg=\"%s\"\n", when, level, message);
    }
    fclose(f);
}

static void sink(enum log_level level, const char *area, const char *message)
{
    static const char *const names[] = {"error", "warning", "info", "debug", "debug"};
    if (oci.log)
        write_log(names[level], message);
    else
        fprintf(stderr, "doppel-oci: %s: %s\n", names[level], message);
}

int oci_failure(const struct err *e)
{
    if (oci.log)
        write_log("error", e->text);
    fprintf(stderr, "doppel-oci: %s\n", e->text);
    if (e->hint[0])
        fprintf(stderr, "doppel-oci: hint: %s\n", e->hint);
    return OCI_FAILURE;
}

int oci_usage(const char *command, const char *problem)
{
    struct err e;
    err_set(&e, -EINVAL, "%s: %s", command, problem);
    return oci_failure(&e);
}

int oci_print_json(json_t *j, size_t flags)
{
    if (!j || json_dumpf(j, stdout, flags)) {
        json_decref(j);
        return OCI_FAILURE;
    }
    json_decref(j);
    putchar('\n');
    return 0;
}

/* What enters a container must not be its file on disk; see self_protect. */
int oci_protect(void)
{
    struct err e;
    /* What the caller has left open goes through to the protected copy, and no further. */
    return self_protect(oci.all, &e) || fds_close_on_exec(3, &e) ? oci_failure(&e) : 0;
}

int oci_need_id(const char *command, int argc, char **argv, const char **id)
{
    if (optind >= argc)
        return oci_usage(command, "a container ID is required");
    *id = argv[optind++];
    return 0;
}

/* Commands whose only operand is the id. */
int oci_only_id(int argc, char **argv, const char **id)
{
    static const struct option none[] = {{NULL, 0, NULL, 0}};
    if (getopt_long(argc, argv, "", none, NULL) >= 0)
        return oci_usage(argv[0], "invalid option");
    return oci_need_id(argv[0], argc, argv, id);
}

int oci_command_spec(int argc, char **argv)
{
    static const struct option options[] = {{"bundle", required_argument, NULL, 'b'},
                                            {"rootless", no_argument, NULL, 'r'},
                                            {NULL, 0, NULL, 0}};
    const char *bundle = ".";
    bool rootless = false;
    struct err e;
    for (int c; (c = getopt_long(argc, argv, "b:", options, NULL)) >= 0;) {
        if (c == 'b')
            bundle = optarg;
        else if (c == 'r')
            rootless = true;
        else
            return oci_usage("spec", "invalid option");
    }
    int dir = open(bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int fd =
        dir < 0 ? -1 : openat(dir, "config.json", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0) {
        err_set(&e, -errno, "write `%s/config.json`: %s", bundle, err_name(errno));
        return oci_failure(&e);
    }
    json_t *j = spec_default(rootless);
    FILE *f = fdopen(fd, "w");
    bool bad = !j || !f || json_dumpf(j, f, JSON_INDENT(4)) || fputc('\n', f) == EOF;
    bad |= f && fclose(f);
    json_decref(j);
    close(dir);
    return bad ? oci_usage("spec", "writing config.json failed") : 0;
}

int oci_command_features(int argc, char **argv)
{
    return oci_print_json(features_json(), JSON_INDENT(2));
}

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    bool enters; /* a container: runs protected */
    const char *synopsis, *help;
} commands[] = {
    {"checkpoint", oci_command_checkpoint, false,
     "[--image-path DIR] [--work-path DIR] [--leave-running] [--tcp-established] [--file-locks]\n"
     "          [--ext-unix-sk] [--shell-job] [--pre-dump] [--parent-path DIR] ID",
     "write a container's processes to files (needs libcriu)"},
    {"create", oci_command_create, true,
     "[--bundle DIR] [--config FILE] [--pid-file FILE] [--console-socket SOCKET]\n"
     "          [--pidfd-socket SOCKET] [--preserve-fds N] [--no-pivot] [--no-new-keyring] ID",
     "create a container"},
    {"delete", oci_command_delete, false, "[--force] [--regex] ID|PATTERN", "remove a container"},
    {"events", oci_command_events, false, "[--stats] [--interval SECONDS] ID",
     "print statistics and OOM events"},
    {"exec", oci_command_exec, true,
     "[--process FILE] [--tty] [--user UID[:GID]] [--additional-gids GID] [--cwd DIR]\n"
     "          [--env NAME=VALUE] [--cap CAP] [--detach] [--pid-file FILE] [--console-socket "
     "SOCKET]\n"
     "          [--process-label LABEL] [--apparmor PROFILE] [--no-new-privs] [--preserve-fds N]\n"
     "          [--pidfd-socket SOCKET] [--cgroup PATH] [--ignore-paused] ID [PROGRAM "
     "[ARGUMENT...]]",
     "run a program in a container"},
    {"features", oci_command_features, false, "", "print what this runtime supports"},
    {"help", oci_command_help, false, "", "this text"},
    {"kill", oci_command_kill, false, "[--all] [--regex] ID|PATTERN [SIGNAL]",
     "send a signal to a container"},
    {"list", oci_command_list, false, "[--format table|json] [--quiet]", "list containers"},
    {"pause", oci_command_pause, false, "ID", "freeze a container"},
    {"ps", oci_command_ps, false, "[--format table|json] ID [PS OPTIONS]",
     "list a container's processes"},
    {"restore", oci_command_restore, true,
     "[--image-path DIR] [--work-path DIR] [--bundle DIR] [--detach] [--pid-file FILE]\n"
     "          [--console-socket SOCKET] [checkpoint's options] ID",
     "bring them back (needs libcriu)"},
    {"resume", oci_command_resume, false, "ID", "thaw a container"},
    {"run", oci_command_run, true, "[--detach] [--keep] [--no-subreaper] [create's options] ID",
     "create and start a container"},
    {"spec", oci_command_spec, false, "[--bundle DIR] [--rootless]",
     "write a config.json to start from"},
    {"start", oci_command_start, false, "ID", "start a created container"},
    {"state", oci_command_state, false, "ID", "print a container's state"},
    {"update", oci_command_update, false,
     "[--resources FILE] [--memory BYTES] [--cpu-quota US] ... ID",
     "change a container's resource limits"},
};

/* Called by the name its clients know: doppel-oci, or whatever it stands in for. */
static const char *program_name(void)
{
    const char *slash = strrchr(oci.all[0], '/');
    return slash ? slash + 1 : oci.all[0];
}

static int print_help(const char *command, const char *synopsis, const char *help)
{
    printf("NAME:\n   %s %s - %s\n\nUSAGE:\n   %s %s %s\n", program_name(), command, help,
           program_name(), command, synopsis);
    return 0;
}

int oci_command_help(int argc, char **argv)
{
    printf("NAME:\n   %s - Open Container Initiative runtime\n\nUSAGE:\n"
           "   %s [OPTIONS] COMMAND [ARGUMENTS]\n\nCOMMANDS:\n",
           program_name(), program_name());
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        printf("   %-12s %s\n", commands[i].name, commands[i].help);
    puts("\nOPTIONS:\n"
         "   --root DIR               where containers' states are kept\n"
         "   --log FILE               write errors to FILE too\n"
         "   --log-format text|json   in this form\n"
         "   --cgroup-manager NAME    cgroupfs, systemd or disabled\n"
         "   --debug                  say more\n"
         "   --version                print the version");
    return 0;
}

static int version(void)
{
    printf("doppel-oci version %s\nspec: 1.2.0\n+SECCOMP +CAP +CGROUPFS +JSON_JANSSON\n",
           DOPPEL_VERSION);
    return 0;
}

/* Options before the command; 0, or -1 when the command line ends here with *status. */
static int parse_global(int argc, char **argv, int *status)
{
    enum { ROOT = 256, LOG, FORMAT, SYSTEMD, MANAGER, ROOTLESS, CRIU };
    static const struct option options[] = {
        {"root", required_argument, NULL, ROOT},
        {"log", required_argument, NULL, LOG},
        {"log-format", required_argument, NULL, FORMAT},
        {"log-level", required_argument, NULL, CRIU},
        {"debug", no_argument, NULL, 'd'},
        {"systemd-cgroup", no_argument, NULL, SYSTEMD},
        {"cgroup-manager", required_argument, NULL, MANAGER},
        {"rootless", required_argument, NULL, ROOTLESS},
        {"criu", required_argument, NULL, CRIU},
        {"version", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    *status = 0;
    for (int c; (c = getopt_long(argc, argv, "+vh", options, NULL)) >= 0;) {
        switch (c) {
        case ROOT: oci.rt.root = optarg; break;
        case LOG: oci.log = !strncmp(optarg, "file:", 5) ? optarg + 5 : optarg; break;
        case FORMAT:
            if (strcmp(optarg, "json") && strcmp(optarg, "text")) {
                *status = oci_usage("--log-format", "text or json is expected");
                return -1;
            }
            oci.json = !strcmp(optarg, "json");
            break;
        case 'd': oci.debug = true; break;
        case SYSTEMD: oci.rt.systemd = true; break;
        case MANAGER:
            oci.rt.systemd = !strcmp(optarg, "systemd");
            oci.rt.cgroups_disabled = !strcmp(optarg, "disabled");
            if (!oci.rt.systemd && !oci.rt.cgroups_disabled && strcmp(optarg, "cgroupfs")) {
                *status = oci_usage("--cgroup-manager", "unknown manager");
                return -1;
            }
            break;
        case ROOTLESS: /* what we are allowed decides, not what we are told */
        case CRIU: break;
        case 'v': *status = version(); return -1;
        case 'h': *status = oci_command_help(argc, argv); return -1;
        default: *status = oci_usage("doppel-oci", "invalid option"); return -1;
        }
    }
    return 0;
}

/* 0, 1 and 2 must exist: a log or state file must not get such a number and then be written to. */
static void fill_standard_streams(void)
{
    int fd;
    while ((fd = open("/dev/null", O_RDWR)) >= 0 && fd < 3)
        ;
    if (fd >= 3)
        close(fd);
}

int oci_main(int argc, char **argv, char **all)
{
    int status;
    struct err e;
    oci.all = all;
    opterr = 0;
    fill_standard_streams();
    log_set_sink(sink);
    if (parse_global(argc, argv, &status))
        return status;
    if (oci.rt.systemd && !sdbus_loadable())
        return oci_run_dynamic();
    log_threshold = oci.debug ? LOG_DEBUG : LOG_WARN;
    if (optind >= argc) {
        oci_command_help(argc, argv);
        return OCI_FAILURE;
    }
    argc -= optind;
    argv += optind;
    optind = 0; /* begin again: most commands take options behind their operands too */
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (!strcmp(commands[i].name, argv[0])) {
            if (argc > 1 && (!strcmp(argv[1], "-h") || !strcmp(argv[1], "--help")))
                return print_help(argv[0], commands[i].synopsis, commands[i].help);
            if (!commands[i].enters && fds_close_on_exec(3, &e))
                return oci_failure(&e);
            return commands[i].run(argc, argv);
        }
    if (argc > 1 && (!strcmp(argv[1], "-h") || !strcmp(argv[1], "--help")))
        fprintf(stderr, "No help topic for '%s'\n", argv[0]);
    return oci_usage(argv[0], "unknown command");
}
