/* SPDX-License-Identifier: BSD-2-Clause */
/* The exit counters of a machine, the same table for every engine. */
#include "cli/run.h"

#include "vm/stats.h"
#include <jansson.h>
#include <stdio.h>

static struct exit_counters sum_counters(struct vm *vm)
{
    struct exit_counters sum = {0};
    for (unsigned i = 0; i < vm->cpus; i++) {
        const struct exit_counters *c = &vm->vcpu[i]->exits;
        for (unsigned r = 0; r < EXIT_REASON_COUNT; r++) {
            sum.count[r] += c->count[r];
            sum.ns[r] += c->ns[r];
        }
        sum.instructions += c->instructions;
    }
    return sum;
}

static void print_json(struct vm *vm, const struct exit_counters *c)
{
    json_t *exits = json_object();
    for (unsigned r = 0; r < EXIT_REASON_COUNT; r++)
        if (c->count[r])
            json_object_set_new(exits, exit_reason_name[r], json_integer((json_int_t)c->count[r]));
    json_t *doc = json_pack("{s:s, s:i, s:I, s:f, s:o}", "engine", vm->engine->name, "cpus",
                            (int)vm->cpus, "instructions", (json_int_t)c->instructions, "seconds",
                            (double)clock_now_ns(vm->clock) / 1e9, "exits", exits);
    json_dumpf(doc, stderr, JSON_INDENT(2));
    fputc('\n', stderr);
    json_decref(doc);
}

void stat_print(struct machine *m, bool json)
{
    struct vm *vm = machine_vm(m);
    struct exit_counters c = sum_counters(vm);
    double seconds = (double)clock_now_ns(vm->clock) / 1e9;
    if (json) {
        print_json(vm, &c);
        return;
    }
    fprintf(stderr, "\n%-34s %14s %12s\n", "exits by reason", "count", "per second");
    for (unsigned r = 0; r < EXIT_REASON_COUNT; r++)
        if (c.count[r])
            fprintf(stderr, "%-34s %14llu %12.0f\n", exit_reason_name[r],
                    (unsigned long long)c.count[r], seconds > 0 ? (double)c.count[r] / seconds : 0);
    if (c.instructions)
        fprintf(stderr, "%-34s %14llu %12.0f\n", "instructions", (unsigned long long)c.instructions,
                seconds > 0 ? (double)c.instructions / seconds : 0);
    fprintf(stderr, "engine %s, %u CPU%s, %.2f s\n", vm->engine->name, vm->cpus,
            vm->cpus == 1 ? "" : "s", seconds);
}
