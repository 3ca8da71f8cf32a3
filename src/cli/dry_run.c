/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine that would run, for --dry-run. */
#include "cli/run.h"

#include <jansson.h>
#include <stdio.h>

void dry_run_print(struct machine *m, const struct run_request *r)
{
    const struct vm *vm = machine_vm(m);
    if (!r->json) {
        printf("%s\n%s\n%u CPU%s, %llu MiB\n", machine_engine_reason(m),
               machine_boot_description(m), vm->cpus, vm->cpus == 1 ? "" : "s",
               (unsigned long long)(r->machine.memory / MiB));
        return;
    }
    json_t *doc =
        json_pack("{s:s, s:s, s:s, s:i, s:I, s:s, s:s?, s:s}", "engine", vm->engine->name, "reason",
                  machine_engine_reason(m), "boot", machine_boot_description(m), "cpus",
                  (int)vm->cpus, "memory", (json_int_t)r->machine.memory, "kernel",
                  r->machine.kernel, "initrd", r->machine.initrd, "append", r->machine.append);
    json_dumpf(doc, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(doc);
}
