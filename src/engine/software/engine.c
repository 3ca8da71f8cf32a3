/* SPDX-License-Identifier: BSD-2-Clause */
/* Making vCPUs, state in and out, news about memory. */
#include "engine/software/software.h"

#include "base/mem.h"

#include <errno.h>

void soft_vm_fini(struct vm *vm)
{
    struct soft_vm *svm = vm->engine_data;
    code_map_fini(svm);
    mem_free(svm);
    vm->engine_data = NULL;
}

int soft_vm_init(struct vm *vm, const struct soft_engine *engine, struct err *e)
{
    struct soft_vm *svm = mem_alloc(sizeof *svm);
    if (!svm)
        return err_set(e, -ENOMEM, "making the engine: out of memory");
    svm->vm = vm;
    svm->engine = engine;
    vm->engine_data = svm;
    x86_vector_prepare(); /* its failure is logged, and a guest may do without */
    int r = code_map_init(svm, e);
    if (r)
        soft_vm_fini(vm);
    return r;
}

int soft_vcpu_init(struct soft *sv, struct vcpu *v, struct err *e)
{
    sv->vcpu = v;
    sv->svm = v->vm->engine_data;
    sv->engine = sv->svm->engine;
    int r = block_cache_init(sv, e);
    if (r)
        return r;
    x86_cpu_init(&sv->cpu, &soft_world, sv, &v->vm->model, v->index, v->index == 0);
    v->engine = sv;
    v->request_mirror = &sv->cpu.request;
    return 0;
}

void soft_vcpu_fini(struct soft *sv)
{
    sv->vcpu->request_mirror = NULL;
    sv->vcpu->engine = NULL;
    block_cache_fini(sv);
}

/* cpu->request, the mirror of vcpu->request, is polled between blocks. */
void soft_kick(struct vcpu *v)
{
}

int soft_get_state(struct vcpu *v, struct x86_state *s, struct err *e)
{
    struct soft *sv = v->engine;
    *s = sv->cpu.s;
    s->cr8 = v->lapic.tpr >> 4;
    return 0;
}

int soft_set_state(struct vcpu *v, const struct x86_state *s, struct err *e)
{
    struct soft *sv = v->engine;
    int r = x86_state_validate(s, e);
    if (r)
        return r;
    sv->cpu.s = *s;
    sv->cpu.s.lapic.id = v->index;
    sv->cpu.vector_live = 0;
    sv->cpu.trap_pending = 0;
    sv->cpu.dr6_pending = 0;
    x86_cpu_derive(&sv->cpu);
    x86_tlb_flush(&sv->cpu, true);
    sv->irq_maybe = true;
    u32 requests = (s->init_pending ? VCPU_REQ_INIT : 0) | (s->sipi_pending ? VCPU_REQ_SIPI : 0);
    if (s->sipi_pending)
        __atomic_store_n(&v->sipi_vector, s->sipi_vector, __ATOMIC_RELEASE);
    sv->cpu.s.init_pending = sv->cpu.s.sipi_pending = 0;
    if (requests)
        vcpu_post(v, requests);
    return 0;
}

void soft_counters(const struct vcpu *v, engine_count_fn tell, void *ctx)
{
    const struct soft *sv = v->engine;
    const struct x86_cpu *cpu = &sv->cpu;
    tell(ctx, "code", "blocks decoded", sv->blocks_made);
    tell(ctx, "code", "blocks dropped, overwritten", sv->blocks_dropped);
    tell(ctx, "code", "all blocks dropped", sv->emptied);
    tell(ctx, "tlb", "entries filled", cpu->tlb_events.fills);
    tell(ctx, "tlb", "flushes", cpu->tlb_events.flushes);
    tell(ctx, "tlb", "page flushes", cpu->tlb_events.page_flushes);
}

static void drop_write_tags(struct soft_vm *svm)
{
    exclusive_begin(svm, NULL);
    __atomic_fetch_add(&svm->marks, 1, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < svm->vm->cpus; i++) {
        struct soft *sv = svm->vm->vcpu[i]->engine;
        x86_tlb_flush(&sv->cpu, true);
    }
    exclusive_end(svm);
}

void soft_memory_event(struct vm *vm, const struct memory_event *ev)
{
    struct soft_vm *svm = vm->engine_data;
    switch (ev->kind) {
    case MEMORY_CODE_WRITTEN: code_written(svm, ev->start, ev->size); break;
    case MEMORY_PROTECT:
    case MEMORY_LOG_ON: drop_write_tags(svm); break;
    case MEMORY_MAP: /* known since vm_init */
    case MEMORY_UNMAP:
    case MEMORY_LOG_SYNC: /* our stores are in the log already */
    case MEMORY_LOG_OFF: /* slow pages become free as they are used */ break;
    }
}
