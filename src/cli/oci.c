/* SPDX-License-Identifier: BSD-2-Clause */
/* doppel-oci: the command line that podman, containerd and CRI-O call. Its syntax is runc's, which
 * is why it has its own table instead of doppel's. */
#include "cli/oci.h"

#include "base/log.h"
#include "cli/command.h"
#include "cli/oci_ps.h"
#include "container/runtime.h"
#include "container/sdbus.h"
#include "container/util.h"

#include <dirent.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { OCI_FAILURE = 1, OCI_NO_EXEC = 255 };

static struct {
    struct runtime rt;
    const char *log;
    bool json, debug;
    char **all;
} oci;

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

static int failure(const struct err *e)
{
    if (oci.log)
        write_log("error", e->text);
    fprintf(stderr, "doppel-oci: %s\n", e->text);
    if (e->hint[0])
        fprintf(stderr, "doppel-oci: hint: %s\n", e->hint);
    return OCI_FAILURE;
}

static int usage(const char *command, const char *problem)
{
    struct err e;
    err_set(&e, -EINVAL, "%s: %s", command, problem);
    return failure(&e);
}

static int print_json(json_t *j, size_t flags)
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
static int protect(void)
{
    struct err e;
    /* What the caller has left open goes through to the protected copy, and no further. */
    return self_protect(oci.all, &e) || fds_close_on_exec(3, &e) ? failure(&e) : 0;
}

static int need_id(const char *command, int argc, char **argv, const char **id)
{
    if (optind >= argc)
        return usage(command, "a container ID is required");
    *id = argv[optind++];
    return 0;
}

/* create and run take the same options. */
static int parse_create(int argc, char **argv, struct create_options *o)
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
        default: return usage(argv[0], "invalid option");
        }
    }
    /* The caller's directory is where relative names start, not the bundle. */
    if (o->preserve_fds > 1024)
        return usage(argv[0], "--preserve-fds is out of range");
    int r = need_id(argv[0], argc, argv, &o->id);
    return r ? r : protect();
}

static char *absolute(const char *path)
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
static void make_absolute(struct create_options *o)
{
    o->pid_file = absolute(o->pid_file);
    o->console_socket = absolute(o->console_socket);
    o->pidfd_socket = absolute(o->pidfd_socket);
    oci.log = absolute(oci.log);
    oci.rt.root = absolute(oci.rt.root);
}

static int command_create(int argc, char **argv)
{
    struct create_options o = {0};
    struct err e;
    int r = parse_create(argc, argv, &o);
    if (r)
        return r;
    make_absolute(&o);
    return runtime_create(&oci.rt, &o, &e) ? failure(&e) : 0;
}

static int command_run(int argc, char **argv)
{
    struct create_options o = {0};
    struct err e;
    int status, r = parse_create(argc, argv, &o);
    if (r)
        return r;
    make_absolute(&o);
    return runtime_run(&oci.rt, &o, &status, &e) ? failure(&e) : status;
}

/* Commands whose only operand is the id. */
static int only_id(int argc, char **argv, const char **id)
{
    static const struct option none[] = {{NULL, 0, NULL, 0}};
    if (getopt_long(argc, argv, "", none, NULL) >= 0)
        return usage(argv[0], "invalid option");
    return need_id(argv[0], argc, argv, id);
}

static int command_start(int argc, char **argv)
{
    struct err e;
    const char *id;
    int r = only_id(argc, argv, &id);
    return r ? r : runtime_start(&oci.rt, id, 0, &e) ? failure(&e) : 0;
}

static int command_pause(int argc, char **argv)
{
    struct err e;
    const char *id;
    int r = only_id(argc, argv, &id);
    return r ? r : runtime_freeze(&oci.rt, id, true, &e) ? failure(&e) : 0;
}

static int command_resume(int argc, char **argv)
{
    struct err e;
    const char *id;
    int r = only_id(argc, argv, &id);
    return r ? r : runtime_freeze(&oci.rt, id, false, &e) ? failure(&e) : 0;
}

static int command_state(int argc, char **argv)
{
    struct err e;
    const char *id;
    json_t *j;
    int r = only_id(argc, argv, &id);
    if (r)
        return r;
    return runtime_state(&oci.rt, id, &j, &e) ? failure(&e) : print_json(j, JSON_INDENT(2));
}

