/* SPDX-License-Identifier: BSD-2-Clause */
/* The engine's table. */
#include "engine/interpret/interpret.h"

#include "base/mem.h"
#include "engine/interpret/interpret_priv.h"

#include <errno.h>

static int interpret_probe(struct err *e)
{
    return 0; /* it needs nothing */
}

static int interpret_model(struct x86_cpu_model *m, struct err *e)
{
    x86_model_host(m); /* vector instructions run on the host's own units */
    str_copy(m->name, "interpret", sizeof m->name);
    m->tsc_khz = 1000000; /* scaled from the host's in any case: a round number */
    return 0;
}

static const struct soft_engine interpreter = {.run_blocks = interpret_blocks};

static int interpret_vm_init(struct vm *vm, struct err *e)
{
    return soft_vm_init(vm, &interpreter, e);
}

static int interpret_vcpu_init(struct vcpu *v, struct err *e)
{
    struct soft *sv = mem_alloc_aligned(64, sizeof *sv);
    if (!sv)
        return err_set(e, -ENOMEM, "making vCPU %u: out of memory", v->index);
    int r = soft_vcpu_init(sv, v, e);
    if (r)
        mem_free(sv);
    return r;
}

static void interpret_vcpu_fini(struct vcpu *v)
{
    struct soft *sv = v->engine;
    soft_vcpu_fini(sv);
    mem_free(sv);
}

const struct engine_ops engine_interpret = {
    .name = "interpret",
    .description = "reference interpreter: runs anywhere, needs nothing",
    .caps = ENGINE_SMP | ENGINE_SINGLE_STEP | ENGINE_INTERCEPT | ENGINE_STORE_BUFFER,
    .probe = interpret_probe,
    .model = interpret_model,
    .vm_init = interpret_vm_init,
    .vcpu_init = interpret_vcpu_init,
    .run = soft_run,
    .kick = soft_kick,
    .get_state = soft_get_state,
    .set_state = soft_set_state,
    .memory_event = soft_memory_event,
    .counters = soft_counters,
    .sample = soft_sample,
    .vcpu_fini = interpret_vcpu_fini,
    .vm_fini = soft_vm_fini,
};
