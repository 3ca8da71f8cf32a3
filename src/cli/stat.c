/* SPDX-License-Identifier: BSD-2-Clause */
/* What a machine has counted, the same table for every engine: exits by reason, and the engine's
 * own counters. Collected as a JSON document, which `doppel stat` fetches from a running machine.
 */
#include "cli/run.h"

#include "vm/stats.h"
#include <jansson.h>
#include <string.h>

static void add(json_t *object, const char *key, u64 value)
{
    const json_t *old = json_object_get(object, key);
    json_object_set_new(object, key, json_integer((json_int_t)value + json_integer_value(old)));
}

static void tell_counter(void *ctx, const char *group, const char *name, u64 value)
{
    json_t *counters = ctx, *rows = json_object_get(counters, group);
    if (!rows) {
        rows = json_object();
        json_object_set_new(counters, group, rows);
    }
    add(rows, name, value);
}

json_t *stat_collect(struct machine *m)
{
    struct vm *vm = machine_vm(m);
    struct exit_counters c;
    vm_exit_counters(vm, &c);
    json_t *exits = json_object(), *seconds = json_object(), *counters = json_object();
    for (unsigned r = 0; r < EXIT_REASON_COUNT; r++) {
        if (c.count[r])
            add(exits, exit_reason_name[r], c.count[r]);
        if (c.ns[r])
            json_object_set_new(seconds, exit_reason_name[r], json_real((double)c.ns[r] / 1e9));
    }
    for (unsigned i = 0; vm->engine->counters && i < vm->cpus; i++)
        if (vm->vcpu[i] && vm->vcpu[i]->engine)
            vm->engine->counters(vm->vcpu[i], tell_counter, counters);
    return json_pack("{s:s, s:i, s:I, s:f, s:o, s:o, s:o}", "engine", vm->engine->name, "cpus",
                     (int)vm->cpus, "instructions", (json_int_t)c.instructions, "seconds",
                     (double)clock_now_ns(vm->clock) / 1e9, "exits", exits, "exit_seconds", seconds,
                     "counters", counters);
}

static u64 number(const json_t *doc, const char *key)
{
    return (u64)json_integer_value(json_object_get(doc, key));
}

static void print_row(FILE *to, const char *name, u64 count, double seconds)
{
    fprintf(to, "%-52s %14llu %12.0f", name, (unsigned long long)count,
            seconds > 0 ? (double)count / seconds : 0);
}

static int by_count(const void *a, const void *b)
{
    const json_t *x = json_object_iter_value(*(void *const *)a);
    const json_t *y = json_object_iter_value(*(void *const *)b);
    json_int_t d = json_integer_value(y) - json_integer_value(x);
    return d < 0 ? -1 : d > 0;
}

/* The largest first; long lists are cut. */
static void print_group(FILE *to, const char *name, json_t *rows, double seconds)
{
    enum { ROWS_MAX = 256, SHOWN = 24 };
    void *row[ROWS_MAX];
    unsigned n = 0;
    for (void *i = json_object_iter(rows); i && n < ROWS_MAX; i = json_object_iter_next(rows, i))
        row[n++] = i;
    qsort(row, n, sizeof row[0], by_count);
    fprintf(to, "\n%s\n", name);
    u64 rest = 0;
    for (unsigned k = 0; k < n; k++) {
        u64 count = (u64)json_integer_value(json_object_iter_value(row[k]));
        if (k >= SHOWN) {
            rest += count;
            continue;
        }
        print_row(to, json_object_iter_key(row[k]), count, seconds);
        fputc('\n', to);
    }
    if (rest) {
        print_row(to, "(all others)", rest, seconds);
        fputc('\n', to);
    }
}

static void print_table(const json_t *doc, FILE *to)
{
    double seconds = json_number_value(json_object_get(doc, "seconds"));
    json_t *exits = json_object_get(doc, "exits"), *times = json_object_get(doc, "exit_seconds");
    json_t *counters = json_object_get(doc, "counters"), *rows;
    const char *name;
    fprintf(to, "\n%-52s %14s %12s %12s\n", "exits by reason", "count", "per second", "ms in all");
    for (unsigned r = 0; r < EXIT_REASON_COUNT; r++) {
        if (!json_object_get(exits, exit_reason_name[r]))
            continue;
        print_row(to, exit_reason_name[r], number(exits, exit_reason_name[r]), seconds);
        const json_t *t = json_object_get(times, exit_reason_name[r]);
        if (t)
            fprintf(to, " %12.1f", json_number_value(t) * 1e3);
        fputc('\n', to);
    }
    json_object_foreach(counters, name, rows) print_group(to, name, rows, seconds);
    if (number(doc, "instructions")) {
        fputc('\n', to);
        print_row(to, "instructions", number(doc, "instructions"), seconds);
        fputc('\n', to);
    }
    u64 cpus = number(doc, "cpus");
    fprintf(to, "engine %s, %llu CPU%s, %.2f s\n",
            json_string_value(json_object_get(doc, "engine")), (unsigned long long)cpus,
            cpus == 1 ? "" : "s", seconds);
}

void stat_print(const json_t *doc, bool json, FILE *to)
{
    if (!json) {
        print_table(doc, to);
        return;
    }
    json_dumpf(doc, to, JSON_INDENT(2));
    fputc('\n', to);
}