/* With --regex a command is for every container whose id matches. */
static int for_matching(const char *pattern, int (*run)(const char *id, void *ctx, struct err *e),
                        void *ctx)
{
    regex_t re;
    json_t *list, *one;
    struct err e;
    size_t i;
    int status = 0;
    if (regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB))
        return usage("--regex", "invalid regular expression");
    if (runtime_list(&oci.rt, &list, &e)) {
        regfree(&re);
        return failure(&e);
    }
    json_array_foreach(list, i, one)
    {
        const char *id = json_string_value(json_object_get(one, "id"));
        if (!regexec(&re, id, 0, NULL, 0) && run(id, ctx, &e))
            status = failure(&e);
    }
    json_decref(list);
    regfree(&re);
    return status;
}

struct kill_request {
    int signal;
    bool all;
};

static int kill_one(const char *id, void *ctx, struct err *e)
{
    const struct kill_request *k = ctx;
    return runtime_kill(&oci.rt, id, k->signal, k->all, e);
}

static int command_kill(int argc, char **argv)
{
    static const struct option options[] = {
        {"all", no_argument, NULL, 'a'}, {"regex", no_argument, NULL, 'r'}, {NULL, 0, NULL, 0}};
    struct kill_request k = {0};
    bool regex = false;
    const char *id;
    struct err e;
    for (int c; (c = getopt_long(argc, argv, "ar", options, NULL)) >= 0;) {
        if (c == '?')
            return usage("kill", "invalid option");
        k.all |= c == 'a';
        regex |= c == 'r';
    }
    int r = need_id("kill", argc, argv, &id);
    if (r)
        return r;
    const char *name = optind < argc ? argv[optind] : "TERM";
    k.signal = signal_number(name);
    if (k.signal < 0) {
        err_set(&e, -EINVAL, "kill: unknown signal `%s`", name);
        return failure(&e);
    }
    if (regex)
        return for_matching(id, kill_one, &k);
    return kill_one(id, &k, &e) ? failure(&e) : 0;
}

static int delete_one(const char *id, void *ctx, struct err *e)
{
    return runtime_delete(&oci.rt, id, 0, *(bool *)ctx, e);
}

static int command_delete(int argc, char **argv)
{
    static const struct option options[] = {
        {"force", no_argument, NULL, 'f'}, {"regex", no_argument, NULL, 'r'}, {NULL, 0, NULL, 0}};
    bool force = false, regex = false;
    const char *id;
    struct err e;
    for (int c; (c = getopt_long(argc, argv, "fr", options, NULL)) >= 0;) {
        if (c == '?')
            return usage("delete", "invalid option");
        force |= c == 'f';
        regex |= c == 'r';
    }
    int r = need_id("delete", argc, argv, &id);
    if (r)
        return r;
    if (regex)
        return for_matching(id, delete_one, &force);
    return delete_one(id, &force, &e) ? failure(&e) : 0;
}

static int command_list(int argc, char **argv)
{
    static const struct option options[] = {{"format", required_argument, NULL, 'f'},
                                            {"quiet", no_argument, NULL, 'q'},
                                            {NULL, 0, NULL, 0}};
    bool json = false, quiet = false;
    json_t *list, *one;
    struct err e;
    size_t i;
    for (int c; (c = getopt_long(argc, argv, "f:q", options, NULL)) >= 0;) {
        if (c == 'q')
            quiet = true;
        else if (c == 'f' && (!strcmp(optarg, "json") || !strcmp(optarg, "table")))
            json = !strcmp(optarg, "json");
        else
            return usage("list", "invalid option");
    }
    if (runtime_list(&oci.rt, &list, &e))
        return failure(&e);
    if (json && !quiet)
        return print_json(list, JSON_COMPACT);
    if (!quiet)
        printf("%-24s %-8s %-9s %-40s %-30s %s\n", "ID", "PID", "STATUS", "BUNDLE", "CREATED",
               "OWNER");
    json_array_foreach(list, i, one)
    {
        const char *id = json_string_value(json_object_get(one, "id"));
        if (quiet)
            puts(id);
        else
            printf("%-24s %-8lld %-9s %-40s %-30s %s\n", id,
                   (long long)json_integer_value(json_object_get(one, "pid")),
                   json_string_value(json_object_get(one, "status")),
                   json_string_value(json_object_get(one, "bundle")),
                   json_string_value(json_object_get(one, "created")),
                   json_string_value(json_object_get(one, "owner")));
    }
    json_decref(list);
    return 0;
}

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

