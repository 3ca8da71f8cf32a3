/* SPDX-License-Identifier: BSD-2-Clause */
/* Guest instructions a second on the interpreter, by kind of loop. */
#include "../tests/unit/cmocka_all.h"

#include "../tests/engine/rig.h"

#include "engine/interpret/interpret.h"
#include <stdio.h>

static void measure(const char *name, struct guest g)
{
    struct rig r;
    struct exit_counters c;
    rig_open(&r, &engine_interpret, 1, true, g);
    u64 begun = os_clock_ns();
    rig_start(&r);
    rig_wait(&r);
    u64 ns = os_clock_ns() - begun;
    vm_exit_counters(r.vm, &c);
    printf("%-10s %8.1f million instructions/s (%llu in %.3f s)\n", name,
           (double)c.instructions * 1000 / (double)ns, (unsigned long long)c.instructions,
           (double)ns / 1e9);
    rig_close(&r);
}

int main(void)
{
    measure("mixed", GUEST_OF(bench_mixed, false));
    measure("indirect", GUEST_OF(bench_indirect, false));
    measure("tlb", GUEST_OF(bench_tlb, false));
    measure("vector", GUEST_OF(bench_vector, false));
    return 0;
}
