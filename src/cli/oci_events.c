/* SPDX-License-Identifier: BSD-2-Clause */
/* events: statistics and out-of-memory events as they come. */
#include "cli/oci_commands.h"

#include "container/util.h"

#include "base/log.h"

#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Sleeps until the next statistics are due, memory has run out, or it is time to look whether the
 * container is still there. */
static void wait_for_events(const struct oom_watch *oom, i64 milliseconds)
{
    struct pollfd p = {.fd = oom->fd, .events = POLLIN};
    poll(&p, oom->fd >= 0, (int)MAX(MIN(milliseconds, (i64)500), (i64)0));
}

static i64 milliseconds_until(const struct timespec *t)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (t->tv_sec - now.tv_sec) * 1000 + (t->tv_nsec - now.tv_nsec) / 1000000;
}

/* Until the container ends. What ended it may have been the lack of memory: that is said last. */
static int print_events(const char *id, i64 interval, bool once, struct oom_watch *oom)
{
    struct timespec next;
    struct err e;
    bool first = true;
    int r = 0;
    clock_gettime(CLOCK_MONOTONIC, &next);
    while (!r) {
        json_t *data;
        bool ended = runtime_stats(&oci.rt, id, &data, &e);
        if (ended && first)
            return oci_failure(&e);
        if (cgroup_oom_happened(oom))
            oci_print_json(json_pack("{ss ss}", "type", "oom", "id", id), JSON_COMPACT);
        if (!ended && milliseconds_until(&next) <= 0) {
            r = oci_print_json(json_pack("{ss ss so}", "type", "stats", "id", id, "data", data),
                               JSON_COMPACT);
            clock_gettime(CLOCK_MONOTONIC, &next);
            next.tv_sec += interval / 1000;
            next.tv_nsec += interval % 1000 * 1000000;
        } else if (!ended) {
            json_decref(data);
        }
        fflush(stdout);
        if (ended || once)
            break;
        first = false;
        wait_for_events(oom, milliseconds_until(&next));
    }
    return r;
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

int oci_command_events(int argc, char **argv)
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
            return oci_usage("events", c == 'i' ? "duration interval must be greater than 0"
                                                : "invalid option");
    }
    int r = oci_need_id("events", argc, argv, &id);
    struct oom_watch oom = OOM_WATCH_NONE;
    if (!r && !once && runtime_oom_watch(&oci.rt, id, &oom, &e))
        log_warn("oci", "events: lack of memory will not be told: %s", e.text);
    if (!r)
        r = print_events(id, interval, once, &oom);
    cgroup_oom_end(&oom);
    return r;
}