static int command_exec(int argc, char **argv)
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
                return usage("exec", "too many groups");
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
        default: return usage("exec", "invalid option");
        }
    }
    o.groups = groups;
    int r = need_id("exec", argc, argv, &o.id);
    if (r)
        return r;
    while (optind < argc)
        append(&o.args, &words, argv[optind++]);
    if (!words && !o.process_file)
        return usage("exec", "a program or --process is required");
    if (o.preserve_fds > 1024)
        return usage("exec", "--preserve-fds is out of range");
    if ((r = protect()))
        return r;
    /* Not a number that programs use: who runs one must tell its failure from ours. */
    r = runtime_exec(&oci.rt, &o, &status, &e) ? failure(&e), OCI_NO_EXEC : status;
    free(o.env);
    free(o.caps);
    free(o.cgroups);
    free(o.args);
    return r;
}

static int command_ps(int argc, char **argv)
{
    static const struct option options[] = {{"format", required_argument, NULL, 'f'},
                                            {NULL, 0, NULL, 0}};
    bool json = false;
    const char *id;
    struct err e;
    pid_t *pid;
    size_t n;
    for (int c; (c = getopt_long(argc, argv, "+f:", options, NULL)) >= 0;) {
        if (c != 'f' || (strcmp(optarg, "json") && strcmp(optarg, "table")))
            return usage("ps", "invalid option");
        json = !strcmp(optarg, "json");
    }
    int r = need_id("ps", argc, argv, &id);
    if (r)
        return r;
    if (runtime_pids(&oci.rt, id, &pid, &n, &e))
        return failure(&e);
    if (json) {
        json_t *list = json_array();
        for (size_t i = 0; i < n; i++)
            json_array_append_new(list, json_integer(pid[i]));
        r = print_json(list, JSON_COMPACT);
    } else if (oci_ps_table(pid, n, argv + optind, (size_t)(argc - optind))) {
        r = usage("ps", "ps failed, or its output has no PID column");
    }
    free(pid);
    return r;
}

static int command_spec(int argc, char **argv)
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
            return usage("spec", "invalid option");
    }
    int dir = open(bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int fd =
        dir < 0 ? -1 : openat(dir, "config.json", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0) {
        err_set(&e, -errno, "write `%s/config.json`: %s", bundle, err_name(errno));
        return failure(&e);
    }
    json_t *j = spec_default(rootless);
    FILE *f = fdopen(fd, "w");
    bool bad = !j || !f || json_dumpf(j, f, JSON_INDENT(4)) || fputc('\n', f) == EOF;
    bad |= f && fclose(f);
    json_decref(j);
    close(dir);
    return bad ? usage("spec", "writing config.json failed") : 0;
}

static int command_features(int argc, char **argv)
{
    return print_json(features_json(), JSON_INDENT(2));
}

/* --memory and its like become the members that config.json has for them. */
static const struct update_flag {
    const char *flag, *section, *member;
    bool text;
} update_flags[] = {
    {"memory", "memory", "limit", false},
    {"memory-reservation", "memory", "reservation", false},
    {"memory-swap", "memory", "swap", false},
    {"kernel-memory", "memory", "kernel", false},
    {"kernel-memory-tcp", "memory", "kernelTCP", false},
    {"cpu-period", "cpu", "period", false},
    {"cpu-quota", "cpu", "quota", false},
    {"cpu-burst", "cpu", "burst", false},
    {"cpu-share", "cpu", "shares", false},
    {"cpu-idle", "cpu", "idle", false},
    {"cpu-rt-period", "cpu", "realtimePeriod", false},
    {"cpu-rt-runtime", "cpu", "realtimeRuntime", false},
    {"cpuset-cpus", "cpu", "cpus", true},
    {"cpuset-mems", "cpu", "mems", true},
    {"pids-limit", "pids", "limit", false},
    {"blkio-weight", "blockIO", "weight", false},
};

static bool set_update(json_t *resources, const struct update_flag *u, const char *value)
{
    json_t *section = json_object_get(resources, u->section);
    if (!section) {
        section = json_object();
        json_object_set_new(resources, u->section, section);
    }
    if (u->text)
        return !json_object_set_new(section, u->member, json_string(value));
    char *end;
    long long v = strtoll(value, &end, 10);
    static const char units[] = "bkmgt";
    if (*end && end != value) {
        const char *unit = strchr(units, *end | 32);
        if (!unit || end[1])
            return false;
        if (__builtin_mul_overflow(v, 1ll << (10 * (unit - units)), &v))
            return false;
    }
    return end != value && !json_object_set_new(section, u->member, json_integer(v));
}

static json_t *read_resources(const char *path)
{
    FILE *f = strcmp(path, "-") ? fopen(path, "re") : stdin;
    json_t *j = f ? json_loadf(f, 0, NULL) : NULL;
    if (f && f != stdin)
        fclose(f);
    return j;
}

