/* SPDX-License-Identifier: BSD-2-Clause */
/* events: statistics and out-of-memory events as they come. */
#include "cli/oci_commands.h"

#include "container/util.h"

#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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
    auto_close int oom = r || once ? -1 : runtime_oom_watch(&oci.rt, id, &e);
    json_int_t killed = -1;
    struct timespec next, now;
    clock_gettime(CLOCK_MONOTONIC, &next);
    while (!r) {
        json_t *data;
        if (runtime_stats(&oci.rt, id, &data, &e))
            return killed >= 0 ? 0 : oci_failure(&e); /* the container's end is the events' end */
        json_int_t kills = oom_kills(data);
        if (killed >= 0 && kills > killed)
            oci_print_json(json_pack("{ss ss}", "type", "oom", "id", id), JSON_COMPACT);
        killed = kills;
        clock_gettime(CLOCK_MONOTONIC, &now);
        i64 left = (next.tv_sec - now.tv_sec) * 1000 + (next.tv_nsec - now.tv_nsec) / 1000000;
        if (left <= 0) {
            r = oci_print_json(json_pack("{ss ss so}", "type", "stats", "id", id, "data", data),
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
