/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands for containers that exist. */
#include "cli/oci_commands.h"

#include "cli/oci_ps.h"
#include "container/util.h"

#include <getopt.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int oci_command_start(int argc, char **argv)
{
    struct err e;
    const char *id;
    int r = oci_only_id(argc, argv, &id);
    return r ? r : runtime_start(&oci.rt, id, 0, &e) ? oci_failure(&e) : 0;
}

int oci_command_pause(int argc, char **argv)
{
    struct err e;
    const char *id;
    int r = oci_only_id(argc, argv, &id);
    return r ? r : runtime_freeze(&oci.rt, id, true, &e) ? oci_failure(&e) : 0;
}

int oci_command_resume(int argc, char **argv)
{
    struct err e;
    const char *id;
    int r = oci_only_id(argc, argv, &id);
    return r ? r : runtime_freeze(&oci.rt, id, false, &e) ? oci_failure(&e) : 0;
}

int oci_command_state(int argc, char **argv)
{
    struct err e;
    const char *id;
    json_t *j;
    int r = oci_only_id(argc, argv, &id);
    if (r)
        return r;
    return runtime_state(&oci.rt, id, &j, &e) ? oci_failure(&e) : oci_print_json(j, JSON_INDENT(2));
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
        return oci_usage("--regex", "invalid regular expression");
    if (runtime_list(&oci.rt, &list, &e)) {
        regfree(&re);
        return oci_failure(&e);
    }
    json_array_foreach(list, i, one)
    {
        const char *id = json_string_value(json_object_get(one, "id"));
        if (!regexec(&re, id, 0, NULL, 0) && run(id, ctx, &e))
            status = oci_failure(&e);
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

int oci_command_kill(int argc, char **argv)
{
    static const struct option options[] = {
        {"all", no_argument, NULL, 'a'}, {"regex", no_argument, NULL, 'r'}, {NULL, 0, NULL, 0}};
    struct kill_request k = {0};
    bool regex = false;
    const char *id;
    struct err e;
    for (int c; (c = getopt_long(argc, argv, "ar", options, NULL)) >= 0;) {
        if (c == '?')
            return oci_usage("kill", "invalid option");
        k.all |= c == 'a';
        regex |= c == 'r';
    }
    int r = oci_need_id("kill", argc, argv, &id);
    if (r)
        return r;
    const char *name = optind < argc ? argv[optind] : "TERM";
    k.signal = signal_number(name);
    if (k.signal < 0) {
        err_set(&e, -EINVAL, "kill: unknown signal `%s`", name);
        return oci_failure(&e);
    }
    if (regex)
        return for_matching(id, kill_one, &k);
    return kill_one(id, &k, &e) ? oci_failure(&e) : 0;
}

static int delete_one(const char *id, void *ctx, struct err *e)
{
    return runtime_delete(&oci.rt, id, 0, *(bool *)ctx, e);
}

int oci_command_delete(int argc, char **argv)
{
    static const struct option options[] = {
        {"force", no_argument, NULL, 'f'}, {"regex", no_argument, NULL, 'r'}, {NULL, 0, NULL, 0}};
    bool force = false, regex = false;
    const char *id;
    struct err e;
    for (int c; (c = getopt_long(argc, argv, "fr", options, NULL)) >= 0;) {
        if (c == '?')
            return oci_usage("delete", "invalid option");
        force |= c == 'f';
        regex |= c == 'r';
    }
    int r = oci_need_id("delete", argc, argv, &id);
    if (r)
        return r;
    if (regex)
        return for_matching(id, delete_one, &force);
    return delete_one(id, &force, &e) ? oci_failure(&e) : 0;
}

int oci_command_list(int argc, char **argv)
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
            return oci_usage("list", "invalid option");
    }
    if (runtime_list(&oci.rt, &list, &e))
        return oci_failure(&e);
    if (json && !quiet)
        return oci_print_json(list, JSON_COMPACT);
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

int oci_command_ps(int argc, char **argv)
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
            return oci_usage("ps", "invalid option");
        json = !strcmp(optarg, "json");
    }
    int r = oci_need_id("ps", argc, argv, &id);
    if (r)
        return r;
    if (runtime_pids(&oci.rt, id, &pid, &n, &e))
        return oci_failure(&e);
    if (json) {
        json_t *list = json_array();
        for (size_t i = 0; i < n; i++)
            json_array_append_new(list, json_integer(pid[i]));
        r = oci_print_json(list, JSON_COMPACT);
    } else if (oci_ps_table(pid, n, argv + optind, (size_t)(argc - optind))) {
        r = oci_usage("ps", "ps failed, or its output has no PID column");
    }
    free(pid);
    return r;
}