static int command_update(int argc, char **argv)
{
    struct option options[ARRAY_LEN(update_flags) + 2] = {
        {"resources", required_argument, NULL, 'r'}};
    for (size_t i = 0; i < ARRAY_LEN(update_flags); i++)
        options[i + 1] =
            (struct option){update_flags[i].flag, required_argument, NULL, 256 + (int)i};
    json_t *resources = json_object();
    const char *id;
    struct err e;
    for (int c; (c = getopt_long(argc, argv, "r:", options, NULL)) >= 0;) {
        if (c == 'r') {
            json_decref(resources);
            resources = read_resources(optarg);
            if (!json_is_object(resources))
                return usage("update", "the resources are not a JSON object");
        } else if (c < 256 || !set_update(resources, &update_flags[c - 256], optarg)) {
            return usage("update", "invalid option or value");
        }
    }
    int r = need_id("update", argc, argv, &id);
    if (!r && runtime_update(&oci.rt, id, resources, &e))
        r = failure(&e);
    json_decref(resources);
    return r;
}

static json_int_t oom_kills(json_t *data)
{
    return json_integer_value(json_object_get(json_object_get(data, "memory"), "oomKills"));
}

/* Sleeps until the next statistics are due or memory has run out. */
static void wait_for_events(int oom, i64 milliseconds)
{
    struct pollfd p = {.fd = oom, .events = POLLIN};
    char drained[4096];
    if (poll(&p, oom >= 0, (int)MIN(milliseconds, (i64)INT32_MAX)) > 0)
        (void)!read(oom, drained, sizeof drained);
}

/* "5s", "100ms", "2m", or seconds; 0 when it is none. */
static i64 parse_interval(const char *text)
{
    static const struct {
        const char *unit;
        i64 ms;
    } units[] = {{"", 1000}, {"s", 1000}, {"ms", 1}, {"m", 60000}, {"h", 3600000}};
    char *end;
    i64 n = strtoll(text, &end, 10);
    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (end != text && n > 0 && n < 1000000 && !strcmp(end, units[i].unit))
            return n * units[i].ms;
    return 0;
}

static int command_events(int argc, char **argv)
{
    static const struct option options[] = {{"stats", no_argument, NULL, 's'},
                                            {"interval", required_argument, NULL, 'i'},
                                            {NULL, 0, NULL, 0}};
    bool once = false;
    i64 interval = 5000;
    const char *id;
    struct err e;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) >= 0;) {
        if (c == 's')
            once = true;
        else if (c != 'i' || !(interval = parse_interval(optarg)))
            return usage("events",
                         c == 'i' ? "duration interval must be greater than 0" : "invalid option");
    }
    int r = need_id("events", argc, argv, &id);
    auto_close int oom = r || once ? -1 : runtime_oom_watch(&oci.rt, id, &e);
    json_int_t killed = -1;
    struct timespec next, now;
    clock_gettime(CLOCK_MONOTONIC, &next);
    while (!r) {
        json_t *data;
        if (runtime_stats(&oci.rt, id, &data, &e))
            return killed >= 0 ? 0 : failure(&e); /* the container's end is the events' end */
        json_int_t kills = oom_kills(data);
        if (killed >= 0 && kills > killed)
            print_json(json_pack("{ss ss}", "type", "oom", "id", id), JSON_COMPACT);
        killed = kills;
        clock_gettime(CLOCK_MONOTONIC, &now);
        i64 left = (next.tv_sec - now.tv_sec) * 1000 + (next.tv_nsec - now.tv_nsec) / 1000000;
        if (left <= 0) {
            r = print_json(json_pack("{ss ss so}", "type", "stats", "id", id, "data", data),
                           JSON_COMPACT);
            next = now;
            next.tv_sec += interval / 1000;
            next.tv_nsec += interval % 1000 * 1000000;
            left = interval;
        } else {
            json_decref(data);
        }
        fflush(stdout);
        if (once)
            break;
        /* The kernel tells of the lack before it counts the kill: look soon after, too. */
        wait_for_events(oom, MIN(left, (i64)500));
    }
    return r;
}

/* What loads libraries is in `doppel`, beside us: it does the same under our name. */
static int run_dynamic(void)
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
    return failure(&e);
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
        default: return usage(argv[0], "invalid option");
        }
    }
    k->images = absolute(k->images);
    k->work = absolute(k->work);
    return need_id(argv[0], argc, argv, &o->id);
}

