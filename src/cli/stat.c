/* SPDX-License-Identifier: BSD-2-Clause */
/* What a machine has counted, the same table for every engine: exits by reason, the engine's own
 * counters, and where the vCPUs' time went. Collected as a JSON document, which `doppel stat`
 * fetches from a running machine.
 */
#include "cli/run.h"

#include "base/mem.h"
#include "vm/stats.h"
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { SYMBOLS_KEPT = 100, SYMBOLS_SHOWN = 30 };

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

struct sampled {
    const char *name;
    u64 count;
};

static int by_samples(const void *a, const void *b)
{
    const struct sampled *x = a, *y = b;
    return x->count < y->count ? 1 : x->count > y->count ? -1 : strcmp(x->name, y->name);
}

/* The symbols that most samples fell on. What has no symbol is among them. */
static json_t *collect_symbols(const struct vm *vm)
{
    static const char *const others[] = {[PLACE_USER] = "(user code)",
                                         [PLACE_NAMELESS] = "(kernel code without a symbol)",
                                         [PLACE_UNKNOWN] = "(between blocks)"};
    const struct guest_symbols *s = vm->config.symbols;
    json_t *rows = json_object();
    u32 places = PLACE_SYMBOL + s->count, n = 0;
    auto_free struct sampled *all = mem_alloc_array(places, sizeof *all);
    for (u32 k = 0; all && k < places; k++) {
        u64 count = profile_place(vm, k);
        if (count)
            all[n++] =
                (struct sampled){k < PLACE_SYMBOL ? others[k] : s->name[k - PLACE_SYMBOL], count};
    }
    if (n)
        qsort(all, n, sizeof all[0], by_samples);
    for (u32 k = 0; k < n && k < SYMBOLS_KEPT; k++)
        add(rows, all[k].name, all[k].count);
    return rows;
}

/* Where the running time of the vCPUs went, in samples; NULL when nothing was sampled. */
static json_t *collect_profile(const struct vm *vm)
{
    json_t *tiers = json_object();
    u64 samples = 0;
    for (unsigned k = 0; k < TIER_COUNT; k++) {
        u64 count = profile_tier(vm, k);
        samples += count;
        if (count)
            add(tiers, vcpu_tier_name[k], count);
    }
    if (!samples) {
        json_decref(tiers);
        return NULL;
    }
    json_t *doc = json_pack("{s:I, s:f, s:o}", "samples", (json_int_t)samples, "seconds",
                            (double)(samples * vm->config.sample_ns) / 1e9, "tiers", tiers);
    if (vm->config.symbols)
        json_object_set_new(doc, "symbols", collect_symbols(vm));
    return doc;
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
    json_t *doc = json_pack("{s:s, s:i, s:I, s:f, s:o, s:o, s:o}", "engine", vm->engine->name,
                            "cpus", (int)vm->cpus, "instructions", (json_int_t)c.instructions,
                            "seconds", (double)clock_now_ns(vm->clock) / 1e9, "exits", exits,
                            "exit_seconds", seconds, "counters", counters);
    json_t *profile = collect_profile(vm);
    if (profile)
        json_object_set_new(doc, "profile", profile);
    return doc;
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

enum { ROWS_MAX = 256 };

/* Fills row; the largest comes first. */
static unsigned sort_rows(json_t *rows, void *row[ROWS_MAX])
{
    unsigned n = 0;
    for (void *i = json_object_iter(rows); i && n < ROWS_MAX; i = json_object_iter_next(rows, i))
        row[n++] = i;
    qsort(row, n, sizeof row[0], by_count);
    return n;
}

/* Long lists are cut. */
static void print_group(FILE *to, const char *name, json_t *rows, double seconds)
{
    enum { SHOWN = 24 };
    void *row[ROWS_MAX];
    unsigned n = sort_rows(rows, row);
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

static void print_shares(FILE *to, const char *title, json_t *rows, u64 samples, unsigned shown)
{
    void *row[ROWS_MAX];
    unsigned n = sort_rows(rows, row);
    fprintf(to, "\n%-52s %14s %12s\n", title, "samples", "share");
    for (unsigned k = 0; k < n && k < shown; k++) {
        u64 count = (u64)json_integer_value(json_object_iter_value(row[k]));
        fprintf(to, "%-52s %14llu %11.1f%%\n", json_object_iter_key(row[k]),
                (unsigned long long)count, 100.0 * (double)count / (double)samples);
    }
}

static void print_profile(FILE *to, const json_t *profile)
{
    u64 samples = number(profile, "samples");
    json_t *symbols = json_object_get(profile, "symbols");
    if (!samples)
        return;
    print_shares(to, "where the CPUs' time went", json_object_get(profile, "tiers"), samples,
                 TIER_COUNT);
    if (symbols)
        print_shares(to, "guest code", symbols, samples, SYMBOLS_SHOWN);
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
    print_profile(to, json_object_get(doc, "profile"));
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
