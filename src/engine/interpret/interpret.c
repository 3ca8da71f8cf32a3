/* SPDX-License-Identifier: BSD-2-Clause */
/* The engine's table: making vCPUs, state in and out, news about memory. */
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

static void interpret_vm_fini(struct vm *vm)
{
    struct interpret_vm *ivm = vm->engine_data;
    code_map_fini(ivm);
    mem_free(ivm);
    vm->engine_data = NULL;
}

static int interpret_vm_init(struct vm *vm, struct err *e)
{
    struct interpret_vm *ivm = mem_alloc(sizeof *ivm);
    if (!ivm)
        return err_set(e, -ENOMEM, "making the interpreter: out of memory");
    ivm->vm = vm;
    vm->engine_data = ivm;
    x86_vector_prepare(); /* its failure is logged, and a guest may do without */
    int r = code_map_init(ivm, e);
    if (r)
        interpret_vm_fini(vm);
    return r;
}

static int interpret_vcpu_init(struct vcpu *v, struct err *e)
{
    struct interpret *iv = mem_alloc_aligned(64, sizeof *iv);
    if (!iv)
        return err_set(e, -ENOMEM, "making vCPU %u: out of memory", v->index);
    iv->vcpu = v;
    iv->ivm = v->vm->engine_data;
    int r = block_cache_init(iv, e);
    if (r) {
        mem_free(iv);
        return r;
    }
    x86_cpu_init(&iv->cpu, &interpret_world, iv, &v->vm->model, v->index, v->index == 0);
    v->engine = iv;
    v->request_mirror = &iv->cpu.request;
    return 0;
}

static void interpret_vcpu_fini(struct vcpu *v)
{
    struct interpret *iv = v->engine;
    v->request_mirror = NULL;
    v->engine = NULL;
    block_cache_fini(iv);
    mem_free(iv);
}

/* cpu->request, the mirror of vcpu->request, is polled between blocks. */
static void interpret_kick(struct vcpu *v)
{
}

static int interpret_get_state(struct vcpu *v, struct x86_state *s, struct err *e)
{
    struct interpret *iv = v->engine;
    *s = iv->cpu.s;
    s->cr8 = v->lapic.tpr >> 4;
    return 0;
}

static int interpret_set_state(struct vcpu *v, const struct x86_state *s, struct err *e)
{
    struct interpret *iv = v->engine;
    int r = x86_state_validate(s, e);
    if (r)
        return r;
    iv->cpu.s = *s;
    iv->cpu.s.lapic.id = v->index;
    iv->cpu.vector_live = 0;
    iv->cpu.trap_pending = 0;
    iv->cpu.dr6_pending = 0;
    x86_cpu_derive(&iv->cpu);
    x86_tlb_flush(&iv->cpu, true);
    iv->epoch++;
    iv->irq_maybe = true;
    u32 requests = (s->init_pending ? VCPU_REQ_INIT : 0) | (s->sipi_pending ? VCPU_REQ_SIPI : 0);
    if (s->sipi_pending)
        __atomic_store_n(&v->sipi_vector, s->sipi_vector, __ATOMIC_RELEASE);
    iv->cpu.s.init_pending = iv->cpu.s.sipi_pending = 0;
    if (requests)
        vcpu_post(v, requests);
    return 0;
}

static void drop_write_tags(struct interpret_vm *ivm)
{
    exclusive_begin(ivm, NULL);
    __atomic_fetch_add(&ivm->marks, 1, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < ivm->vm->cpus; i++) {
        struct interpret *iv = ivm->vm->vcpu[i]->engine;
        x86_tlb_flush(&iv->cpu, true);
    }
    exclusive_end(ivm);
}

static void interpret_memory_event(struct vm *vm, const struct memory_event *ev)
{
    struct interpret_vm *ivm = vm->engine_data;
    switch (ev->kind) {
    case MEMORY_CODE_WRITTEN:
        code_written(ivm, ev->start, ev->size);
        break;
    case MEMORY_PROTECT:
    case MEMORY_LOG_ON:
        drop_write_tags(ivm);
        break;
    case MEMORY_MAP: /* known since vm_init */
    case MEMORY_UNMAP:
    case MEMORY_LOG_OFF: /* slow pages become free as they are used */
        break;
    }
}

const struct engine_ops engine_interpret = {
    .name = "interpret",
    .description = "reference interpreter: runs anywhere, needs nothing",
    .caps = ENGINE_SMP | ENGINE_SINGLE_STEP | ENGINE_INTERCEPT | ENGINE_STORE_BUFFER,
    .probe = interpret_probe,
    .model = interpret_model,
    .vm_init = interpret_vm_init,
    .vcpu_init = interpret_vcpu_init,
    .run = interpret_run,
    .kick = interpret_kick,
    .get_state = interpret_get_state,
    .set_state = interpret_set_state,
    .memory_event = interpret_memory_event,
    .vcpu_fini = interpret_vcpu_fini,
    .vm_fini = interpret_vm_fini,
};