static int command_checkpoint(int argc, char **argv)
{
    struct checkpoint k = {0};
    struct create_options o = {0};
    struct err e;
    int r = parse_checkpoint(argc, argv, &k, &o);
    if (r || !sdbus_loadable())
        return r ? r : run_dynamic();
    return runtime_checkpoint(&oci.rt, o.id, &k, &e) ? failure(&e) : 0;
}

static int command_restore(int argc, char **argv)
{
    struct checkpoint k = {0};
    struct create_options o = {.restore = &k};
    struct err e;
    int status, r = parse_checkpoint(argc, argv, &k, &o);
    if (r || !sdbus_loadable())
        return r ? r : run_dynamic();
    if ((r = protect()))
        return r;
    make_absolute(&o);
    return runtime_run(&oci.rt, &o, &status, &e) ? failure(&e) : status;
}

static int command_help(int argc, char **argv);

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    bool enters; /* a container: runs protected */
    const char *synopsis, *help;
} commands[] = {
    {"checkpoint", command_checkpoint, false,
     "[--image-path DIR] [--work-path DIR] [--leave-running] [--tcp-established] [--file-locks]\n"
     "          [--ext-unix-sk] [--shell-job] [--pre-dump] [--parent-path DIR] ID",
     "write a container's processes to files (needs libcriu)"},
    {"create", command_create, true,
     "[--bundle DIR] [--config FILE] [--pid-file FILE] [--console-socket SOCKET]\n"
     "          [--pidfd-socket SOCKET] [--preserve-fds N] [--no-pivot] [--no-new-keyring] ID",
     "create a container"},
    {"delete", command_delete, false, "[--force] [--regex] ID|PATTERN", "remove a container"},
    {"events", command_events, false, "[--stats] [--interval SECONDS] ID",
     "print statistics and OOM events"},
    {"exec", command_exec, true,
     "[--process FILE] [--tty] [--user UID[:GID]] [--additional-gids GID] [--cwd DIR]\n"
     "          [--env NAME=VALUE] [--cap CAP] [--detach] [--pid-file FILE] [--console-socket "
     "SOCKET]\n"
     "          [--process-label LABEL] [--apparmor PROFILE] [--no-new-privs] [--preserve-fds N]\n"
     "          [--pidfd-socket SOCKET] [--cgroup PATH] [--ignore-paused] ID [PROGRAM "
     "[ARGUMENT...]]",
     "run a program in a container"},
    {"features", command_features, false, "", "print what this runtime supports"},
    {"help", command_help, false, "", "this text"},
    {"kill", command_kill, false, "[--all] [--regex] ID|PATTERN [SIGNAL]",
     "send a signal to a container"},
    {"list", command_list, false, "[--format table|json] [--quiet]", "list containers"},
    {"pause", command_pause, false, "ID", "freeze a container"},
    {"ps", command_ps, false, "[--format table|json] ID [PS OPTIONS]",
     "list a container's processes"},
    {"restore", command_restore, true,
     "[--image-path DIR] [--work-path DIR] [--bundle DIR] [--detach] [--pid-file FILE]\n"
     "          [--console-socket SOCKET] [checkpoint's options] ID",
     "bring them back (needs libcriu)"},
    {"resume", command_resume, false, "ID", "thaw a container"},
    {"run", command_run, true, "[--detach] [--keep] [--no-subreaper] [create's options] ID",
     "create and start a container"},
    {"spec", command_spec, false, "[--bundle DIR] [--rootless]",
     "write a config.json to start from"},
    {"start", command_start, false, "ID", "start a created container"},
    {"state", command_state, false, "ID", "print a container's state"},
    {"update", command_update, false, "[--resources FILE] [--memory BYTES] [--cpu-quota US] ... ID",
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

static int command_help(int argc, char **argv)
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
                *status = usage("--log-format", "text or json is expected");
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
                *status = usage("--cgroup-manager", "unknown manager");
                return -1;
            }
            break;
        case ROOTLESS: /* what we are allowed decides, not what we are told */
        case CRIU: break;
        case 'v': *status = version(); return -1;
        case 'h': *status = command_help(argc, argv); return -1;
        default: *status = usage("doppel-oci", "invalid option"); return -1;
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
        return run_dynamic();
    log_threshold = oci.debug ? LOG_DEBUG : LOG_WARN;
    if (optind >= argc) {
        command_help(argc, argv);
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
                return failure(&e);
            return commands[i].run(argc, argv);
        }
    if (argc > 1 && (!strcmp(argv[1], "-h") || !strcmp(argv[1], "--help")))
        fprintf(stderr, "No help topic for '%s'\n", argv[0]);
    return usage(argv[0], "unknown command");
}
