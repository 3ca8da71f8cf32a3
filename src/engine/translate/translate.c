/* SPDX-License-Identifier: BSD-2-Clause */
/* The engine's table. */
#include "engine/translate/translate.h"

#include "base/mem.h"
#include "base/str.h"
#include "engine/translate/lockstep.h"
#include "engine/translate/translate_priv.h"

#include <errno.h>

static int translate_probe(struct err *e)
{
    struct os_code c;
    int r = os_code_create(&c, 4096, e);
    if (r == 0)
        os_code_destroy(&c);
    return r;
}

static int translate_model(struct x86_cpu_model *m, struct err *e)
{
    x86_model_host(m); /* most instructions are the host's own */
    str_copy(m->name, "translate", sizeof m->name);
    m->tsc_khz = 1000000; /* scaled from the host's in any case: a round number */
    return 0;
}

static const struct soft_engine translator_hooks = {.run_blocks = translate_blocks,
                                                    .killed = translate_killed,
                                                    .emptied = translate_emptied,
                                                    .translates = true};

static int translate_vm_init(struct vm *vm, struct err *e)
{
    return soft_vm_init(vm, &translator_hooks, e);
}

static int make_code(struct translator *t, struct err *e)
{
    int r = os_code_create(&t->code, t->soft.arena.size_max, e);
    if (r)
        return r;
    t->links = mem_alloc_array(LINKS_MAX, sizeof *t->links);
    t->scratch = mem_alloc(BLOCK_CODE_MAX);
    if (!t->links || !t->scratch) {
        mem_free(t->links);
        mem_free(t->scratch);
        os_code_destroy(&t->code);
        return err_set(e, -ENOMEM, "making the translator: out of memory");
    }
    t->callout = translate_callout;
    t->refill = translate_refill;
    unsigned hot = t->soft.svm->vm->config.code_hot;
    t->hot = hot ? hot : HOT;
    return 0;
}

static void free_code(struct translator *t)
{
    places_destroy(t);
    mem_free(t->links);
    mem_free(t->scratch);
    os_code_destroy(&t->code);
}

enum { TRANSLATOR_SIZE = LOW_STACK + sizeof(struct translator) };
_Static_assert(LOW_STACK % 64 == 0, "the struct begins a cache line");

static int translate_vcpu_init(struct vcpu *v, struct err *e)
{
    u8 *memory = mem_map(TRANSLATOR_SIZE);
    if (!memory)
        return err_set(e, -ENOMEM, "making vCPU %u: out of memory", v->index);
    struct translator *t = (struct translator *)(void *)(memory + LOW_STACK);
    t->memory = memory;
    int r = soft_vcpu_init(&t->soft, v, e);
    if (r == 0) {
        r = make_code(t, e);
        if (r == 0) {
            if (v->vm->config.sample_ns)
                r = places_create(t, e);
            if (r == 0 && v->vm->config.lockstep) {
                t->hot = 1;
                r = lockstep_create(t, e);
            }
            if (r == 0)
                return 0;
            free_code(t);
        }
        soft_vcpu_fini(&t->soft);
    }
    mem_unmap(memory, TRANSLATOR_SIZE);
    return r;
}

static void translate_vcpu_fini(struct vcpu *v)
{
    struct translator *t = translator_of(v->engine);
    lockstep_destroy(t);
    soft_vcpu_fini(&t->soft);
    free_code(t);
    mem_unmap(t->memory, TRANSLATOR_SIZE);
}

const struct engine_ops engine_translate = {
    .name = "translate",
    .description = "translator: most code runs on the host's processor as it is",
    .caps = ENGINE_SMP | ENGINE_SINGLE_STEP | ENGINE_INTERCEPT | ENGINE_LOCKSTEP,
    .probe = translate_probe,
    .model = translate_model,
    .vm_init = translate_vm_init,
    .vcpu_init = translate_vcpu_init,
    .run = soft_run,
    .kick = soft_kick,
    .get_state = soft_get_state,
    .set_state = soft_set_state,
    .memory_event = soft_memory_event,
    .counters = translate_counters,
    .sample = translate_sample,
    .vcpu_fini = translate_vcpu_fini,
    .vm_fini = soft_vm_fini,
};
